/**
 * Possession: from a presented text to the key whose version it is. Whatever fails here is `unknown` and nothing else.
 */
import { parseCredential } from '@keywright/credential/credential'
import type { TenantId } from '../../model/ids.ts'
import type { SecretVersion } from '../../model/records.ts'
import { openVersion } from '../keys/versions.ts'
import type { Domain } from '../records/domain.ts'
import { keyIdOf } from '../records/ids.ts'
import type { Loaded } from '../records/rows.ts'
import { digestOf } from '../seal/digest.ts'
import { sameMac } from '../seal/tenant-keys.ts'
import type { SlowCosts } from '../import/slow-costs.ts'
import { proveImported } from './prove-imported.ts'
import type { Facts, FactsCache, LiveGrant } from './facts.ts'

export interface ProveDeps
  extends Pick<Domain, 'database' | 'store' | 'keyring' | 'clock' | 'random' | 'listener' | 'log' | 'slowHash'> {
  readonly facts: FactsCache
  readonly slowCosts: SlowCosts
}

/** Why nothing was proven. Told to issuers who ask for an explanation, never to a verifier. */
export type Unproven = 'malformed' | 'check_failed' | 'unknown_prefix' | 'never_issued' | 'wrong_secret'

/** Longer texts are no credentials of anybody. */
export const credentialLengthMax = 4_096

/** The facts behind a credential that belongs to this tenant. Answers at once where they are known. */
export function prove(
  deps: ProveDeps,
  tenant: TenantId,
  credential: string,
): Facts | Promise<Facts | Unproven> | Unproven {
  if (credential.length === 0 || credential.length > credentialLengthMax) return 'malformed'
  const digest = digestOf(credential)
  const known = deps.facts.get(digest)
  // Another tenant's credential goes the long way of one that was never issued.
  if (known !== undefined && known.tenant === tenant) return known
  return lookUp(deps, tenant, credential, digest)
}

/** The facts behind a credential of this tenant if they are known, without looking further. */
export function provenBefore(deps: Pick<ProveDeps, 'facts'>, tenant: TenantId, credential: string): Facts | undefined {
  if (credential.length > credentialLengthMax) return undefined
  const known = deps.facts.get(digestOf(credential))
  return known?.tenant === tenant ? known : undefined
}

async function lookUp(
  deps: ProveDeps,
  tenant: TenantId,
  credential: string,
  digest: string,
): Promise<Facts | Unproven> {
  const parsed = parseCredential(credential)
  const reason: Unproven = typeof parsed === 'string' ? parsed : parsed.kind === 'secret' ? 'never_issued' : 'malformed'
  if (deps.facts.isNegative(tenant, digest, deps.clock.monotonic())) return reason
  const lookUp = deps.facts.begin()
  try {
    const native =
      typeof parsed !== 'string' && parsed.kind === 'secret' ? keyIdOf(parsed.environment, parsed.id) : undefined
    if (native !== undefined) lookUp.keyId = native
    const found =
      native === undefined
        ? await proveImported(deps, tenant, credential)
        : await proveNative(deps, tenant, native, digest)
    if (typeof found === 'string') {
      // A key that exists but whose secret this is not may get it by the next rotation, which clears this.
      deps.facts.keepNegative(tenant, digest, deps.clock.monotonic(), lookUp)
      return found === 'never_issued' ? reason : found
    }
    lookUp.keyId = found.key.record.id
    const facts = await gather(deps, found.key, found.version)
    if (facts === undefined) return reason
    deps.facts.keep(digest, facts, lookUp)
    return facts
  } finally {
    deps.facts.end(lookUp)
  }
}

export interface Found {
  readonly key: Loaded<'keys'>
  readonly version: SecretVersion
}

async function proveNative(
  deps: ProveDeps,
  tenant: TenantId,
  keyId: string,
  digest: string,
): Promise<Found | Unproven> {
  const key = await deps.store.of('keys', tenant, keyId)
  if (key === undefined) return 'never_issued'
  const keys = await deps.keyring.of(tenant)
  for (const version of key.record.versions) {
    if (version.kind !== 'native') continue
    const stored = openVersion(keys, keyId, version)
    if (stored !== undefined && sameMac(stored, digest)) return { key, version }
  }
  return 'wrong_secret'
}

/** The consumer and the apis of a proven key. A key whose consumer is gone proves nothing. */
async function gather(deps: ProveDeps, key: Loaded<'keys'>, version: SecretVersion): Promise<Facts | undefined> {
  const consumer = await deps.store.of('consumers', key.tenant, key.record.consumer_id)
  if (consumer === undefined) return undefined
  const grants: LiveGrant[] = []
  for (const grant of key.record.grants) {
    const api = await deps.store.of('apis', key.tenant, grant.api)
    if (api === undefined) continue
    const defined = new Set(api.record.scopes.map((scope) => scope.name))
    grants.push({ api, scopes: grant.scopes.filter((scope) => defined.has(scope)) })
  }
  return Object.freeze({ tenant: key.tenant, key, version, consumer, grants, oks: new Map() })
}
