/**
 * A key-encryption key, kept outside the database. It wraps data-encryption keys and nothing else.
 *
 * Contract: `unwrap` answers `undefined` for anything that this KEK did not wrap for just this context (another KEK, another tenant or version, a
 * changed byte), and throws only where the provider could not be reached.
 */
export interface Kek {
  /** Names the key without telling anything of it: stored next to what it wrapped. */
  readonly id: string
  /** How the operator names it: `file:PATH`, `env:NAME`. Holds no key material. */
  readonly place: string
  wrap(plaintext: Uint8Array, context: string): Promise<Uint8Array>
  unwrap(wrapped: Uint8Array, context: string): Promise<Uint8Array | undefined>
}
