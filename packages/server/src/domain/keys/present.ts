/**
 * Keys and their versions as the wire shows them. No digest and no sealed part ever leaves here; a value only at its issue.
 */
import type { ApiId, Instant, TenantId } from '../../model/ids.ts'
import { writeInstant, writeInstantOrNull } from '../../model/instant.ts'
import type { Grant, KeyRecord, SecretVersion } from '../../model/records.ts'
import type { Loaded } from '../records/rows.ts'
import type { Store } from '../records/store.ts'
import { statusAt } from './versions.ts'

/** Identifiers of the apis that grants name. */
export type Identifiers = ReadonlyMap<ApiId, string>

/** The identifiers behind grants. A deleted api, which only a revoked key can still name, keeps its id. */
export async function identifiersOf(store: Store, tenant: TenantId, grants: readonly Grant[]): Promise<Identifiers> {
  const identifiers = new Map<ApiId, string>()
  for (const { api } of grants) {
    const loaded = store.known('apis', api) ?? (await store.of('apis', tenant, api))
    identifiers.set(api, loaded?.record.identifier ?? api)
  }
  return identifiers
}

/** A key as the wire shows it. */
export function presentKey({ record, revision }: Loaded<'keys'>, identifiers: Identifiers) {
  const {
    id,
    versions: _versions,
    lookup,
    client_id,
    created_at,
    revoked_at,
    not_before,
    expires_at,
    grants,
    ...rest
  } = record
  return {
    id,
    ...rest,
    grants: grants.map((grant) => ({ api: identifiers.get(grant.api) ?? grant.api, scopes: grant.scopes })),
    not_before: writeInstantOrNull(not_before),
    expires_at: writeInstantOrNull(expires_at),
    ...(client_id === null ? {} : { client_id }),
    ...(lookup === null ? {} : { lookup }),
    created_at: writeInstant(created_at),
    revoked_at: writeInstantOrNull(revoked_at),
    seq: revision,
  }
}

export type KeyAnswer = ReturnType<typeof presentKey>

/** A version as it is listed. */
export function presentVersion(version: SecretVersion, at: Instant) {
  const until = version.state === 'retiring' ? endOf(version) : null
  return {
    version: version.version,
    state: statusAt(version, at),
    created_at: writeInstant(version.created_at),
    expires_at: writeInstantOrNull(version.expires_at),
    until: writeInstantOrNull(until),
  }
}

/** When a retiring version dies: at the earlier of its overlap's end and its own expiry. */
export function endOf(version: SecretVersion): Instant | null {
  if (version.until === null) return version.expires_at
  return version.expires_at === null ? version.until : Math.min(version.until, version.expires_at)
}

/** The versions that retire, with when they end. */
export function presentRetiring(record: KeyRecord, at: Instant) {
  return record.versions
    .filter((version) => statusAt(version, at) === 'retiring')
    .map((version) => ({ version: version.version, until: writeInstantOrNull(endOf(version)) }))
}
