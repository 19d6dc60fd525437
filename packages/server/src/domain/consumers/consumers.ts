/**
 * Consumers: the parties that hold keys.
 */
import { Fault } from '../../model/fault.ts'
import type { TenantId } from '../../model/ids.ts'
import { writeInstant } from '../../model/instant.ts'
import type { Json } from '../../model/journal.ts'
import type { ConsumerRecord, Contact, Credits, Limit, Meta, Quota } from '../../model/records.ts'
import type { Database, Write } from '../../ports/database.ts'
import { type Caller, noSuchThing, refuseNarrowed, seesConsumer } from '../access/caller.ts'
import { metaFilters, requireDistinct, stillLive } from '../apis/apis.ts'
import { type ChangeDeps, changeRecord, createRecord, type IfMatch, removeRecord } from '../records/change.ts'
import { newConsumerId } from '../records/ids.ts'
import { type PageQuery, pageOf } from '../records/page.ts'
import type { Loaded } from '../records/rows.ts'

export interface ConsumerInput {
  readonly name: string
  readonly external_id: string | null
  readonly keys_max: number | null
  readonly limits: readonly Limit[]
  readonly quotas: readonly Quota[]
  readonly credits: Credits | null
  readonly contacts: readonly Contact[]
  readonly meta: Meta
}

export type ConsumerPatch = Partial<ConsumerInput>

/** A consumer as the wire shows it. */
export function presentConsumer({ record, revision }: Loaded<'consumers'>) {
  const { id, created_at, ...rest } = record
  return { id, ...rest, created_at: writeInstant(created_at), seq: revision }
}

export type ConsumerAnswer = ReturnType<typeof presentConsumer>

/** Makes a consumer. 409 where the external id is taken. */
export function createConsumer(deps: ChangeDeps, caller: Caller, input: ConsumerInput): Promise<ConsumerAnswer> {
  refuseNarrowed(caller, 'consumers')
  requireDistinctNames(input)
  const id = newConsumerId(deps.random)
  return createRecord(
    deps,
    caller,
    {
      kind: 'consumers',
      id,
      action: 'consumer.create',
      ...partsOf(input),
      make: ({ at }) => ({ id, ...input, state: 'enabled', created_at: at }),
    },
    presentConsumer,
    consumerConflict,
  )
}

/** Parts a change into what the chain keeps and what may be erased later: names, addresses and meta are personal. */
function partsOf(input: ConsumerPatch) {
  const { name, external_id, contacts, meta, ...open } = input
  const contents = { name, external_id, contacts, meta }
  return {
    changes: open as unknown as { readonly [name: string]: Json },
    contents: Object.fromEntries(Object.entries(contents).filter(([, value]) => value !== undefined)) as unknown as {
      readonly [name: string]: Json
    },
  }
}

function requireDistinctNames(input: ConsumerPatch): void {
  if (input.limits !== undefined)
    requireDistinct(
      input.limits.map((limit) => limit.name),
      '/limits',
    )
  if (input.quotas !== undefined)
    requireDistinct(
      input.quotas.map((quota) => quota.name),
      '/quotas',
    )
}

export async function getConsumer(deps: ChangeDeps, caller: Caller, id: string): Promise<ConsumerAnswer> {
  const consumer = await deps.store.of('consumers', caller.tenant, id)
  if (consumer === undefined || !seesConsumer(caller, consumer.record.id)) throw noSuchThing('consumer')
  return presentConsumer(consumer)
}

export interface ConsumerFilters {
  readonly name?: string
  readonly external_id?: string
  readonly state?: ConsumerRecord['state']
  readonly meta: Readonly<Record<string, string>>
}

export function listConsumers(deps: ChangeDeps, caller: Caller, filters: ConsumerFilters, page: PageQuery) {
  const { meta, ...columns } = filters
  return pageOf(
    deps.store,
    'consumers',
    caller.tenant,
    { columns, facets: metaFilters(meta) },
    page,
    (consumer) => seesConsumer(caller, consumer.id),
    presentConsumer,
  )
}

export function patchConsumer(
  deps: ChangeDeps,
  caller: Caller,
  id: string,
  patch: ConsumerPatch,
  ifMatch?: IfMatch,
): Promise<ConsumerAnswer> {
  requireDistinctNames(patch)
  return changeRecord(
    deps,
    caller,
    'consumers',
    id,
    (before) => {
      const after = { ...before.record, ...patch }
      if (JSON.stringify(after) === JSON.stringify(before.record)) return undefined
      return { action: 'consumer.update', ...partsOf(patch), make: () => after }
    },
    presentConsumer,
    { ifMatch, conflict: consumerConflict, visible: (consumer) => seesConsumer(caller, consumer.id) },
  )
}

/** Disables or enables a consumer: at once for all its keys. Doing it twice changes nothing. */
export function setConsumerState(
  deps: ChangeDeps,
  caller: Caller,
  id: string,
  verb: 'enable' | 'disable',
  ifMatch?: IfMatch,
): Promise<ConsumerAnswer> {
  const state = verb === 'enable' ? 'enabled' : 'disabled'
  return changeRecord(
    deps,
    caller,
    'consumers',
    id,
    (before) =>
      before.record.state === state
        ? undefined
        : { action: `consumer.${verb}`, changes: { state }, make: () => ({ ...before.record, state }) },
    presentConsumer,
    { ifMatch, visible: (consumer) => seesConsumer(caller, consumer.id) },
  )
}

/** Keys of a consumer that are not revoked. */
export async function liveKeysOf(database: Database, tenant: TenantId, consumerId: string) {
  const [enabled, disabled] = await Promise.all([
    database.count('keys', tenant, { consumer_id: consumerId, state: 'enabled' }, []),
    database.count('keys', tenant, { consumer_id: consumerId, state: 'disabled' }, []),
  ])
  return { enabled, disabled }
}

/** Deletes a consumer without live keys. 409 names how many there are. */
export async function deleteConsumer(deps: ChangeDeps, caller: Caller, id: string, ifMatch?: IfMatch): Promise<void> {
  const { tenant } = caller
  await getConsumer(deps, caller, id)
  const { enabled, disabled } = await liveKeysOf(deps.database, tenant, id)
  if (enabled + disabled > 0) throw stillLive('consumer', enabled + disabled)
  await removeRecord(deps, caller, 'consumers', id, {
    ifMatch,
    action: 'consumer.delete',
    visible: (consumer) => seesConsumer(caller, consumer.id),
    conditions: () => [
      { kind: 'absent', table: 'keys', where: { tenant, consumer_id: id, state: 'enabled' } },
      { kind: 'absent', table: 'keys', where: { tenant, consumer_id: id, state: 'disabled' } },
    ],
    conflict: () => stillLive('consumer', 1),
  })
}

function consumerConflict(write: Write): Fault {
  if (write.table !== 'names') return new Fault('conflict', 'The id of this consumer is taken; try again.')
  return new Fault('conflict', 'Another consumer has this external_id.', {
    errors: [{ pointer: '/external_id', detail: 'Another consumer has this external_id.' }],
  })
}
