/**
 * Apis: the resource servers that keys are granted access to.
 */
import { Fault, invalidField } from '../../model/fault.ts'
import { writeInstant } from '../../model/instant.ts'
import type { ApiRecord, Limit, Meta, Scope } from '../../model/records.ts'
import type { Write } from '../../ports/database.ts'
import { type Caller, noSuchThing, refuseNarrowed, seesApi } from '../access/caller.ts'
import { type ChangeDeps, changeRecord, createRecord, type IfMatch, removeRecord } from '../records/change.ts'
import { newApiId } from '../records/ids.ts'
import { type PageQuery, pageOf } from '../records/page.ts'
import type { Loaded } from '../records/rows.ts'
import type { Store } from '../records/store.ts'
import type { TenantId } from '../../model/ids.ts'
import type { Json } from '../../model/journal.ts'

export interface ApiInput {
  readonly identifier: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly token_format: 'jwt' | 'opaque'
  readonly token_ttl_seconds: number
  readonly limits: readonly Limit[]
  readonly meta: Meta
}

export type ApiPatch = Partial<Omit<ApiInput, 'identifier'>>

/** An api as the wire shows it. `seq` is the change that made it what it is. */
export function presentApi({ record, revision }: Loaded<'apis'>) {
  const { id, identifier, name, scopes, token_format, token_ttl_seconds, limits, state, meta, created_at } = record
  return {
    id,
    identifier,
    name,
    scopes,
    token_format,
    token_ttl_seconds,
    limits,
    state,
    meta,
    created_at: writeInstant(created_at),
    seq: revision,
  }
}

export type ApiAnswer = ReturnType<typeof presentApi>

/** Makes an api. 409 where the identifier is taken. */
export function createApi(deps: ChangeDeps, caller: Caller, input: ApiInput): Promise<ApiAnswer> {
  refuseNarrowed(caller, 'apis')
  requireDistinct(
    input.scopes.map((scope) => scope.name),
    '/scopes',
  )
  requireDistinct(
    input.limits.map((limit) => limit.name),
    '/limits',
  )
  const id = newApiId(deps.random)
  const { name, meta, ...open } = input
  return createRecord(
    deps,
    caller,
    {
      kind: 'apis',
      id,
      action: 'api.create',
      changes: open as unknown as { readonly [name: string]: Json },
      contents: { name, meta },
      make: ({ at }) => ({ id, ...input, state: 'enabled', created_at: at }),
    },
    presentApi,
    apiConflict,
  )
}

/** The api behind an id or an identifier, or `undefined`. */
export async function findApi(
  store: Store,
  tenant: TenantId,
  idOrIdentifier: string,
): Promise<Loaded<'apis'> | undefined> {
  if (idOrIdentifier.startsWith('api_')) {
    const byId = await store.of('apis', tenant, idOrIdentifier)
    if (byId !== undefined) return byId
  }
  return await store.named(
    'apis',
    tenant,
    tenant,
    'api_identifier',
    idOrIdentifier,
    (api) => api.identifier === idOrIdentifier,
  )
}

/** One api, by id or identifier. 404 where there is none within the caller's narrowing. */
export async function getApi(deps: ChangeDeps, caller: Caller, idOrIdentifier: string): Promise<ApiAnswer> {
  return presentApi(await visibleApi(deps, caller, idOrIdentifier))
}

async function visibleApi(deps: ChangeDeps, caller: Caller, idOrIdentifier: string): Promise<Loaded<'apis'>> {
  const api = await findApi(deps.store, caller.tenant, idOrIdentifier)
  if (api === undefined || !seesApi(caller, api.record.id)) throw noSuchThing('api')
  return api
}

export interface ApiFilters {
  readonly name?: string
  readonly identifier?: string
  readonly state?: ApiRecord['state']
  readonly meta: Readonly<Record<string, string>>
}

export function listApis(deps: ChangeDeps, caller: Caller, filters: ApiFilters, page: PageQuery) {
  const { meta, ...columns } = filters
  return pageOf(
    deps.store,
    'apis',
    caller.tenant,
    { columns, facets: metaFilters(meta) },
    page,
    (api) => seesApi(caller, api.id),
    presentApi,
  )
}

