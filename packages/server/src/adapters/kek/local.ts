/**
 * Key-encryption keys that this process holds itself: from a file or an environment variable, base64 of 32 bytes. They wrap with AES-256-GCM, the
 * context as additional data.
 */
import { createHash, createSecretKey, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { decryptBytes, encryptBytes } from './gcm.ts'
import type { Kek } from '../../ports/kek.ts'
import type { Random } from '../../ports/random.ts'

export const kekBytes = 32

/** A KEK cannot be had. Its message is a sentence for the operator and holds no key material. */
export class KekUnusable extends Error {
  override readonly name = 'KekUnusable'
}

export interface FileKekOptions {
  readonly make: boolean
  readonly random: Random
  /** Writes a private file that is not there yet, so that it is on the disk afterwards. */
  readonly makeFile: (path: string, text: string) => void
}

/** A KEK from a file. `make` writes a fresh one, mode 0600, where there is none yet. */
export function fileKek(path: string, options: FileKekOptions): Kek {
  if (!existsSync(path)) {
    if (!options.make) {
      throw new KekUnusable(
        `The KEK file ${path} is missing. Name the file this database was made with by --kek file:PATH.`,
      )
    }
    makeOnce(path, options)
  }
  const mode = statSync(path).mode & 0o077
  if (mode !== 0) throw new KekUnusable(`The KEK file ${path} can be read by others. Run: chmod 600 ${path}`)
  return localKek(readFileSync(path, 'utf8').trim(), `file:${path}`, options.random)
}

/** Of two processes that start at once on an empty database, one makes the file and both read it. */
function makeOnce(path: string, options: FileKekOptions): void {
  try {
    options.makeFile(path, `${kekText(options.random.bytes(kekBytes))}\n`)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

/** A KEK from the value of an environment variable, which `config` has read. */
export function environmentKek(name: string, value: string | undefined, random: Random): Kek {
  if (value === undefined) throw new KekUnusable(`The environment variable ${name} of the KEK is not set.`)
  return localKek(value.trim(), `env:${name}`, random)
}

function localKek(text: string, place: string, random: Random): Kek {
  const bytes = readKekText(text, place)
  const key: KeyObject = createSecretKey(bytes)
  const id = kekIdOf(bytes)
  bytes.fill(0)
  return {
    id,
    place,
    wrap: async (plaintext, context) => encryptBytes(key, plaintext, context, random),
    unwrap: async (wrapped, context) => decryptBytes(key, wrapped, context),
  }
}

/** The bytes behind a KEK's text; `place` names it in the refusal. */
export function readKekText(text: string, place: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== kekBytes || bytes.toString('base64') !== text) {
    throw new KekUnusable(`The KEK of ${place} is not the base64 of ${kekBytes} bytes; it may be half-written.`)
  }
  return bytes
}

/** How a KEK is written in its file or variable. */
export function kekText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** Names a KEK without telling anything of it. */
export function kekIdOf(bytes: Uint8Array): string {
  return createHash('sha256').update('keywright/v1 kek id\0').update(bytes).digest('hex').slice(0, 16)
}
