/**
 * Checkpoints of a log (C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint): a signed note that says how long a tree
 * is and what its root is. No tree, no store, no clock: whether one checkpoint follows from another is for `merkle.ts`.
 *
 *   origin            names the log, not empty
 *   size              decimal, no leading zero
 *   base64(root)      32 bytes, SHA-256
 *   extension lines   none, or not empty each; nobody audits them, so use none where it can be helped
 */

import type { NoteRefusal, NoteSignature, NoteSigner, NoteVerifier } from './note.ts'
import { isNoteText, openNote, signNote } from './note.ts'

export interface Checkpoint {
  readonly origin: string
  /** Leaves of the tree. */
  readonly size: number
  /** Root hash of the tree, 32 bytes. */
  readonly root: Uint8Array
  readonly extensions: readonly string[]
}

/** A checkpoint that a known key has signed. */
export interface OpenedCheckpoint extends Checkpoint {
  readonly verified: readonly NoteSignature[]
  readonly unverified: readonly NoteSignature[]
}

/** Why a message is no checkpoint of the log that was asked for. Safe to log. */
export type CheckpointRefusal = NoteRefusal | 'malformed_checkpoint' | 'wrong_origin'

const rootBytes = 32
const decimal = /^(?:0|[1-9][0-9]{0,15})$/

/**
 * Writes and signs a checkpoint. Throws when it could not be read back. The key's name should be the origin
 * (tlog-checkpoint, "Signatures"); that no signed checkpoint contradicts an earlier one is the caller's duty.
 */
export function signCheckpoint(checkpoint: Checkpoint, signers: readonly NoteSigner[]): string {
  return signNote(writeCheckpointText(checkpoint), signers)
}

/**
 * Reads a checkpoint of the log `origin`, of which at least one signature is of a known key and right. The text is looked
 * at only after that.
 */
export function openCheckpoint(
  message: string | Uint8Array,
  origin: string,
  verifiers: readonly NoteVerifier[],
): OpenedCheckpoint | CheckpointRefusal {
  const note = openNote(message, verifiers)
  if (typeof note === 'string') return note
  const checkpoint = parseCheckpointText(note.text)
  if (checkpoint === 'malformed') return 'malformed_checkpoint'
  if (checkpoint.origin !== origin) return 'wrong_origin'
  return { ...checkpoint, verified: note.verified, unverified: note.unverified }
}

/** The note text of a checkpoint. Throws a RangeError when a part has no written form. */
export function writeCheckpointText({ origin, size, root, extensions }: Checkpoint): string {
  const isWritable =
    [origin, ...extensions].every(isLine) && Number.isSafeInteger(size) && size >= 0 && root.length === rootBytes
  if (!isWritable) throw new RangeError('this checkpoint has no written form')
  return [origin, String(size), Buffer.from(root).toString('base64'), ...extensions].map((line) => `${line}\n`).join('')
}

/** Reads the note text of a checkpoint; each checkpoint has one spelling. Proves nothing. */
export function parseCheckpointText(text: string): Checkpoint | 'malformed' {
  if (!text.endsWith('\n')) return 'malformed'
  const lines = text.slice(0, -1).split('\n')
  const [origin, sizeText, rootText, ...extensions] = lines
  if (origin === undefined || sizeText === undefined || rootText === undefined) return 'malformed'
  if (!lines.every(isLine)) return 'malformed'
  const size = Number(sizeText)
  if (!decimal.test(sizeText) || !Number.isSafeInteger(size)) return 'malformed'
  const root = Buffer.from(rootText, 'base64')
  if (root.length !== rootBytes || root.toString('base64') !== rootText) return 'malformed'
  return { origin, size, root: Uint8Array.from(root), extensions }
}

function isLine(line: string): boolean {
  return line !== '' && !line.includes('\n') && isNoteText(line)
}
