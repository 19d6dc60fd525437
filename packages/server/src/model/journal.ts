/**
 * The journal as data: what happened, to what, by whom. A tenant's entries form one gapless, hash-chained sequence.
 */
import type { Seq } from './ids.ts'

export type TargetKind = 'tenant' | 'api' | 'consumer' | 'key' | 'operator'

/** Who made a change: an operator, the holder of a key, or the program itself. */
export interface Actor {
  readonly kind: 'operator' | 'key' | 'system'
  readonly id: string
}

export interface Target {
  readonly kind: TargetKind
  readonly id: string
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/**
 * One entry. Its `hash` is SHA-256 over the RFC 8785 form of all the other members, so that anybody who reads the journal can recompute it.
 * Names, addresses and meta are not in it but behind `commitment`, a salted hash, so that they can be erased without breaking the chain.
 */
export interface Entry {
  readonly seq: Seq
  readonly at: string
  readonly actor: Actor
  readonly action: string
  readonly target: Target
  readonly changes: { readonly [name: string]: Json }
  readonly commitment: string | null
  readonly prev: string
  readonly hash: string
}

/** The erasable part of an entry: what `commitment` commits to. */
export interface Contents {
  readonly salt: string
  readonly values: { readonly [name: string]: Json }
}

/** The `prev` of a tenant's first entry. */
export const genesisHash = '0'.repeat(64)
