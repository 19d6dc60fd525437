/**
 * Time, as the domain sees it. Wall-clock time may jump; monotonic time never runs backwards.
 */
import type { Instant } from '../model/ids.ts'

export interface Clock {
  /** The wall clock, in milliseconds since 1970. May jump either way. */
  now(): Instant
  /** Milliseconds since an arbitrary start, fractional. Never runs backwards. */
  monotonic(): number
  /** Resolves after that many milliseconds, or at once when the signal is aborted. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>
  /** Calls `task` every so many milliseconds until the returned function is called. Keeps no process alive. */
  every(milliseconds: number, task: () => void): () => void
}
