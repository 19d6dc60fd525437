/**
 * Signed notes (C2SP signed-note, https://c2sp.org/signed-note) with Ed25519, and nothing else: what the text of a note
 * means is for others (`checkpoint.ts`), where keys come from too.
 *
 *   note           text ending in a newline, an empty line, one or more signature lines
 *   signature line U+2014 SP name SP base64(key id (4 bytes) || signature) LF
 *   key id         SHA-256(name || 0x0A || 0x01 || public key (32 bytes))[:4]
 *   verifier key   name + "+" + hex(key id) + "+" + base64(0x01 || public key), as golang.org/x/mod/sumdb/note writes it
 *
 * The text of a note counts for nothing until a signature has been verified, so `openNote` is the way to read one. The
 * parser is strict: base64 has one spelling, and what `signNote` would never write is refused.
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

/** One signature line, read but not verified. `keyId` is 8 lower-case hex digits. */
export interface NoteSignature {
  readonly name: string
  readonly keyId: string
  readonly signature: Uint8Array
}

/** A note as parsed. Nothing in it is proven. */
export interface UnverifiedNote {
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** A note of which at least one signature is of a known key and right. */
export interface OpenedNote {
  readonly text: string
  readonly verified: readonly NoteSignature[]
  /** Signatures of keys that are not known here; they prove nothing and harm nothing. */
  readonly unverified: readonly NoteSignature[]
}

export interface NoteVerifier {
  readonly name: string
  readonly keyId: string
  readonly publicKey: KeyObject
}

export interface NoteSigner {
  readonly name: string
  readonly keyId: string
  readonly privateKey: KeyObject
}

/** Why a message is no note that can be relied on. Safe to log. */
export type NoteRefusal = 'too_large' | 'malformed' | 'bad_signature' | 'ambiguous_key' | 'no_known_signature'

/** Limits of what is read; a note with 16 signatures must be readable (signed-note, "Format"). */
export const noteBytesMax = 1_000_000
export const noteSignaturesMax = 100

const ed25519Type = 0x01
const ed25519KeyBytes = 32
const ed25519SignatureBytes = 64
const keyIdBytes = 4

/** Em dash and space begin a signature line. */
const lineStart = '\u2014 '
const newline = 0x0a
const firstPrintable = 0x20
const keyName = /^[^\p{White_Space}+]+$/u
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A verifier for `name` from an Ed25519 public key. Throws on another kind of key and on a bad name. */
export function noteVerifier(name: string, publicKey: KeyObject): NoteVerifier {
  assertName(name)
  return { name, keyId: keyIdOf(name, rawPublicKey(publicKey)), publicKey }
}

/** A signer for `name` from an Ed25519 private key. Throws on another kind of key and on a bad name. */
export function noteSigner(name: string, privateKey: KeyObject): NoteSigner {
  assertName(name)
  if (privateKey.type !== 'private') throw new TypeError('a signer needs a private key')
  return { name, keyId: keyIdOf(name, rawPublicKey(createPublicKey(privateKey))), privateKey }
}

/** The text form of a verifier, to be given to those who check notes. */
export function writeVerifierKey(verifier: NoteVerifier): string {
  const key = Buffer.concat([Uint8Array.of(ed25519Type), rawPublicKey(verifier.publicKey)])
  return `${verifier.name}+${verifier.keyId}+${key.toString('base64')}`
}

/** Reads the text form of a verifier; `malformed` also when the key id is not the one of name and key. */
export function parseVerifierKey(text: string): NoteVerifier | 'malformed' {
  const [, name, keyId, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text) ?? []
  if (name === undefined || encoded === undefined || !isKeyName(name)) return 'malformed'
  const key = decodeBase64(encoded)
  if (key?.[0] !== ed25519Type || key.length !== 1 + ed25519KeyBytes) return 'malformed'
  const raw = key.subarray(1)
  if (keyIdOf(name, raw) !== keyId) return 'malformed'
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }
  return { name, keyId, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) }
}

/**
 * Signs a text, which must end in a newline. `existing` signatures are kept before the new ones, except those by the same
 * key, which are replaced. Throws when text or signatures could not be read back: both are our own.
 */
export function signNote(
  text: string,
  signers: readonly NoteSigner[],
  existing: readonly NoteSignature[] = [],
): string {
  if (!text.endsWith('\n') || !isNoteText(text)) throw new RangeError('this text cannot be signed as a note')
  const fresh = signers.map(({ name, keyId, privateKey }) => ({
    name,
    keyId,
    signature: sign(null, Buffer.from(text), privateKey),
  }))
  const kept = existing.filter((old) => !fresh.some((signature) => isSameKey(signature, old)))
  const message = `${text}\n${[...kept, ...fresh].map(signatureLine).join('')}`
  const read = parseNote(message)
  if (typeof read === 'string' || read.text !== text) throw new RangeError('these signatures make no note')
  return message
}

