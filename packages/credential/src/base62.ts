/**
 * Base62 digits, `0-9A-Za-z` in the order of ASCII: their values, and unbiased random ones.
 *
 * It is no codec for bytes: random parts are sampled digit by digit, so nothing here is ever decoded. It holds no source of
 * randomness either; the caller hands one in.
 */

export const base62Alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Stands in `digitValues` for every code that is no digit. A bit of its own, so that values can be joined by `|` and tested once. */
export const notDigit = 64

/** The value of each ASCII code as a base62 digit, or `notDigit`. */
export const digitValues: Uint8Array = valuesByCode()

/** The largest multiple of 62 that a byte can reach. Bytes from here on are drawn again, since their remainders would favour the low digits. */
const byteLimit = 248

/** A sound source needs about one draw; this many in a row without an end means that the source is broken. */
const drawsMax = 64

/** Whether the text consists of base62 digits only; the empty text does. */
export function isBase62(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code > 127 || digitValues[code] === notDigit) return false
  }
  return true
}

/**
 * That many independent base62 digits, each of the 62 equally likely (5.95 bits each; 43 of them hold 256 bits).
 * `randomBytes` returns exactly as many bytes as it is asked for, from a CSPRNG. Throws when the source is broken.
 */
export function randomBase62(randomBytes: (count: number) => Uint8Array, digits: number): string {
  let text = ''
  for (let draw = 0; text.length < digits; draw += 1) {
    if (draw === drawsMax) throw new Error('The source of randomness yields no usable bytes.')
    const missing = digits - text.length
    // One byte in 32 is drawn again; these few spare ones make a second draw rare.
    const count = missing + (missing >>> 4) + 4
    const bytes = randomBytes(count)
    if (bytes.length !== count)
      throw new Error('The source of randomness returned another number of bytes than asked for.')
    for (const byte of bytes) {
      if (text.length === digits) break
      if (byte < byteLimit) text += base62Alphabet.charAt(byte % 62)
    }
  }
  return text
}

function valuesByCode(): Uint8Array {
  const values = new Uint8Array(128).fill(notDigit)
  for (let value = 0; value < base62Alphabet.length; value += 1) values[base62Alphabet.charCodeAt(value)] = value
  return values
}
