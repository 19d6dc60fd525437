/**
 * Keys: made, read, listed, changed. What a key may do follows from its grants; without any it can do nothing.
 */
import { digestOf } from '../seal/digest.ts'
import { Fault, invalidField } from '../../model/fault.ts'
import type { ConsumerId, Instant, TenantId } from '../../model/ids.ts'
import { writeInstantOrNull } from '../../model/instant.ts'
import type { Json } from '../../model/journal.ts'
import type {
  Credits,
  Environment,
  Grant,
  KeyRecord,
  KeyUse,
  Limit,
  Meta,
  Networks,
  Quota,
} from '../../model/records.ts'
import type { Write } from '../../ports/database.ts'
import { type Caller, noSuchThing, seesApi, seesConsumer, seesEnvironment, seesKey } from '../access/caller.ts'
import { findApi, metaFilters, requireDistinct } from '../apis/apis.ts'
import { liveKeysOf } from '../consumers/consumers.ts'
import { type ChangeDeps, changeRecord, createRecord, type IfMatch } from '../records/change.ts'
import { keyIdOf, newKeyDigits, newSecret } from '../records/ids.ts'
import { type PageQuery, pageOf } from '../records/page.ts'
import type { Loaded } from '../records/rows.ts'
import { type Identifiers, identifiersOf, type KeyAnswer, presentKey } from './present.ts'
import { sealVersion } from './versions.ts'

export interface GrantInput {
  /** An api's id or identifier. */
  readonly api: string
  readonly scopes: readonly string[]
}

export interface KeyInput {
  readonly consumer_id: string
  readonly name: string
  readonly environment: Environment
  readonly uses: readonly KeyUse[]
  readonly grants: readonly GrantInput[]
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
}

export type KeyPatch = Partial<Omit<KeyInput, 'consumer_id' | 'environment'>>

export interface CreatedKey extends KeyAnswer {
  readonly secret: {
    readonly version: number
    /** The secret itself: here and never again. */
    readonly value: string
    readonly state: 'active'
    readonly expires_at: string | null
  }
}

/** Makes a key with its first secret, which the answer alone shows. */
export async function createKey(deps: ChangeDeps, caller: Caller, input: KeyInput): Promise<CreatedKey> {
  const { record, conditions, identifiers } = await prepareKey(deps, caller, input)
  const digits = newKeyDigits(deps.random)
  const id = keyIdOf(input.environment, digits)
  const secret = newSecret(deps.random, input.environment, digits)
  const digest = digestOf(secret.reveal())
  return await createRecord(
    deps,
    caller,
    {
      kind: 'keys',
      id,
      action: 'key.create',
      ...partsOf(record),
      conditions,
      make: ({ at, sealer }) => ({
        ...record,
        id,
        state: 'enabled',
        created_at: at,
        revoked_at: null,
        client_id: null,
        lookup: null,
        versions: [
          sealVersion(sealer, id, digest, {
            version: 1,
            state: 'active',
            kind: 'native',
            created_at: at,
            expires_at: null,
          }),
        ],
      }),
    },
    (loaded) => {
      const { seq, ...key } = presentKey(loaded, identifiers)
      return { ...key, secret: { version: 1, value: secret.reveal(), state: 'active', expires_at: null }, seq }
    },
    keyConflict,
  )
}

/** The fields of a key that the caller chose, grants resolved to api ids. */
export type KeyFields = Omit<
  KeyRecord,
  'id' | 'state' | 'created_at' | 'revoked_at' | 'client_id' | 'lookup' | 'versions'
>

export interface PreparedKey {
  readonly record: KeyFields
  readonly conditions: readonly Write[]
  readonly identifiers: Identifiers
}

