/**
 * A strict reader for JSON request bodies: the grammar of `JSON.parse` (RFC 8259), and less. It refuses what two readers could
 * understand differently (duplicate members, numbers that a double cannot hold) and what is a weapon (depth), before any
 * schema sees the value. It knows no schema, no HTTP and no limit on size; whoever receives the body has one.
 *
 * One pass over the bytes counts depth and members; `JSON.parse` does the rest; one walk over the value counts members again. Where
 * the two counts differ, two names were equal after unescaping. Only then, or for another refusal, is a pointer looked for.
 *
 * A member named `__proto__` or `constructor` comes back as an own property like any other and changes no prototype.
 */
import { isUtf8 } from 'node:buffer'

export type JsonRefusal = 'not_utf8' | 'syntax' | 'duplicate_member' | 'too_deep' | 'number_out_of_range'

/** A value, or why there is none. The pointer (RFC 6901) is safe to print; see `printable`. */
export type JsonReading =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly reason: JsonRefusal; readonly pointer?: string }

export type JsonLimits = {
  /** Arrays and objects inside each other, the outermost included. At most `depthMax`, since later walks recurse as deep. */
  readonly depthMax: number
}

/** The default, and the most that may be asked for. */
export const depthMax = 32

/** Characters of a member's name that a pointer shows. */
export const pointerNameLengthMax = 64

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a
const comma = 0x2c
/** Brackets and braces differ in one bit, so with it masked away one comparison knows both. */
const bracketMask = 0xdf
const openBracket = 0x5b
const closeBracket = 0x5d
const tooDeep = -1

/**
 * Reads a body. Linear in time, without recursion deeper than `depthMax`. A byte order mark is refused as syntax (RFC 8259, 8.1).
 * Every number must lie within ±(2^53 - 1): beyond, a double no longer tells neighbouring integers apart. NUL and lone surrogates
 * pass; `findBadText` finds them.
 */
export function parseJson(bytes: Buffer, limits: JsonLimits = { depthMax }): JsonReading {
  const members = countMembers(bytes, Math.min(limits.depthMax, depthMax))
  if (members === tooDeep) return { ok: false, reason: 'too_deep' }
  if (!isUtf8(bytes)) return { ok: false, reason: 'not_utf8' }

  let value: unknown
  try {
    value = JSON.parse(bytes.toString())
  } catch {
    // The parser's message quotes the text, which may hold a secret.
    return { ok: false, reason: 'syntax' }
  }

  const kept = countSoundMembers(value)
  if (kept === members) return { ok: true, value }
  // A count that is no number says that some number in the value is not sound.
  if (Number.isNaN(kept)) return refusal('number_out_of_range', pointerTo(value, isOutOfRange))
  return refusal('duplicate_member', pointerToDuplicate(bytes))
}

/**
 * The pointer of the first string or member name that holds NUL or a lone surrogate: no text column and no UTF-8 text can keep
 * both. For values that `parseJson` returned, whose depth is bounded.
 */
export function findBadText(value: unknown): string | undefined {
  return pointerTo(value, isBadText)
}

/** Members of all objects in a body whose grammar is still unknown, or `tooDeep`. What it counts in broken text does not matter. */
function countMembers(bytes: Buffer, depthLimit: number): number {
  let depth = 0
  let members = 0
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] as number
    if (byte === quote) {
      index = endOfString(bytes, index)
    } else if (byte === colon) {
      members += 1
    } else if ((byte & bracketMask) === openBracket) {
      depth += 1
      if (depth > depthLimit) return tooDeep
    } else if ((byte & bracketMask) === closeBracket) {
      depth -= 1
    }
  }
  return members
}

/** The index of the quote that ends the string which begins at `from`, or the length where none does. */
function endOfString(bytes: Buffer, from: number): number {
  let index = from + 1
  while (index < bytes.length && bytes[index] !== quote) index += bytes[index] === backslash ? 2 : 1
  return index
}

/** Members of all objects in a value, or NaN, which every sum keeps, when a number in it is out of range. */
function countSoundMembers(value: unknown): number {
  if (typeof value === 'number') return isOutOfRange(value) ? Number.NaN : 0
  if (typeof value !== 'object' || value === null) return 0
  const isArray = Array.isArray(value)
  const children: readonly unknown[] = isArray ? value : Object.values(value)
  let members = isArray ? 0 : children.length
  for (let index = 0; index < children.length; index += 1) {
    const child = children[index]
    // Strings are most of what bodies hold; the call is kept for what needs it.
    if (typeof child !== 'string') members += countSoundMembers(child)
  }
  return members
}

/** The pointer of the first value or member name that is `wrong`, in the order of the text. */
function pointerTo(value: unknown, wrong: (scalar: unknown) => boolean): string | undefined {
  if (typeof value !== 'object' || value === null) return wrong(value) ? '' : undefined
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const below = pointerTo(value[index], wrong)
      if (below !== undefined) return `/${index}${below}`
    }
    return undefined
  }
  for (const [name, child] of Object.entries(value)) {
    const below = wrong(name) ? '' : pointerTo(child, wrong)
    if (below !== undefined) return `/${printable(name)}${below}`
  }
  return undefined
}

/** An array or object that is open at some place of the text. `names` is undefined for an array; `step` leads to the current child. */
type Level = { readonly names: Set<string> | undefined; step: string | number; awaitsName: boolean }

/** The pointer of the first member whose name, once unescaped, its object already had. For bodies that `JSON.parse` accepts. */
function pointerToDuplicate(bytes: Buffer): string | undefined {
  const levels: Level[] = []
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] as number
    const level = levels.at(-1)
    if (byte === quote) {
      const end = endOfString(bytes, index)
      if (level?.names !== undefined && level.awaitsName) {
        const name = String(JSON.parse(bytes.toString('utf8', index, end + 1)))
        level.step = printable(name)
        level.awaitsName = false
        if (level.names.has(name)) return levels.map(({ step }) => `/${step}`).join('')
        level.names.add(name)
      }
      index = end
    } else if (byte === comma && level !== undefined) {
      if (typeof level.step === 'number') level.step += 1
      level.awaitsName = true
    } else if ((byte & bracketMask) === openBracket) {
      const isObject = byte !== openBracket
      levels.push({ names: isObject ? new Set() : undefined, step: isObject ? '' : 0, awaitsName: true })
    } else if ((byte & bracketMask) === closeBracket) {
      levels.pop()
    }
  }
  return undefined
}

/**
 * A member's name as a pointer shows it: cut, escaped (RFC 6901, 3), fit for every log. A name that could be a credential in the
 * wrong place is not shown at all.
 */
function printable(name: string): string {
  if (/kw[skat]_/.test(name)) return '…'
  const shown = name.slice(0, pointerNameLengthMax).toWellFormed().replaceAll('\0', '\ufffd')
  return shown.replaceAll('~', '~0').replaceAll('/', '~1')
}

function refusal(reason: JsonRefusal, pointer: string | undefined): JsonReading {
  return pointer === undefined ? { ok: false, reason } : { ok: false, reason, pointer }
}

function isOutOfRange(scalar: unknown): boolean {
  return typeof scalar === 'number' && !(Math.abs(scalar) <= Number.MAX_SAFE_INTEGER)
}

function isBadText(scalar: unknown): boolean {
  return typeof scalar === 'string' && (scalar.includes('\0') || !scalar.isWellFormed())
}
