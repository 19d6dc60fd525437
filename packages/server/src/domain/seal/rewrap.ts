/**
 * Changing the keys over the keys. `rewrap` puts every DEK under the first KEK and takes away the wraps of KEKs that are not given any more; at every
 * moment each DEK has a wrap that opens. `makeDeks` gives tenants a new DEK; `resealTenants` tells the nodes of it by the journal and re-seals the records
 * row by row on condition of their revision, so that it can be cut off anywhere and begun again, while nodes go on.
 */
import type { TenantId } from '../../model/ids.ts'
import { type RecordKind, recordKinds, type Records, type SecretVersion } from '../../model/records.ts'
import type { Write } from '../../ports/database.ts'
import { indexNames } from '../import/index-name.ts'
import { openCheckpointKey, sealCheckpointKey } from '../journal/checkpoint-key.ts'
import { commit } from '../journal/ledger.ts'
import { openVersion, sealVersion } from '../keys/versions.ts'
import type { Domain } from '../records/domain.ts'
import { systemActor } from '../records/change.ts'
import { type Loaded, readRow, type RowFault, rowValues, updateRecord } from '../records/rows.ts'
import { makeDek, openDeks, wrapDek } from './keyring.ts'
import { dekOf, Sealer } from './sealer.ts'
import type { TenantKeys } from './tenant-keys.ts'

type Deps = Pick<Domain, 'database' | 'keks' | 'keyring' | 'listener' | 'clock' | 'random'>

export interface Rewrapped {
  readonly wrapped: number
  readonly removed: number
}

/** Wraps all DEKs of all tenants under the first KEK. Throws where one opens under none. */
export async function rewrap(deps: Deps): Promise<Rewrapped> {
  const given = new Set(deps.keks.map((kek) => kek.id))
  const [first] = deps.keks
  let wrapped = 0
  let removed = 0
  for (const tenant of (await deps.database.heads()).keys()) {
    const stored = await deps.database.deks(tenant)
    const opened = await openDeks(stored, deps.keks)
    const writes: Write[] = []
    for (const version of new Set(stored.map((one) => one.version))) {
      const dek = opened.get(version)
      if (dek === undefined)
        throw new Error(`No given KEK opens DEK ${version} of ${tenant}: name the old one too, behind the new one.`)
      if (!stored.some((one) => one.version === version && one.kek === first.id))
        writes.push(await wrapDek(deps, first, tenant, version, dek))
    }
    wrapped += writes.length
    if (writes.length > 0) await deps.database.maintain(writes)
    // Only when the new wraps are durable do the old ones go.
    const outdated = stored.filter((one) => !given.has(one.kek))
    removed += outdated.length
    if (outdated.length > 0) {
      await deps.database.maintain(
        outdated.map((one) => ({
          kind: 'delete',
          table: 'deks',
          where: { tenant, version: one.version, kek: one.kek },
        })),
      )
    }
  }
  return { wrapped, removed }
}

const rowsPerRead = 200

/** How long nodes have to learn of a new DEK from the journal before anything is found under it alone: one poll takes a second at most. */
const learnMilliseconds = 2_000

/** A new DEK for each tenant. The old ones stay for the MACs of old entries. */
export async function makeDeks(deps: Deps, tenants: readonly TenantId[]): Promise<void> {
  for (const tenant of tenants) {
    const before = await deps.keyring.of(tenant)
    const version = before.current + 1
    const [first, ...others] = deps.keks
    const { dek, write } = await makeDek(deps, first, tenant, version)
    // Under every given KEK, since nodes may still run with the old one alone; its wrap goes when it is not given any more.
    const wraps = await Promise.all(others.map((kek) => wrapDek(deps, kek, tenant, version, dek)))
    await deps.database.maintain([write, ...wraps])
    deps.keyring.forget(tenant)
  }
}

/** Seals everything that decides under each tenant's newest DEK; the number of records. Goes on where an earlier run was cut off. */
export async function resealTenants(deps: Deps, tenants: readonly TenantId[]): Promise<number> {
  let count = 0
  for (const tenant of tenants) if (await announceDek(deps, tenant)) count += 1
  // A node that does not know the DEK yet would not find an imported credential under its new name.
  if (count > 0) await deps.clock.sleep(learnMilliseconds)
  for (const tenant of tenants) count += await resealAll(deps, tenant)
  return count
}