/** Checks what a new key refers to and whether the caller may make it. */
export async function prepareKey(deps: ChangeDeps, caller: Caller, input: KeyInput): Promise<PreparedKey> {
  const consumer = await deps.store.of('consumers', caller.tenant, input.consumer_id)
  if (consumer === undefined || !seesConsumer(caller, consumer.record.id)) {
    throw invalidField('/consumer_id', 'There is no such consumer.')
  }
  if (!seesEnvironment(caller, input.environment)) {
    throw new Fault('forbidden', 'This operator is narrowed to another environment.')
  }
  requireOrder(input.not_before, input.expires_at)
  requireDistinct(
    input.limits.map((limit) => limit.name),
    '/limits',
  )
  requireDistinct(
    input.quotas.map((quota) => quota.name),
    '/quotas',
  )
  const grants = await resolveGrants(deps, caller, input.grants)
  const conditions: Write[] = [
    { kind: 'require', table: 'consumers', where: { id: consumer.record.id } },
    ...grants.map((grant): Write => ({ kind: 'require', table: 'apis', where: { id: grant.api } })),
    ...(await roomForKey(deps, caller.tenant, consumer.record.id, consumer.record.keys_max)),
  ]
  const record = { ...input, consumer_id: consumer.record.id, uses: unique(input.uses), grants }
  return { record, conditions, identifiers: await identifiersOf(deps.store, caller.tenant, grants) }
}

/** The conditions under which a consumer's `keys_max` holds also against keys that are made at the same moment. */
async function roomForKey(
  deps: ChangeDeps,
  tenant: TenantId,
  consumerId: ConsumerId,
  keysMax: number | null,
): Promise<Write[]> {
  if (keysMax === null) return []
  const { enabled, disabled } = await liveKeysOf(deps.database, tenant, consumerId)
  if (enabled + disabled >= keysMax) throw tooManyKeys()
  const below = (state: string, limit: number): Write => ({
    kind: 'below',
    table: 'keys',
    where: { tenant, consumer_id: consumerId, state },
    limit,
  })
  return [below('enabled', enabled + 1), below('disabled', disabled + 1)]
}

function tooManyKeys(): Fault {
  return new Fault('conflict', 'This consumer has as many keys as its keys_max allows.')
}

/** Grants by api id; each api and scope must exist, and each api once. */
export async function resolveGrants(
  deps: ChangeDeps,
  caller: Caller,
  grants: readonly GrantInput[],
): Promise<readonly Grant[]> {
  const resolved: Grant[] = []
  for (const [index, grant] of grants.entries()) {
    const api = await findApi(deps.store, caller.tenant, grant.api)
    if (api === undefined || !seesApi(caller, api.record.id))
      throw invalidField(`/grants/${index}/api`, 'There is no such api.')
    if (resolved.some((other) => other.api === api.record.id)) {
      throw invalidField(`/grants/${index}/api`, 'Another grant names this api already.')
    }
    const known = new Set(api.record.scopes.map((scope) => scope.name))
    const wrong = grant.scopes.findIndex((scope) => !known.has(scope))
    if (wrong >= 0) throw invalidField(`/grants/${index}/scopes/${wrong}`, 'This api has no such scope.')
    resolved.push({ api: api.record.id, scopes: unique(grant.scopes) })
  }
  return resolved
}

function unique<Item>(items: readonly Item[]): readonly Item[] {
  return [...new Set(items)]
}

function requireOrder(notBefore: Instant | null, expiresAt: Instant | null): void {
  if (notBefore !== null && expiresAt !== null && notBefore >= expiresAt) {
    throw invalidField('/expires_at', 'A key must expire after its not_before.')
  }
}

/** Parts a change into what the chain keeps and what may be erased later. */
export function partsOf(fields: Partial<KeyFields>) {
  const { name, meta, networks, not_before, expires_at, ...open } = fields
  const contents = { name, meta, networks }
  const changes = {
    ...open,
    ...(not_before === undefined ? {} : { not_before: writeInstantOrNull(not_before) }),
    ...(expires_at === undefined ? {} : { expires_at: writeInstantOrNull(expires_at) }),
  }
  return {
    changes: changes as unknown as { readonly [name: string]: Json },
    contents: Object.fromEntries(Object.entries(contents).filter(([, value]) => value !== undefined)) as unknown as {
      readonly [name: string]: Json
    },
  }
}

/** One key, by its id or by the `client_id` that it was imported with. */
export async function getKey(deps: ChangeDeps, caller: Caller, id: string): Promise<KeyAnswer> {
  const key = await visibleKey(deps, caller, id)
  return presentKey(key, await identifiersOf(deps.store, caller.tenant, key.record.grants))
}

