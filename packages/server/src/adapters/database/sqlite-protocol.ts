/**
 * What the main thread and the writer thread of the embedded database say to each other. Rows go as plain arrays and statements by number: cloning costs.
 */
import type { Expectation } from './queries.ts'

/** A statement's number, its parameters, and how its result is judged. */
export type WireWrite = readonly [
  statement: number,
  parameters: readonly (string | number | null)[],
  expect: Expectation,
]

export type WireHead = readonly [tenant: string, seq: number, hash: string, seals: number]

/** One caller's change. */
export interface WireJob {
  readonly writes: readonly WireWrite[]
  readonly heads: readonly WireHead[]
}

export type ToWriter =
  /** Begins a transaction and holds these tenants' heads. */
  | { readonly kind: 'begin'; readonly tenants: readonly string[] }
  /** Writes each job in turn and commits. A job that ends badly ends the turn; those behind it are not written. */
  | {
      readonly kind: 'write'
      readonly jobs: readonly WireJob[]
      /** Texts of statements not sent before; numbers count on from the last. */
      readonly statements: readonly string[]
    }
  | { readonly kind: 'close' }

/** Why the first job behind the written ones was undone: a write whose condition did not hold, or a statement that cannot run. */
export type Undone = { readonly refused: number } | { readonly failed: string }

export type FromWriter =
  | { readonly kind: 'began'; readonly heads: readonly WireHead[] }
  | { readonly kind: 'committed'; readonly jobs: number; readonly undone: Undone | undefined }
  /** The whole turn failed and nothing of it is known to be written. */
  | { readonly kind: 'failed'; readonly errcode: number; readonly reason: string }
  | { readonly kind: 'closed' }
