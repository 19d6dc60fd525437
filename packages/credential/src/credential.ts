/**
 * The written form of keys, secrets and tokens, and nothing else: no digest, no storage, no clock, no randomness.
 *
 *   key       kwk_<env>_<id 12><check 6>              public; also the OAuth `client_id` (RFC 6749, 2.2)
 *   secret    kws_<env>_<id 12>_<random 43><check 6>  private; 43 base62 digits hold 256 bits
 *   operator  kwa_<id 12>_<random 43><check 6>        private; a token of somebody who administers a tenant
 *   token     kwt_<sealed 60 to 600><check 6>         private; an opaque access token (RFC 6749, 1.4)
 *
 * The words are a tenant's own choice (`Prefixes`); the rest is fixed. `_` separates and stands in no word, digit or check, so each
 * credential has exactly one spelling and one reading. The check catches typing errors and lets a scanner tell a credential from
 * noise. It is no security.
 */
import { isBase62 } from './base62.ts'
import { checkDigits, checkOf, crc32, crc32OfDigits, notBase62, readCheck } from './check.ts'

export type Environment = 'live' | 'test'

/** A credential whose shape and check are right. That says nothing about whether it was ever issued. */
export type Credential =
  | { readonly kind: 'key'; readonly environment: Environment; readonly id: string }
  | { readonly kind: 'secret'; readonly environment: Environment; readonly id: string; readonly random: string }
  | { readonly kind: 'operator'; readonly id: string; readonly random: string }
  | { readonly kind: 'token'; readonly sealed: string }

/** Why a text is no credential. Safe to log, since it carries no part of the text. */
export type Unreadable = 'unknown_prefix' | 'malformed' | 'check_failed'

/** The words a tenant writes in front of its credentials, without `_`: one for each kind and one for each environment. */
export type PrefixWords = { readonly [word in Credential['kind'] | Environment]: string }

/** Prefix words ready for use; made by `prefixesOf` alone. */
export type Prefixes = {
  readonly words: PrefixWords
  readonly heads: readonly Head[]
}

/** Why words cannot serve: one is no base62 word of 1 to `wordLengthMax` characters, or one stands for two things. */
export type UnusableWords = 'word_malformed' | 'word_ambiguous'

/** Everything in front of the id or the sealed claims, `_` included, with its CRC, so that a parse goes on from there. */
type Head = { readonly text: string; readonly crc: number } & (
  | { readonly kind: 'key' | 'secret'; readonly environment: Environment }
  | { readonly kind: 'operator' | 'token'; readonly environment: undefined }
)

export const idDigits = 12
export const randomDigits = 43
export const sealedDigitsMin = 60
export const sealedDigitsMax = 600
export const wordLengthMax = 16

/** Longer than this is no credential under any words; the longest is a token behind a prefix of full length. */
export const credentialLengthMax = wordLengthMax + 1 + sealedDigitsMax + checkDigits

const separator = '_'
const separatorCode = separator.charCodeAt(0)
const kinds = ['secret', 'operator', 'token', 'key'] as const
const environments = ['live', 'test'] as const

/**
 * Makes words usable, or says why they are not. `former` are words the tenant wrote earlier: they are read for as long as they are
 * listed, so that a change of words kills no credential, and are never written.
 */
export function prefixesOf(words: PrefixWords, ...former: readonly PrefixWords[]): Prefixes | UnusableWords {
  const meanings = new Map<string, string>()
  const heads = new Map<string, Head>()
  for (const set of [words, ...former]) {
    for (const meaning of [...kinds, ...environments]) {
      const word = set[meaning]
      if (word.length < 1 || word.length > wordLengthMax || !isBase62(word)) return 'word_malformed'
      if ((meanings.get(word) ?? meaning) !== meaning) return 'word_ambiguous'
      meanings.set(word, meaning)
    }
    for (const head of headsOf(set)) heads.set(head.text, head)
  }
  return { words, heads: [...heads.values()] }
}

export const defaultPrefixes: Prefixes = usable({
  key: 'kwk',
  secret: 'kws',
  operator: 'kwa',
  token: 'kwt',
  live: 'live',
  test: 'test',
})

/**
 * Reads a credential exactly as written: a space, another case or a wrong check makes it unreadable.
 * Returns the reason and throws nothing, since unreadable text is ordinary at an open endpoint.
 */