/** Reads the form of a note and verifies nothing. */
export function parseNote(message: string | Uint8Array): UnverifiedNote | 'too_large' | 'malformed' {
  // A string has at least one byte for each of its units, so this also bounds the encoding below.
  if (message.length > noteBytesMax) return 'too_large'
  const whole = typeof message === 'string' ? message : decodeUtf8(message)
  if (whole === undefined || !isNoteText(whole)) return 'malformed'
  if (Buffer.byteLength(whole) > noteBytesMax) return 'too_large'
  const split = whole.lastIndexOf('\n\n')
  if (split < 0 || !whole.endsWith('\n')) return 'malformed'
  const lines = whole.slice(split + 2, -1).split('\n')
  if (lines.length > noteSignaturesMax) return 'too_large'
  const signatures: NoteSignature[] = []
  for (const line of lines) {
    const signature = parseSignatureLine(line)
    if (signature === undefined) return 'malformed'
    signatures.push(signature)
  }
  return { text: whole.slice(0, split + 1), signatures }
}

/**
 * Reads a note and verifies it: each signature of a known key must be right, and there must be one at least. A key is
 * known by name and id together. The same key twice among `verifiers` is refused once a signature names it.
 */
export function openNote(message: string | Uint8Array, verifiers: readonly NoteVerifier[]): OpenedNote | NoteRefusal {
  const note = parseNote(message)
  if (typeof note === 'string') return note
  const text = Buffer.from(note.text)
  const verified: NoteSignature[] = []
  const unverified: NoteSignature[] = []
  for (const signature of note.signatures) {
    const [verifier, second] = verifiers.filter((known) => isSameKey(known, signature))
    if (second !== undefined) return 'ambiguous_key'
    if (verifier === undefined) {
      if (!unverified.some((other) => signatureLine(other) === signatureLine(signature))) unverified.push(signature)
      continue
    }
    if (!isRight(verifier, text, signature)) return 'bad_signature'
    // Ed25519 signatures are not unique to everyone who holds the key, so a second right one adds nothing.
    if (!verified.some((other) => isSameKey(other, signature))) verified.push(signature)
  }
  return verified.length === 0 ? 'no_known_signature' : { text: note.text, verified, unverified }
}

function isRight(verifier: NoteVerifier, text: Uint8Array, { signature }: NoteSignature): boolean {
  return signature.length === ed25519SignatureBytes && verify(null, text, verifier.publicKey, signature)
}

function parseSignatureLine(line: string): NoteSignature | undefined {
  if (!line.startsWith(lineStart)) return undefined
  const [name, encoded, ...more] = line.slice(lineStart.length).split(' ')
  if (name === undefined || encoded === undefined || more.length > 0 || !keyName.test(name)) return undefined
  const bytes = decodeBase64(encoded)
  if (bytes === undefined || bytes.length <= keyIdBytes) return undefined
  return {
    name,
    keyId: bytes.subarray(0, keyIdBytes).toString('hex'),
    signature: Uint8Array.from(bytes.subarray(keyIdBytes)),
  }
}

function signatureLine({ name, keyId, signature }: NoteSignature): string {
  const bytes = Buffer.concat([Buffer.from(keyId, 'hex'), signature])
  return `${lineStart}${name} ${bytes.toString('base64')}\n`
}

function isSameKey(a: { name: string; keyId: string }, b: { name: string; keyId: string }): boolean {
  return a.name === b.name && a.keyId === b.keyId
}

/** The id of an Ed25519 key under a name (signed-note, "Signatures"). */
function keyIdOf(name: string, rawKey: Uint8Array): string {
  const hash = createHash('sha256').update(name).update(Uint8Array.of(0x0a, ed25519Type)).update(rawKey).digest()
  return hash.subarray(0, keyIdBytes).toString('hex')
}

function rawPublicKey(key: KeyObject): Buffer {
  if (key.type !== 'public' || key.asymmetricKeyType !== 'ed25519') throw new TypeError('a note needs an Ed25519 key')
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
}

function assertName(name: string): void {
  if (!isKeyName(name)) throw new RangeError('a key name has no space and no plus')
}

function isKeyName(name: string): boolean {
  return keyName.test(name) && isNoteText(name)
}

/** Whether a text may stand in a note: Unicode without lone surrogates, and no ASCII control character but newline. */
export function isNoteText(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < firstPrintable && unit !== newline) return false
  }
  return text.isWellFormed()
}

/** Standard base64 with padding, in its one canonical spelling; else undefined. */
function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
