/**
 * Counts of failed attempts per minute, bounded in memory. It slows a source down; it locks no key, since whoever proves possession is let through
 * before anybody asks here.
 */
import type { Clock } from '../../ports/clock.ts'

/** Failures a minute from one source on one key, and from one source in all. */
export const failuresPerSourceAndKeyMax = 20
export const failuresPerSourceMax = 300
const windowMilliseconds = 60_000
const entriesMax = 50_000

interface Count {
  startedAt: number
  failures: number
}

export class Throttle {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #counts = new Map<string, Count>()

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Counts one failure of `source` on `head` (the public head of what was presented, or `undefined`). */
  fail(source: string, head: string | undefined): void {
    this.#count(`s ${source}`)
    if (head !== undefined) this.#count(`k ${source} ${head}`)
  }

  /** Seconds for which this source must wait, or 0 where it need not. */
  waitSeconds(source: string, head: string | undefined): number {
    const whole = this.#left(`s ${source}`, failuresPerSourceMax)
    return head === undefined ? whole : Math.max(whole, this.#left(`k ${source} ${head}`, failuresPerSourceAndKeyMax))
  }

  /** As `waitSeconds`, for this key alone. */
  waitSecondsOnKey(source: string, head: string | undefined): number {
    return head === undefined ? 0 : this.#left(`k ${source} ${head}`, failuresPerSourceAndKeyMax)
  }

  #left(name: string, max: number): number {
    const count = this.#counts.get(name)
    if (count === undefined || count.failures < max) return 0
    const left = count.startedAt + windowMilliseconds - this.#clock.monotonic()
    return left <= 0 ? 0 : Math.ceil(left / 1000)
  }

  #count(name: string): void {
    const now = this.#clock.monotonic()
    const count = this.#counts.get(name)
    if (count !== undefined && now - count.startedAt < windowMilliseconds) {
      count.failures += 1
      return
    }
    this.#counts.delete(name)
    this.#counts.set(name, { startedAt: now, failures: 1 })
    if (this.#counts.size > entriesMax) {
      const oldest = this.#counts.keys().next().value
      if (oldest !== undefined) this.#counts.delete(oldest)
    }
  }
}
