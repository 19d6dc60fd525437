/**
 * The thread that computes slow hashes, one at a time, and nothing else: no queue, no limits, no secrets of its own. It is
 * started by `pool.ts` and answers each job with one message. bcrypt comes from bcryptjs, argon2id from Node itself.
 */
import { argon2Sync, timingSafeEqual } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { decodeBase64, encodeBase64, hashSync } from 'bcryptjs'
import type { Argon2idHash, BcryptHash, SlowHashValue } from '../../ports/slow-hash.ts'

/** Argon2id's inputs but for the text. */
export type Argon2idInput = Omit<Argon2idHash, 'kind' | 'hash'> & { readonly hashBytes: number }

export type Job =
  | { readonly task: 'verify'; readonly expected: SlowHashValue; readonly presented: string }
  | { readonly task: 'derive'; readonly input: Argon2idInput; readonly presented: string }

/** `failed` carries no reason: an error's text could hold a part of the job. */
export type Outcome =
  | { readonly task: 'verify'; readonly isMatch: boolean }
  | { readonly task: 'derive'; readonly hash: Uint8Array }
  | { readonly task: 'failed' }

const bcryptHashBytes = 23
/** `$2b$05$` and 22 digits of salt. */
const bcryptSettingLength = 29

parentPort?.on('message', (job: Job) => {
  parentPort?.postMessage(outcomeOf(job))
})

function outcomeOf(job: Job): Outcome {
  try {
    if (job.task === 'derive') return { task: 'derive', hash: deriveArgon2id(job.input, job.presented) }
    return { task: 'verify', isMatch: isMatch(job.expected, job.presented) }
  } catch {
    return { task: 'failed' }
  }
}

function isMatch(expected: SlowHashValue, presented: string): boolean {
  if (expected.kind === 'bcrypt') {
    // Programs in C end the text at NUL, and the key schedule repeats text and NUL, so `a` and `a\0a` would be one. It is
    // computed all the same, so that it takes as long.
    const isEqual = sameBytes(deriveBcrypt(expected, presented), expected.hash)
    return isEqual && !presented.includes('\0')
  }
  const input = { ...expected, hashBytes: expected.hash.length }
  return sameBytes(deriveArgon2id(input, presented), expected.hash)
}

function deriveBcrypt({ variant, cost, salt }: BcryptHash, presented: string): Uint8Array {
  const setting = `$${variant}$${String(cost).padStart(2, '0')}$${encodeBase64(Array.from(salt), salt.length)}`
  const text = hashSync(presented, setting)
  return Uint8Array.from(decodeBase64(text.slice(bcryptSettingLength), bcryptHashBytes))
}

function deriveArgon2id(input: Argon2idInput, presented: string): Uint8Array {
  return argon2Sync('argon2id', {
    message: presented,
    nonce: input.salt,
    memory: input.memoryKib,
    passes: input.passes,
    parallelism: input.parallelism,
    tagLength: input.hashBytes,
  })
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
