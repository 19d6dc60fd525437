/**
 * From a bearer token to the operator behind it. A token that is malformed, unknown, foreign, revoked or expired is answered alike.
 */
import { parseCredential } from '@keywright/credential/credential'
import { Fault } from '../../model/fault.ts'

import type { Secret } from '../../model/secret.ts'
import type { Domain } from '../records/domain.ts'
import { operatorIdOf } from '../records/ids.ts'
import { isLive, openVersion } from '../keys/versions.ts'
import { digestOf } from '../seal/digest.ts'
import { sameMac } from '../seal/tenant-keys.ts'
import type { Loaded } from '../records/rows.ts'
import { everyTenant } from '../records/projection.ts'
import type { Caller } from './caller.ts'
import { permits } from './networks.ts'
import type { Throttle } from './throttle.ts'

export interface AuthenticateDeps extends Pick<Domain, 'store' | 'keyring' | 'clock' | 'listener'> {
  readonly throttle: Throttle
}

/** Tokens that this node has proven, by digest; forgotten whenever their operator changes. */
const provenMax = 5_000

interface ProvenToken {
  readonly operator: Loaded<'operators'>
  readonly version: number
  /** The caller as it was admitted last, so that a verifier's next call makes none anew. */
  admitted: Caller
}

export class Authenticator {
  readonly #deps: AuthenticateDeps
  readonly #proven = new Map<string, ProvenToken>()

  constructor(deps: AuthenticateDeps) {
    this.#deps = deps
    deps.listener.listen((_tenant, entry) => {
      if (entry.target.kind !== 'operator') return
      for (const [digest, proven] of this.#proven) {
        if (proven.operator.record.id === entry.target.id) this.#proven.delete(digest)
      }
    })
  }

  /** Whether this token was proven before and still holds: the hot path's question, without waiting and without throttling. */
  known(token: string, source: string | undefined): Caller | undefined {
    const proven = this.#proven.get(digestOf(token))
    if (proven === undefined || !this.#admits(proven.operator, proven.version, source)) return undefined
    if (proven.admitted.address !== source) proven.admitted = callerOf(proven.operator, source)
    return proven.admitted
  }

  /**
   * The caller behind a token. `slug` is the tenant that the path names, if any; `source` the address the call came from.
   * Throws `unauthenticated`, and `too-many-requests` for a source that keeps failing.
   */
  async authenticate(token: Secret, source: string | undefined, slug: string | undefined): Promise<Caller> {
    const text = token.reveal()
    const caller = this.known(text, source) ?? (await this.#prove(text, source))
    if (caller !== undefined && (await this.#isOf(caller, slug))) return caller
    return this.#refuse(text, source)
  }

  async #isOf(caller: Caller, slug: string | undefined): Promise<boolean> {
    if (slug === undefined) return true
    if (slug.includes('\0')) return false
    const tenant = await this.#deps.store.named(
      'tenants',
      caller.tenant,
      everyTenant,
      'tenant_slug',
      slug,
      (one) => one.slug === slug,
    )
    return tenant !== undefined
  }

  async #prove(text: string, source: string | undefined): Promise<Caller | undefined> {
    const parsed = parseCredential(text)
    if (typeof parsed === 'string' || parsed.kind !== 'operator') return undefined
    const operator = await this.#deps.store.get('operators', operatorIdOf(parsed.id))
    if (operator === undefined) return undefined
    const keys = await this.#deps.keyring.of(operator.tenant)
    const digest = digestOf(text)
    for (const version of operator.record.versions) {
      const stored = openVersion(keys, operator.record.id, version)
      if (stored === undefined || !sameMac(stored, digest)) continue
      if (this.#proven.size >= provenMax) this.#proven.clear()
      this.#proven.set(digest, { operator, version: version.version, admitted: callerOf(operator, source) })
      return this.#admits(operator, version.version, source) ? callerOf(operator, source) : undefined
    }
    return undefined
  }

  #admits({ record }: Loaded<'operators'>, versionNumber: number, source: string | undefined): boolean {
    const now = this.#deps.clock.now()
    if (record.state !== 'enabled' || (record.expires_at !== null && now >= record.expires_at)) return false
    const version = record.versions.find((one) => one.version === versionNumber)
    if (version === undefined || !isLive(version, now)) return false
    return record.networks === null || permits(record.networks, source)
  }

  #refuse(text: string, source: string | undefined): never {
    const parsed = parseCredential(text)
    const head = typeof parsed !== 'string' && parsed.kind === 'operator' ? operatorIdOf(parsed.id) : undefined
    if (source !== undefined) {
      const wait = this.#deps.throttle.waitSeconds(source, head)
      if (wait > 0) {
        throw new Fault('too-many-requests', 'Too many failed attempts came from this address.', {
          retryAfterSeconds: wait,
        })
      }
      this.#deps.throttle.fail(source, head)
    }
    throw new Fault('unauthenticated', 'Send a valid operator token: Authorization: Bearer kwa_…')
  }
}

function callerOf({ tenant, record }: Loaded<'operators'>, source: string | undefined): Caller {
  return {
    tenant,
    operator: record,
    actor: { kind: 'operator', id: record.id },
    ...(source === undefined ? {} : { address: source }),
  }
}
