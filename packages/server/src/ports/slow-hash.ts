/**
 * Slow password hashes, for imported credentials alone: bcrypt and argon2id. What is issued here never needs one, since 256
 * random bits are safe under a fast digest.
 *
 * Contract of an implementation:
 * - The caller's event loop is never held up; work is done elsewhere, few at a time.
 * - Nothing is thrown and no promise is rejected for what an outsider can bring about. `busy` means that the queue is full and
 *   nothing was computed: answer that the authority cannot know just now, never that the credential is wrong.
 *   `unavailable` means that the work was begun or queued and lost (closing, a worker that died): treat it alike.
 * - Once `close` has been called, everything answers `unavailable`. Closing twice is harmless.
 * - The presented text is kept no longer than the work takes and is in no error and no log.
 */

export type SlowHashVariant = '2a' | '2b' | '2y'

/** What a hash costs to compute, and thereby what its dummy must cost. */
export type SlowHashCost =
  | { readonly kind: 'bcrypt' /** log2 of the number of rounds */; readonly cost: number }
  | {
      readonly kind: 'argon2id'
      readonly memoryKib: number
      readonly passes: number
      readonly parallelism: number
    }

/** A bcrypt hash as read: 16 bytes of salt, 23 bytes of hash. */
export interface BcryptHash {
  readonly kind: 'bcrypt'
  readonly variant: SlowHashVariant
  readonly cost: number
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

/** An argon2id hash of version 19 (0x13) as read. */
export interface Argon2idHash {
  readonly kind: 'argon2id'
  readonly memoryKib: number
  readonly passes: number
  readonly parallelism: number
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

export type SlowHashValue = BcryptHash | Argon2idHash

/** Why there is no answer; neither says anything about the credential. */
export type SlowHashRefusal = 'busy' | 'unavailable'

export interface SlowHash {
  /**
   * Whether the presented text is the one that was hashed. bcrypt keeps its own semantics: only the first 72 bytes of the
   * UTF-8 text count. A text with NUL in it matches no bcrypt hash.
   */
  verify(expected: SlowHashValue, presented: string): Promise<'match' | 'mismatch' | SlowHashRefusal>

  /** Spends what `verify` would spend on a hash of that cost, in the same queue, so that a stranger costs what a guess costs. */
  dummy(cost: SlowHashCost, presented: string): Promise<'spent' | SlowHashRefusal>

  /** A new argon2id hash (19 MiB, 2 passes, 1 lane) of a text under a fresh salt. */
  make(presented: string): Promise<Argon2idHash | SlowHashRefusal>

  close(): Promise<void>
}
