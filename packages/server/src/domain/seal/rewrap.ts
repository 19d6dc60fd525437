/**
 * Changing the keys over the keys. `rewrap` puts every DEK under the first KEK and takes away the wraps of KEKs that are not given any more; at every
 * moment each DEK has a wrap that opens. `renewDek` gives a tenant a new DEK and re-seals its records row by row on condition of their revision, so that
 * it can be cut off anywhere and begun again, while nodes go on.
 */
import type { TenantId } from '../../model/ids.ts'
import { type RecordKind, recordKinds, type Records, type SecretVersion } from '../../model/records.ts'
import type { Write } from '../../ports/database.ts'
import { indexNames } from '../import/index-name.ts'
import { openCheckpointKey, sealCheckpointKey } from '../journal/checkpoint-key.ts'
import { openVersion, sealVersion } from '../keys/versions.ts'
import type { Domain } from '../records/domain.ts'
import { type Loaded, readRow, rowValues } from '../records/rows.ts'
import { makeDek, openDeks, wrapDek } from './keyring.ts'
import { Sealer } from './sealer.ts'
import type { TenantKeys } from './tenant-keys.ts'

type Deps = Pick<Domain, 'database' | 'keks' | 'keyring' | 'clock' | 'random'>

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

/** A new DEK for a tenant, and everything that decides re-sealed under it. The old DEK stays for the MACs of old entries. */
export async function renewDek(deps: Deps, tenant: TenantId): Promise<number> {
  const before = await deps.keyring.of(tenant)
  const { write } = await makeDek(deps, deps.keks[0], tenant, before.current + 1)
  await deps.database.maintain([write])
  deps.keyring.forget(tenant)
  return await resealAll(deps, tenant)
}

/** Re-seals what is not under the newest DEK yet; goes on where an earlier run was cut off. */
export async function resealAll(deps: Deps, tenant: TenantId): Promise<number> {
  const keys = await deps.keyring.of(tenant)
  let count = 0
  for (const kind of recordKinds) {
    let afterSeq = 0
    for (;;) {
      const rows = await deps.database.list(kind, tenant, { columns: {}, facets: [], afterSeq, limit: rowsPerRead })
      for (const row of rows) {
        afterSeq = row.created_seq
        if (row.dek === keys.current) continue
        const loaded = readRow(kind, row, keys)
        if (typeof loaded === 'string')
          throw new Error(
            `The row ${kind} ${row.id} is not believed (${loaded}), so it is not sealed anew. Run: keywright audit verify`,
          )
        if (await resealOne(deps, kind, loaded, keys)) count += 1
      }
      if (rows.length < rowsPerRead) break
    }
  }
  return count
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
