/**
 * Files that must be on the disk when they are written. Node's permission model takes fsync away; what is written through a synchronously opened
 * descriptor is on the disk all the same.
 */
import { chmodSync, closeSync, constants, existsSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

const { O_WRONLY, O_CREAT, O_EXCL, O_TRUNC, O_SYNC } = constants

/** Writes a file that others may not read, in a folder of the same kind. `fresh` refuses one that is there. */
export function writePrivateFile(path: string, text: string, options: { readonly fresh: boolean }): void {
  makeFolder(dirname(path), 0o700)
  write(path, text, O_WRONLY | O_CREAT | O_SYNC | (options.fresh ? O_EXCL : O_TRUNC), 0o600)
}

/** Replaces a file that others may read, at once: a reader sees the old or the new one whole. */
export function replacePublicFile(path: string, text: string): void {
  makeFolder(dirname(path), 0o755)
  write(`${path}.new`, text, O_WRONLY | O_CREAT | O_TRUNC | O_SYNC, 0o644)
  renameSync(`${path}.new`, path)
}

function write(path: string, text: string, flags: number, mode: number): void {
  const file = openSync(path, flags, mode)
  try {
    writeSync(file, text)
  } finally {
    closeSync(file)
  }
  chmodSync(path, mode)
}

/** The permission model refuses even the making of a folder that is there. */
function makeFolder(path: string, mode: number): void {
  if (!existsSync(path)) mkdirSync(path, { recursive: true, mode })
}