export function parseCredential(text: string, prefixes: Prefixes = defaultPrefixes): Credential | Unreadable {
  if (text.length > credentialLengthMax) return 'malformed'
  const head = headIn(text, prefixes)
  if (head === undefined) return hasPrefix(text, prefixes) ? 'malformed' : 'unknown_prefix'

  const idFrom = head.text.length
  const idTo = idFrom + idDigits
  const checkFrom = text.length - checkDigits
  switch (head.kind) {
    case 'key':
      if (checkFrom !== idTo) return 'malformed'
      return (
        refusal(text, checkFrom, crc32OfDigits(text, idFrom, idTo, head.crc)) ?? {
          kind: 'key',
          environment: head.environment,
          id: text.slice(idFrom, idTo),
        }
      )
    case 'token':
      if (checkFrom < idFrom + sealedDigitsMin || checkFrom > idFrom + sealedDigitsMax) return 'malformed'
      return (
        refusal(text, checkFrom, crc32OfDigits(text, idFrom, checkFrom, head.crc)) ?? {
          kind: 'token',
          sealed: text.slice(idFrom, checkFrom),
        }
      )
    default: {
      const randomFrom = idTo + 1
      if (checkFrom !== randomFrom + randomDigits || text.charCodeAt(idTo) !== separatorCode) return 'malformed'
      const idCrc = crc32OfDigits(text, idFrom, idTo, head.crc)
      if (idCrc === notBase62) return 'malformed'
      const refused = refusal(
        text,
        checkFrom,
        crc32OfDigits(text, randomFrom, checkFrom, crc32(text, idTo, randomFrom, idCrc)),
      )
      if (refused !== undefined) return refused
      const id = text.slice(idFrom, idTo)
      const random = text.slice(randomFrom, checkFrom)
      return head.kind === 'secret'
        ? { kind: 'secret', environment: head.environment, id, random }
        : { kind: 'operator', id, random }
    }
  }
}

/** Writes a credential: the one text that `parseCredential` reads as it. Throws TypeError, without any part of it, when a part has a wrong shape. */
export function writeCredential(credential: Credential, prefixes: Prefixes = defaultPrefixes): string {
  const { words } = prefixes
  const parts: string[] = [words[credential.kind]]
  if (credential.kind === 'token') {
    parts.push(digits(credential.sealed, sealedDigitsMin, sealedDigitsMax))
  } else {
    if (credential.kind !== 'operator') parts.push(words[credential.environment])
    parts.push(digits(credential.id, idDigits, idDigits))
    if (credential.kind !== 'key') parts.push(digits(credential.random, randomDigits, randomDigits))
  }
  const checked = parts.join(separator)
  return checked + checkOf(checked)
}

/**
 * The public head of a text that looks like a credential, for logs and for counting attempts: prefix, environment and id, of an opaque
 * token the prefix alone, never a random digit nor a check. The rest of a secret may be damaged, but its id must end in `_`, else
 * its twelve digits could be random ones; a key must be whole and right for the same reason. Undefined for everything else.
 */
export function headOf(text: string, prefixes: Prefixes = defaultPrefixes): string | undefined {
  const head = headIn(text, prefixes)
  if (head === undefined) return undefined
  if (head.kind === 'token') return head.text
  const idTo = head.text.length + idDigits
  if (head.kind === 'key') return typeof parseCredential(text, prefixes) === 'string' ? undefined : text.slice(0, idTo)
  if (text.charCodeAt(idTo) !== separatorCode || !isBase62(text.slice(head.text.length, idTo))) return undefined
  return text.slice(0, idTo)
}

function refusal(text: string, checkFrom: number, crc: number): Unreadable | undefined {
  if (crc === notBase62) return 'malformed'
  const check = readCheck(text, checkFrom)
  if (check === notBase62) return 'malformed'
  return check === crc ? undefined : 'check_failed'
}

/** No head is the beginning of another, since each word ends at its `_`; so the first that fits is the only one. */
function headIn(text: string, prefixes: Prefixes): Head | undefined {
  for (const head of prefixes.heads) if (begins(text, head.text)) return head
  return undefined
}

/** Whether the text begins with a word for a kind, whatever follows it. */
function hasPrefix(text: string, prefixes: Prefixes): boolean {
  const end = text.indexOf(separator) + 1
  return end > 0 && prefixes.heads.some((head) => begins(head.text, text.slice(0, end)))
}

/** `startsWith`, which costs more than this loop where the beginnings are short and most differ early. */
function begins(text: string, beginning: string): boolean {
  for (let index = 0; index < beginning.length; index += 1) {
    if (text.charCodeAt(index) !== beginning.charCodeAt(index)) return false
  }
  return true
}

/** Secrets first: they are what is parsed most. */
function headsOf(words: PrefixWords): Head[] {
  return kinds.flatMap((kind): Head[] => {
    if (kind === 'operator' || kind === 'token') {
      const text = words[kind] + separator
      return [{ text, crc: crc32(text), kind, environment: undefined }]
    }
    return environments.map((environment) => {
      const text = words[kind] + separator + words[environment] + separator
      return { text, crc: crc32(text), kind, environment }
    })
  })
}

function digits(part: string, lengthMin: number, lengthMax: number): string {
  if (part.length < lengthMin || part.length > lengthMax || !isBase62(part)) {
    throw new TypeError('A part of the credential is not made of the right number of base62 digits.')
  }
  return part
}

function usable(words: PrefixWords): Prefixes {
  const prefixes = prefixesOf(words)
  if (typeof prefixes === 'string') throw new TypeError(`The prefix words cannot be used: ${prefixes}.`)
  return prefixes
}
