/**
 * What is asked of a credential and what is answered. `verify.ts` decides; the entrances render.
 */
import type { ConsumerId, Instant, KeyId, Seq } from '../../model/ids.ts'
import type { Environment, Meta } from '../../model/records.ts'
import type { AsOf } from '../feed/follower.ts'
import type { VersionStatus } from '../keys/versions.ts'

/** Every verdict. */
export const codes = [
  'ok',
  'unknown',
  'disabled',
  'revoked',
  'not_yet_valid',
  'expired',
  'use_not_allowed',
  'wrong_environment',
  'wrong_audience',
  'network_denied',
  'insufficient_scope',
  'binding_failed',
  'rate_limited',
  'quota_exceeded',
  'credits_exhausted',
  'stale',
] as const
export type Code = (typeof codes)[number]

/** The steps of the one order, as `explain` reports them. */
export const checkNames = [
  'possession',
  'state',
  'validity',
  'binding',
  'use',
  'environment',
  'audience',
  'network',
  'scope',
  'charge',
] as const
export type CheckName = (typeof checkNames)[number]

export interface Check {
  readonly check: CheckName
  readonly ok: boolean
  /** The verdict that this step alone would give, where it is not ok. */
  readonly code?: Code
  /** For people who may know: why a credential is none, or whose state it is. */
  readonly reason?: string
}

export interface VerifyRequest {
  readonly credential: string
  /** An api's id or identifier. */
  readonly api?: string
  /** All of these must be granted. */
  readonly scopes?: readonly string[]
  /** One of these must be granted. */
  readonly scopes_any?: readonly string[]
  readonly environment?: Environment
  readonly ip?: string
  readonly min_seq?: Seq
  readonly explain?: boolean
}

/** What is known of a proven credential, whatever the verdict. */
export interface Proven {
  readonly kind: 'secret'
  readonly keyId: KeyId
  readonly consumerId: ConsumerId
  readonly environment: Environment
  readonly scopes: readonly string[]
  readonly secret: { readonly version: number; readonly state: VersionStatus }
  readonly expiresAt: Instant | null
  readonly meta: Meta
  readonly onStale: 'refuse' | 'allow'
  readonly maxStalenessSeconds: number
}

export interface Decision {
  readonly code: Code
  /** Absent where possession was not proven: such a caller learns nothing else. */
  readonly proven?: Proven
  readonly missingScopes?: readonly string[]
  /** The answer was given past its freshness, since the key allows that. */
  readonly stale?: true
  readonly checks?: readonly Check[]
  readonly asOf: AsOf
}