/** Journals that a tenant has a new DEK, with the tenant's own row under it: every node that follows learns it there. */
async function announceDek(deps: Deps, tenant: TenantId): Promise<boolean> {
  const keys = await deps.keyring.of(tenant)
  const [row] = await deps.database.records('tenants', [tenant])
  if (row === undefined || row.dek === keys.current) return false
  const before = readRow('tenants', row, keys)
  if (typeof before === 'string') throw new UnbelievedRow('tenants', tenant, before)
  await commit(deps, {
    tenant,
    steps: [
      {
        actor: systemActor,
        action: 'tenant.rekey',
        target: { kind: 'tenant', id: tenant },
        changes: { dek: keys.current },
        writes: ({ seq, sealer }) => {
          const { record } = resealRecord<'tenants'>(before.record, tenant, keys, sealer)
          return updateRecord('tenants', before, record, seq, keys)
        },
      },
    ],
    answer: () => undefined,
  })
  return true
}

/** Re-seals what is not under the newest DEK yet; goes on where an earlier run was cut off. */
async function resealAll(deps: Deps, tenant: TenantId): Promise<number> {
  const keys = await deps.keyring.of(tenant)
  let count = 0
  for (const kind of recordKinds) {
    let afterSeq = 0
    for (;;) {
      const rows = await deps.database.list(kind, tenant, { columns: {}, facets: [], afterSeq, limit: rowsPerRead })
      for (const row of rows) {
        afterSeq = row.created_seq
        const loaded = readRow(kind, row, keys)
        if (typeof loaded === 'string') throw new UnbelievedRow(kind, row.id, loaded)
        if (row.dek === keys.current && sealedUnder(loaded.record, keys.current)) continue
        if (await resealOne(deps, kind, loaded, keys)) count += 1
      }
      if (rows.length < rowsPerRead) break
    }
  }
  return count
}

/** A row that fails its check is not given a new MAC. */
class UnbelievedRow extends Error {
  override readonly name = 'UnbelievedRow'

  constructor(kind: RecordKind, id: string, fault: RowFault) {
    super(`The row ${kind} ${id} is not believed (${fault}), so it is not sealed anew. Run: keywright audit verify`)
  }
}

/** A node that knows the new DEK may have written the row under it with older seals inside. */
function sealedUnder(record: Records[RecordKind], dek: number): boolean {
  const sealed = 'versions' in record ? record.versions.map((version) => version.sealed) : []
  if ('checkpoint_key' in record) sealed.push(record.checkpoint_key.sealed)
  return sealed.every((text) => dekOf(text) === dek)
}

async function resealOne<Kind extends RecordKind>(
  deps: Deps,
  kind: Kind,
  loaded: Loaded<Kind>,
  keys: TenantKeys,
): Promise<boolean> {
  const { tenant, revision } = loaded
  const transacted = await deps.database.transact([tenant], (heads) => {
    const head = heads.get(tenant)
    if (head === undefined) throw new Error('broken invariant: a transaction holds the heads it asked for')
    const sealer = new Sealer(keys, deps.random, head.seals)
    const { record, names } = resealRecord<Kind>(loaded.record, tenant, keys, sealer)
    const { tenant: _tenant, id, ...set } = rowValues(kind, { ...loaded, record }, keys)
    const update: Write = { kind: 'update', table: kind, set, where: { id: String(id), revision } }
    return { heads: new Map([[tenant, { ...head, seals: sealer.seals }]]), writes: [update, ...names] }
  })
  // Refused: the record was changed meanwhile, by a node that may know the new DEK already, or the next run finds it.
  return transacted.outcome === 'committed'
}

interface Resealed<Kind extends RecordKind> {
  readonly record: Records[Kind]
  readonly names: readonly Write[]
}

function resealRecord<Kind extends RecordKind>(
  record: Records[Kind],
  tenant: TenantId,
  keys: TenantKeys,
  sealer: Sealer,
): Resealed<Kind> {
  if ('checkpoint_key' in record) {
    const opened = openCheckpointKey(keys, tenant, record.checkpoint_key.sealed)
    if (opened === undefined) throw new Error('The checkpoint key of this tenant cannot be opened.')
    const checkpoint_key = { ...record.checkpoint_key, sealed: sealCheckpointKey(sealer, tenant, opened) }
    return { record: { ...record, checkpoint_key }, names: [] }
  }
  if (!('versions' in record)) return { record, names: [] }
  const names: Write[] = []
  const versions = record.versions.map((version): SecretVersion => {
    const digest = openVersion(keys, record.id, version)
    if (digest === undefined) throw new Error(`A version of ${record.id} cannot be opened.`)
    if (version.kind === 'sha256' || version.kind === 'sha512') {
      const [name, ...older] = indexNames(keys, version.kind, digest)
      for (const old of older)
        names.push({ kind: 'delete', table: 'names', where: { tenant, kind: 'credential', name: old } })
      if (name !== undefined)
        names.push({ kind: 'insert', table: 'names', values: { tenant, kind: 'credential', name, id: record.id } })
    }
    return { ...version, sealed: sealVersion(sealer, record.id, digest, version).sealed }
  })
  return { record: { ...record, versions }, names }
}
