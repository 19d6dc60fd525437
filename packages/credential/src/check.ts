/**
 * The check at the end of every credential: CRC-32 (ISO-HDLC, the one of zlib and PNG) over all characters before it, unsigned,
 * in six base62 digits, most significant first, zero-padded.
 *
 * It finds typing errors and lets a scanner tell a credential from noise. It is no security: anybody can compute it.
 *
 * It reads char codes, not bytes: what it is given is ASCII, for which the two are the same. A CRC that was returned can be
 * handed in again to go on behind it.
 */
import { base62Alphabet, digitValues, notDigit } from './base62.ts'

/** Digits of a check. The largest one is `4gfFC3`. */
export const checkDigits = 6

/** What `crc32OfDigits` and `readCheck` return in place of a number when a character is no base62 digit. */
export const notBase62 = -1

const polynomialReflected = 0xedb88320
const table = tableOfCrc()

/**
 * The CRC of `text` between two indexes, going on from `crc`. Unsigned. Each char code counts as one byte; throws RangeError
 * on a code above 255, since such a text has no CRC without an encoding.
 */
export function crc32(text: string, from = 0, to = text.length, crc = 0): number {
  let state = ~crc
  let seen = 0
  for (let index = from; index < to; index += 1) {
    const code = text.charCodeAt(index)
    seen |= code
    state = (state >>> 8) ^ (table[(state ^ code) & 0xff] as number)
  }
  if (seen > 0xff) throw new RangeError('A check is taken over ASCII only.')
  return ~state >>> 0
}

/**
 * The same over base62 digits only, or `notBase62` when another character is among them. Both questions are answered in one
 * pass because reading the characters is most of the cost of a parse.
 */
export function crc32OfDigits(text: string, from: number, to: number, crc: number): number {
  const crcs = table
  const values = digitValues
  let state = ~crc
  let seen = 0
  for (let index = from; index < to; index += 1) {
    const code = text.charCodeAt(index)
    seen |= (values[code & 0x7f] as number) | (code & 0xff80)
    state = (state >>> 8) ^ (crcs[(state ^ code) & 0xff] as number)
  }
  return seen < notDigit ? ~state >>> 0 : notBase62
}

/** The number that six base62 digits from an index on write, or `notBase62`. It may be larger than any CRC. */
export function readCheck(text: string, from: number): number {
  const high = readThreeDigits(text, from)
  const low = readThreeDigits(text, from + 3)
  // Six digits leave the range of 32-bit integers, three do not, and integers are read in half the time.
  return high < 0 || low < 0 ? notBase62 : high * 62 ** 3 + low
}

/** The check of a text: six base62 digits. Throws RangeError on a code above 255. */
export function checkOf(text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let digit = 0; digit < checkDigits; digit += 1) {
    digits = base62Alphabet.charAt(rest % 62) + digits
    rest = Math.floor(rest / 62)
  }
  return digits
}

function readThreeDigits(text: string, from: number): number {
  // Behind the end of the text the code is NaN, which `|` makes 0, and 0 is no digit.
  const first = text.charCodeAt(from) | 0
  const second = text.charCodeAt(from + 1) | 0
  const third = text.charCodeAt(from + 2) | 0
  if ((first | second | third) > 0x7f) return notBase62
  const high = digitValues[first] as number
  const middle = digitValues[second] as number
  const low = digitValues[third] as number
  return (high | middle | low) < notDigit ? (high * 62 + middle) * 62 + low : notBase62
}

function tableOfCrc(): Int32Array {
  const entries = new Int32Array(256)
  for (let byte = 0; byte < 256; byte += 1) {
    let entry = byte
    for (let bit = 0; bit < 8; bit += 1) entry = entry & 1 ? (entry >>> 1) ^ polynomialReflected : entry >>> 1
    entries[byte] = entry
  }
  return entries
}