/** Filters by meta as facets. */
export function metaFilters(meta: Readonly<Record<string, string>>) {
  return Object.entries(meta).map(([name, value]) => ({ name: `meta.${name}`, value }))
}

/** Changes an api's fields. A scope that goes away takes effect at once for every key that was granted it. */
export async function patchApi(
  deps: ChangeDeps,
  caller: Caller,
  idOrIdentifier: string,
  patch: ApiPatch,
  ifMatch?: IfMatch,
): Promise<ApiAnswer> {
  if (patch.scopes !== undefined)
    requireDistinct(
      patch.scopes.map((scope) => scope.name),
      '/scopes',
    )
  if (patch.limits !== undefined)
    requireDistinct(
      patch.limits.map((limit) => limit.name),
      '/limits',
    )
  const { record } = await visibleApi(deps, caller, idOrIdentifier)
  return await changeRecord(
    deps,
    caller,
    'apis',
    record.id,
    (before) => {
      const after = { ...before.record, ...patch }
      if (JSON.stringify(after) === JSON.stringify(before.record)) return undefined
      const { name, meta, ...open } = patch
      return {
        action: 'api.update',
        changes: open as unknown as { readonly [name: string]: Json },
        contents: { ...(name === undefined ? {} : { name }), ...(meta === undefined ? {} : { meta }) },
        make: () => after,
      }
    },
    presentApi,
    { ifMatch, conflict: apiConflict, visible: (api) => seesApi(caller, api.id) },
  )
}

/** Disables or enables an api: at once for every key. Doing it twice changes nothing. */
export async function setApiState(
  deps: ChangeDeps,
  caller: Caller,
  idOrIdentifier: string,
  verb: 'enable' | 'disable',
  ifMatch?: IfMatch,
): Promise<ApiAnswer> {
  const { record } = await visibleApi(deps, caller, idOrIdentifier)
  const state = verb === 'enable' ? 'enabled' : 'disabled'
  return await changeRecord(
    deps,
    caller,
    'apis',
    record.id,
    (before) =>
      before.record.state === state
        ? undefined
        : { action: `api.${verb}`, changes: { state }, make: () => ({ ...before.record, state }) },
    presentApi,
    { ifMatch, visible: (api) => seesApi(caller, api.id) },
  )
}

/** Deletes an api that no live key is granted. 409 names how many there are. */
export async function deleteApi(
  deps: ChangeDeps,
  caller: Caller,
  idOrIdentifier: string,
  ifMatch?: IfMatch,
): Promise<void> {
  const { record } = await visibleApi(deps, caller, idOrIdentifier)
  const { tenant } = caller
  const live = await deps.database.count('keys', tenant, {}, [{ name: 'api', value: record.id }])
  if (live > 0) throw stillLive('api', live)
  await removeRecord(deps, caller, 'apis', record.id, {
    ifMatch,
    action: 'api.delete',
    visible: (api) => seesApi(caller, api.id),
    conditions: () => [
      { kind: 'absent', table: 'facets', where: { tenant, kind: 'keys', name: 'api', value: record.id } },
    ],
    conflict: () => stillLive('api', 1),
  })
}

/** What stands in the way of a deletion. */
export function stillLive(noun: 'api' | 'consumer', count: number): Fault {
  const keys = count === 1 ? '1 key that is' : `${count} keys that are`
  return new Fault('conflict', `This ${noun} still has ${keys} not revoked. Revoke them first.`)
}

/** Names within one list must differ: the second of two is the one at fault. */
export function requireDistinct(names: readonly string[], pointer: string): void {
  const seen = new Set<string>()
  for (const [index, name] of names.entries()) {
    if (seen.has(name)) throw invalidField(`${pointer}/${index}/name`, 'Another one of this list has the same name.')
    seen.add(name)
  }
}

function apiConflict(write: Write): Fault {
  if (write.table !== 'names') return new Fault('conflict', 'The id of this api is taken; try again.')
  return new Fault('conflict', 'Another api has this identifier.', {
    errors: [{ pointer: '/identifier', detail: 'Another api has this identifier.' }],
  })
}
