/**
 * What the main thread and the writer thread of the embedded database say to each other. Rows go as plain arrays: cloning costs.
 */
import type { Expectation } from './queries.ts'

/** A statement with its parameters and how its result is judged. */
export type WireWrite = readonly [sql: string, parameters: readonly (string | number | null)[], expect: Expectation]

export type ToWriter =
  /** Begins a transaction and holds these tenants' heads. */
  | { readonly kind: 'begin'; readonly tenants: readonly string[] }
  /** Writes each job in turn and commits. A refused job ends the turn; those behind it are not written. */
  | { readonly kind: 'write'; readonly jobs: readonly (readonly WireWrite[])[] }
  | { readonly kind: 'rollback' }
  | { readonly kind: 'close' }

export type FromWriter =
  | {
      readonly kind: 'began'
      readonly heads: readonly {
        readonly tenant: string
        readonly seq: number
        readonly hash: string
        readonly seals: number
      }[]
    }
  /** `refused` is the write of the first job behind the written ones whose condition did not hold. */
  | { readonly kind: 'committed'; readonly jobs: number; readonly refused: number | undefined }
  | { readonly kind: 'failed'; readonly errcode: number; readonly reason: string }
  | { readonly kind: 'done' }
