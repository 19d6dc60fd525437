/**
 * Records to rows and back. A row is authenticated as a whole: its MAC covers table, tenant, id, revision, position and body under the tenant's
 * `row` subkey, so that no row can be edited, moved to another place or tenant, or made by a writer of the database. A row whose revision is not
 * the newest that the journal knows of it is an old one put back.
 */
import type { Seq, TenantId } from '../../model/ids.ts'
import type { RecordKind, Records } from '../../model/records.ts'
import type { StoredRow, Values, Write } from '../../ports/database.ts'
import { sameMac, type TenantKeys } from '../seal/tenant-keys.ts'
import { columnsOf, everyTenant, type Facet, facetsOf, namesOf, type RecordName } from './projection.ts'

/** A record with where and when it stands. */
export interface Loaded<Kind extends RecordKind> {
  readonly tenant: TenantId
  readonly record: Records[Kind]
  /** The seq of its newest change: its ETag. */
  readonly revision: Seq
  /** The seq of its creation: its place in lists. */
  readonly createdSeq: Seq
}

/** Why a row is not believed. Safe to log. */
export type RowFault = 'unknown_dek' | 'wrong_mac' | 'moved_columns' | 'revived_revision' | 'unreadable_body'

function rowMac(
  keys: TenantKeys,
  dek: number,
  kind: RecordKind,
  row: { readonly id: string; readonly revision: Seq; readonly created_seq: Seq; readonly body: string },
): string | undefined {
  return keys.mac(dek, 'row', [kind, keys.tenant, row.id, row.revision, row.created_seq, row.body])
}

/** The columns of a row that holds `record` as of `revision`. */
export function rowValues<Kind extends RecordKind>(kind: Kind, loaded: Loaded<Kind>, keys: TenantKeys): Values {
  const id = loaded.record.id
  const body = JSON.stringify(loaded.record)
  const mac = rowMac(keys, keys.current, kind, {
    id,
    revision: loaded.revision,
    created_seq: loaded.createdSeq,
    body,
  })
  return {
    tenant: loaded.tenant,
    id,
    revision: loaded.revision,
    dek: keys.current,
    body,
    mac: mac ?? '',
    created_seq: loaded.createdSeq,
    ...columnsOf(kind, loaded.record),
  }
}

/** Reads a row, or says why it is not believed. */
export function readRow<Kind extends RecordKind>(
  kind: Kind,
  row: StoredRow,
  keys: TenantKeys,
): Loaded<Kind> | RowFault {
  const mac = rowMac(keys, row.dek, kind, row)
  if (mac === undefined) return 'unknown_dek'
  if (!sameMac(mac, row.mac)) return 'wrong_mac'
  if (row.lastSeq !== row.revision) return 'revived_revision'
  // The body is our own: its MAC holds, so the cast cannot lie.
  const record = JSON.parse(row.body) as Records[Kind]
  if (record.id !== row.id) return 'unreadable_body'
  for (const [name, value] of Object.entries(columnsOf(kind, record))) {
    if ((row.columns[name] ?? null) !== value) return 'moved_columns'
  }
  return { tenant: row.tenant, record, revision: row.revision, createdSeq: row.created_seq }
}

/** The writes that make a record. `extraNames` are those of imported credentials. */
export function insertRecord<Kind extends RecordKind>(
  kind: Kind,
  loaded: Loaded<Kind>,
  keys: TenantKeys,
  extraNames: readonly RecordName[] = [],
): Write[] {
  const { tenant, record } = loaded
  return [
    { kind: 'insert', table: kind, values: rowValues(kind, loaded, keys) },
    ...[...namesOf(kind, record), ...extraNames].map((name) => insertName(kind, tenant, record.id, name)),
    ...facetsOf(kind, record).map((facet) => insertFacet(kind, tenant, loaded.createdSeq, facet)),
  ]
}

/** The writes that change a record which is still at `before.revision`. */
export function updateRecord<Kind extends RecordKind>(
  kind: Kind,
  before: Loaded<Kind>,
  record: Records[Kind],
  revision: Seq,
  keys: TenantKeys,
  extraNames: readonly RecordName[] = [],
): Write[] {
  const { tenant } = before
  const { tenant: _tenant, id, ...set } = rowValues(kind, { ...before, record, revision }, keys)
  const writes: Write[] = [{ kind: 'update', table: kind, set, where: { id: String(id), revision: before.revision } }]
  const oldNames = namesOf(kind, before.record)
  const newNames = namesOf(kind, record)
  for (const name of oldNames) if (!hasName(newNames, name)) writes.push(deleteName(kind, tenant, record.id, name))
  for (const name of newNames) if (!hasName(oldNames, name)) writes.push(insertName(kind, tenant, record.id, name))
  for (const name of extraNames) writes.push(insertName(kind, tenant, record.id, name))
  const oldFacets = facetsOf(kind, before.record)
  const newFacets = facetsOf(kind, record)
  if (JSON.stringify(oldFacets) !== JSON.stringify(newFacets)) {
    writes.push({ kind: 'delete', table: 'facets', where: { tenant, kind, created_seq: before.createdSeq } })
    for (const facet of newFacets) writes.push(insertFacet(kind, tenant, before.createdSeq, facet))
  }
  return writes
}

/** The writes that take a record away which is still at `before.revision`. */
export function deleteRecord<Kind extends RecordKind>(kind: Kind, before: Loaded<Kind>): Write[] {
  const { tenant, record, revision } = before
  return [
    { kind: 'require', table: kind, where: { id: record.id, revision } },
    { kind: 'delete', table: kind, where: { id: record.id } },
    { kind: 'delete', table: 'facets', where: { tenant, kind, created_seq: before.createdSeq } },
    ...namesOf(kind, record).map((name) => deleteName(kind, tenant, record.id, name)),
  ]
}

function hasName(list: readonly RecordName[], wanted: RecordName): boolean {
  return list.some((name) => name.kind === wanted.kind && name.name === wanted.name)
}

/** Slugs of tenants stand above all tenants; every other name is one tenant's own. */
function nameTenant(kind: RecordKind, tenant: TenantId): string {
  return kind === 'tenants' ? everyTenant : tenant
}

function insertName(kind: RecordKind, tenant: TenantId, id: string, name: RecordName): Write {
  return { kind: 'insert', table: 'names', values: { tenant: nameTenant(kind, tenant), ...name, id } }
}

function deleteName(kind: RecordKind, tenant: TenantId, id: string, name: RecordName): Write {
  return { kind: 'delete', table: 'names', where: { tenant: nameTenant(kind, tenant), ...name, id } }
}

function insertFacet(kind: RecordKind, tenant: TenantId, createdSeq: Seq, facet: Facet): Write {
  return { kind: 'insert', table: 'facets', values: { tenant, kind, ...facet, created_seq: createdSeq } }
}
