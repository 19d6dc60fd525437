/**
 * The written form of the slow hashes that can be imported, and nothing else: nothing is computed here.
 *
 *   bcrypt    $2a$|$2b$|$2y$ cost(2 digits) $ salt(22) hash(31)        base64 with bcrypt's own alphabet
 *   argon2id  $argon2id$v=19$m=KIB,t=PASSES,p=LANES$ salt $ hash       PHC string format, base64 without padding
 *
 * Strict at both ends: numbers without leading zeros, parameters in this order, base64 without stray bits, so that each hash
 * has exactly one spelling. Costs are bounded, since whoever imports a hash decides what each presented credential costs.
 *
 * What bcrypt does with a credential, which the importing operator's users must not notice:
 * - Only the first 72 bytes of its UTF-8 text count (`bcryptBytesMax`). A longer credential verifies with any tail; its
 *   whole text must therefore not be taken over into a fast digest as if all of it had been proven.
 * - `2a`, `2b` and `2y` are computed alike. They differ in faults of old programs: `2a` once wrote a length modulo 256
 *   (OpenBSD before 5.5, credentials of 255 bytes and more) and `2x` marks hashes of crypt_blowfish before 1.1, which
 *   mistook bytes above 0x7f. Hashes made with those faults do not verify, and `2x` is refused by name.
 */
import type { Argon2idHash, BcryptHash, SlowHashValue, SlowHashVariant } from '../../ports/slow-hash.ts'

/** Why a text is no hash that can be imported. Carries no part of the text. */
export type SlowHashUnreadable =
  | 'unknown_scheme'
  | 'unsupported_variant'
  | 'unsupported_version'
  | 'malformed'
  | 'cost_too_low'
  | 'cost_too_high'
  | 'salt_length'
  | 'hash_length'

/** Bytes of a credential that bcrypt looks at. */
export const bcryptBytesMax = 72

const textLengthMax = 256
const bcryptCostMin = 4
const bcryptCostMax = 14
const bcryptSaltBytes = 16
const bcryptHashBytes = 23
const argon2MemoryKibMax = 65_536
const argon2PassesMax = 4
const argon2ParallelismMax = 4
const argon2SaltBytes = { min: 8, max: 64 }
const argon2HashBytes = { min: 16, max: 64 }
/** RFC 9106, 3.1: at least 8 KiB a lane. */
const argon2MemoryKibPerLaneMin = 8

const bcryptForm = /^\$2([a-z]?)\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/
const argon2Form =
  /^\$(argon2[a-z]*)\$(?:v=([0-9]+)\$)?m=([0-9]+),t=([0-9]+),p=([0-9]+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/
const canonicalNumber = /^(?:0|[1-9][0-9]{0,9})$/

const standardAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const bcryptAlphabet = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Reads a bcrypt or argon2id text. Returns the reason when it cannot be imported, and throws nothing. */
export function parseSlowHash(text: string): SlowHashValue | SlowHashUnreadable {
  if (text.length > textLengthMax) return 'malformed'
  if (text.startsWith('$2')) return parseBcrypt(text)
  if (text.startsWith('$argon2')) return parseArgon2(text)
  return 'unknown_scheme'
}

/** Writes a hash as `parseSlowHash` reads it. */
export function writeSlowHash(value: SlowHashValue): string {
  if (value.kind === 'bcrypt') {
    const cost = String(value.cost).padStart(2, '0')
    return `$${value.variant}$${cost}$${toBcryptBase64(value.salt)}${toBcryptBase64(value.hash)}`
  }
  const { memoryKib, passes, parallelism, salt, hash } = value
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=${parallelism}$${toBase64(salt)}$${toBase64(hash)}`
}

/** Whether bcrypt would overlook the end of this credential. */
export function exceedsBcrypt(presented: string): boolean {
  return Buffer.byteLength(presented) > bcryptBytesMax
}

function parseBcrypt(text: string): BcryptHash | SlowHashUnreadable {
  const [, letter, costText, saltText, hashText] = bcryptForm.exec(text) ?? []
  if (letter === undefined || costText === undefined || saltText === undefined || hashText === undefined) {
    return 'malformed'
  }
  const variant = `2${letter}`
  if (!isBcryptVariant(variant)) return 'unsupported_variant'
  const cost = Number(costText)
  if (cost < bcryptCostMin) return 'cost_too_low'
  if (cost > bcryptCostMax) return 'cost_too_high'
  const salt = fromBcryptBase64(saltText)
  const hash = fromBcryptBase64(hashText)
  if (salt?.length !== bcryptSaltBytes || hash?.length !== bcryptHashBytes) return 'malformed'
  return { kind: 'bcrypt', variant, cost, salt, hash }
}

function parseArgon2(text: string): Argon2idHash | SlowHashUnreadable {
  const [, scheme, version, ...rest] = argon2Form.exec(text) ?? []
  if (scheme === undefined) return 'malformed'
  if (scheme !== 'argon2id') return 'unsupported_variant'
  // Without `v=` the version is 16, whose hashes differ.
  if (version !== '19') return 'unsupported_version'
  const [memoryText = '', passesText = '', parallelismText = '', saltText = '', hashText = ''] = rest
  if (![memoryText, passesText, parallelismText].every((number) => canonicalNumber.test(number))) return 'malformed'
  const [memoryKib, passes, parallelism] = [Number(memoryText), Number(passesText), Number(parallelismText)]
  if (memoryKib > argon2MemoryKibMax || passes > argon2PassesMax || parallelism > argon2ParallelismMax) {
    return 'cost_too_high'
  }
  if (passes < 1 || parallelism < 1 || memoryKib < argon2MemoryKibPerLaneMin * parallelism) return 'cost_too_low'
  const salt = fromBase64(saltText)
  const hash = fromBase64(hashText)
  if (salt === undefined || hash === undefined) return 'malformed'
  if (salt.length < argon2SaltBytes.min || salt.length > argon2SaltBytes.max) return 'salt_length'
  if (hash.length < argon2HashBytes.min || hash.length > argon2HashBytes.max) return 'hash_length'
  return { kind: 'argon2id', memoryKib, passes, parallelism, salt, hash }
}

function isBcryptVariant(variant: string): variant is SlowHashVariant {
  return variant === '2a' || variant === '2b' || variant === '2y'
}

/** Base64 without padding in its one spelling, else undefined. */
function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'))
  return toBase64(bytes) === text ? bytes : undefined
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replaceAll('=', '')
}

function fromBcryptBase64(text: string): Uint8Array | undefined {
  return fromBase64(translate(text, bcryptAlphabet, standardAlphabet))
}

function toBcryptBase64(bytes: Uint8Array): string {
  return translate(toBase64(bytes), standardAlphabet, bcryptAlphabet)
}

function translate(text: string, from: string, to: string): string {
  return Array.from(text, (character) => to.charAt(from.indexOf(character))).join('')
}