/** The key behind an id or alias, if it lies within the caller's narrowing; else 404. */
export async function visibleKey(deps: ChangeDeps, caller: Caller, id: string): Promise<Loaded<'keys'>> {
  const key = await findKey(deps, caller.tenant, id)
  if (key === undefined || !seesKey(caller, key.record)) throw noSuchThing('key')
  return key
}

/** The key behind an id, or behind an imported `client_id`. */
export async function findKey(
  deps: Pick<ChangeDeps, 'store'>,
  tenant: TenantId,
  id: string,
): Promise<Loaded<'keys'> | undefined> {
  return (
    (await deps.store.of('keys', tenant, id)) ??
    (await deps.store.named('keys', tenant, tenant, 'client_id', id, (key) => key.client_id === id))
  )
}

export interface KeyFilters {
  readonly consumer_id?: string
  readonly name?: string
  readonly state?: KeyRecord['state']
  readonly environment?: Environment
  /** Keys that are not revoked and have a grant at this api. */
  readonly api?: string
  readonly meta: Readonly<Record<string, string>>
}

export async function listKeys(deps: ChangeDeps, caller: Caller, filters: KeyFilters, page: PageQuery) {
  const { meta, api, ...columns } = filters
  const apiId = api === undefined ? undefined : (await findApi(deps.store, caller.tenant, api))?.record.id
  if (api !== undefined && apiId === undefined) return { data: [], next_cursor: null }
  return await pageOf(
    deps.store,
    'keys',
    caller.tenant,
    { columns, facets: [...metaFilters(meta), ...(apiId === undefined ? [] : [{ name: 'api', value: apiId }])] },
    page,
    (key) => seesKey(caller, key),
    async (key) => presentKey(key, await identifiersOf(deps.store, caller.tenant, key.record.grants)),
  )
}

/** Changes a key's fields; never its consumer, its environment or its secrets. */
export async function patchKey(
  deps: ChangeDeps,
  caller: Caller,
  id: string,
  patch: KeyPatch,
  ifMatch?: IfMatch,
): Promise<KeyAnswer> {
  if (patch.limits !== undefined)
    requireDistinct(
      patch.limits.map((limit) => limit.name),
      '/limits',
    )
  if (patch.quotas !== undefined)
    requireDistinct(
      patch.quotas.map((quota) => quota.name),
      '/quotas',
    )
  const key = await visibleKey(deps, caller, id)
  const { grants: grantInputs, ...others } = patch
  const grants = grantInputs === undefined ? undefined : await resolveGrants(deps, caller, grantInputs)
  const fields: Partial<KeyFields> = {
    ...others,
    ...(patch.uses === undefined ? {} : { uses: unique(patch.uses) }),
    ...(grants === undefined ? {} : { grants }),
  }
  const identifiers = await identifiersOf(deps.store, caller.tenant, [...key.record.grants, ...(grants ?? [])])
  return await changeRecord(
    deps,
    caller,
    'keys',
    key.record.id,
    (before) => {
      if (before.record.state === 'revoked') throw new Fault('conflict', 'This key is revoked. Restore it first.')
      const after = { ...before.record, ...fields }
      requireOrder(after.not_before, after.expires_at)
      if (JSON.stringify(after) === JSON.stringify(before.record)) return undefined
      const conditions = (grants ?? []).map(
        (grant): Write => ({ kind: 'require', table: 'apis', where: { id: grant.api } }),
      )
      return { action: 'key.update', ...partsOf(fields), conditions, make: () => after }
    },
    (after) => presentKey(after, identifiers),
    { ifMatch, conflict: keyConflict, visible: (record) => seesKey(caller, record) },
  )
}

/** What a condition of a key's creation or change means when it does not hold. */
export function keyConflict(write: Write): Fault {
  if (write.kind === 'below') return tooManyKeys()
  if (write.table === 'consumers') return invalidField('/consumer_id', 'There is no such consumer.')
  if (write.table === 'apis') return invalidField('/grants', 'One of the apis was deleted just now.')
  return new Fault('conflict', 'The id of this key is taken; try again.')
}
