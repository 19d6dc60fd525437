/**
 * The nouns of the authority as they are kept: one record per row, its members named as the wire names them, instants as integer milliseconds.
 * Types alone; `domain/*` owns what they mean.
 */
import type { ApiId, ConsumerId, Instant, KeyId, OperatorId, TenantId } from './ids.ts'

export type Environment = 'live' | 'test'
export const environments = ['live', 'test'] as const

export type Meta = Readonly<Record<string, string | number | boolean>>

/** RFC 6749 section 3.3 scope, with a sentence for people. */
export interface Scope {
  readonly name: string
  readonly description: string
}

export interface Limit {
  readonly name: string
  readonly limit: number
  readonly window_seconds: number
  readonly algorithm: 'window' | 'bucket'
  readonly burst: number | null
  readonly applies_to: readonly ('verify' | 'token')[]
  readonly accuracy: 'strict' | 'fast'
  readonly on_bus_loss: 'local' | 'deny' | 'allow'
}

export interface Quota {
  readonly name: string
  readonly limit: number
  readonly period: 'hour' | 'day' | 'week' | 'month'
  readonly anchor_day: number | null
  readonly time_zone: string
}

export interface Credits {
  readonly remaining: number | null
  readonly refill: {
    readonly amount: number
    readonly every: 'hour' | 'day' | 'week' | 'month'
    readonly time_zone: string
  } | null
}

export interface Networks {
  readonly in: readonly string[]
  readonly not_in: readonly string[]
}

export interface TenantRecord {
  readonly id: TenantId
  readonly slug: string
  readonly name: string
  readonly created_at: Instant
  /** The Ed25519 key that signs this tenant's checkpoints: its public half (base64 of 32 bytes) and the sealed private half. */
  readonly checkpoint_key: { readonly public: string; readonly sealed: string }
  /** Counts the restores from a backup: a feed of another epoch is another feed. */
  readonly epoch: number
}

export interface ApiRecord {
  readonly id: ApiId
  /** An absolute URI: the `aud` of tokens (RFC 9068) and the `resource` of requests (RFC 8707). */
  readonly identifier: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly token_format: 'jwt' | 'opaque'
  readonly token_ttl_seconds: number
  readonly limits: readonly Limit[]
  readonly state: 'enabled' | 'disabled'
  readonly meta: Meta
  readonly created_at: Instant
}

export interface Contact {
  readonly kind: 'email' | 'webhook'
  readonly value: string
}

export interface ConsumerRecord {
  readonly id: ConsumerId
  readonly name: string
  readonly external_id: string | null
  readonly keys_max: number | null
  readonly limits: readonly Limit[]
  readonly quotas: readonly Quota[]
  readonly credits: Credits | null
  readonly contacts: readonly Contact[]
  readonly state: 'enabled' | 'disabled'
  readonly meta: Meta
  readonly created_at: Instant
}

export const keyUses = ['bearer', 'oauth', 'sign', 'encrypt', 'introspect', 'manage'] as const
export type KeyUse = (typeof keyUses)[number]

export interface Grant {
  readonly api: ApiId
  readonly scopes: readonly string[]
}

/** `pending` verifies already; nothing leaves `revoked`. `expired` is not kept: it follows from `expires_at`. */
export type VersionState = 'pending' | 'active' | 'retiring' | 'revoked'

/** How the text of a version is recognised: the authority's own form, or an imported text by its plain or slow hash. */
export type DigestKind = 'native' | 'sha256' | 'sha512' | 'bcrypt' | 'argon2id'

/** One version of a key's private half. `sealed` holds its digest or slow hash and opens only for this tenant, key, version and creation time. */
export interface SecretVersion {
  readonly version: number
  readonly state: VersionState
  readonly kind: DigestKind
  readonly sealed: string
  readonly created_at: Instant
  /** Its own expiry. */
  readonly expires_at: Instant | null
  /** When its overlap ends, while `retiring`. */
  readonly until: Instant | null
  /** When it died, for what cause: an overlap that ended kills no tokens, a revocation for cause does. */
  readonly ended: { readonly at: Instant; readonly cause: 'overlap' | 'revoked' } | null
}

export interface KeyRecord {
  readonly id: KeyId
  readonly consumer_id: ConsumerId
  readonly name: string
  readonly environment: Environment
  readonly uses: readonly KeyUse[]
  readonly grants: readonly Grant[]
  readonly limits: readonly Limit[]
  readonly quotas: readonly Quota[]
  readonly credits: Credits | null
  readonly networks: Networks | null
  readonly not_before: Instant | null
  readonly expires_at: Instant | null
  readonly on_stale: 'refuse' | 'allow'
  readonly max_staleness_seconds: number
  readonly canary: boolean
  readonly meta: Meta
  readonly state: 'enabled' | 'disabled' | 'revoked'
  readonly created_at: Instant
  readonly revoked_at: Instant | null
  /** An imported OAuth `client_id`, kept as an alias. */
  readonly client_id: string | null
  /** The public head of an imported credential with a slow hash, by which it is found. */
  readonly lookup: string | null
  /** Newest last. At most `versionsMax`: the oldest dead ones make room, and the journal remembers them. */
  readonly versions: readonly SecretVersion[]
}

export const operatorRoles = ['owner', 'admin', 'issuer', 'crypto', 'verifier', 'auditor'] as const
export type OperatorRole = (typeof operatorRoles)[number]

/** What an operator is confined to; an absent list confines nothing. */
export interface Narrowing {
  readonly apis: readonly ApiId[] | null
  readonly consumers: readonly ConsumerId[] | null
  readonly environments: readonly Environment[] | null
}

export interface OperatorRecord {
  readonly id: OperatorId
  readonly name: string
  readonly role: OperatorRole
  readonly narrowing: Narrowing
  readonly networks: Networks | null
  readonly expires_at: Instant | null
  readonly state: 'enabled' | 'disabled' | 'revoked'
  readonly created_at: Instant
  readonly versions: readonly SecretVersion[]
}

/** Each kind of record with its type, named as its table. */
export interface Records {
  readonly tenants: TenantRecord
  readonly apis: ApiRecord
  readonly consumers: ConsumerRecord
  readonly keys: KeyRecord
  readonly operators: OperatorRecord
}
export type RecordKind = keyof Records
export const recordKinds = [
  'tenants',
  'apis',
  'consumers',
  'keys',
  'operators',
] as const satisfies readonly RecordKind[]
