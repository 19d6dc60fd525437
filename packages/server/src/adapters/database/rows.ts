/**
 * From result rows, as both drivers give them, to the port's shapes.
 */
import type { TenantId } from '../../model/ids.ts'
import type { RecordKind } from '../../model/records.ts'
import type {
  Head,
  StoredCheckpoint,
  StoredDek,
  StoredEntry,
  StoredReplay,
  StoredRow,
  Value,
} from '../../ports/database.ts'
import { indexColumns } from './schema.ts'

export type ResultRow = Readonly<Record<string, unknown>>

function textOf(row: ResultRow, column: string): string {
  return String(row[column])
}

function numberOf(row: ResultRow, column: string): number {
  return Number(row[column])
}

function scalarOf(row: ResultRow, column: string): Value {
  const value = row[column]
  return typeof value === 'string' || typeof value === 'number' ? value : null
}

export function toRow(kind: RecordKind, row: ResultRow): StoredRow {
  return {
    tenant: textOf(row, 'tenant') as TenantId,
    id: textOf(row, 'id'),
    revision: numberOf(row, 'revision'),
    dek: numberOf(row, 'dek'),
    body: textOf(row, 'body'),
    mac: textOf(row, 'mac'),
    created_seq: numberOf(row, 'created_seq'),
    columns: Object.fromEntries(Object.keys(indexColumns[kind]).map((column) => [column, scalarOf(row, column)])),
    lastSeq: numberOf(row, 'last_seq'),
  }
}

export function toHead(row: ResultRow): readonly [TenantId, Head] {
  const head = { seq: numberOf(row, 'seq'), hash: textOf(row, 'hash'), seals: numberOf(row, 'seals') }
  return [textOf(row, 'tenant') as TenantId, head]
}

export function toEntry(row: ResultRow): StoredEntry {
  const contents = row['contents']
  return {
    tenant: textOf(row, 'tenant') as TenantId,
    seq: numberOf(row, 'seq'),
    prev: textOf(row, 'prev'),
    target: textOf(row, 'target'),
    entry: textOf(row, 'entry'),
    hash: textOf(row, 'hash'),
    mac: textOf(row, 'mac'),
    dek: numberOf(row, 'dek'),
    contents: typeof contents === 'string' ? contents : null,
  }
}

export function toDek(row: ResultRow): StoredDek {
  return {
    tenant: textOf(row, 'tenant') as TenantId,
    version: numberOf(row, 'version'),
    kek: textOf(row, 'kek'),
    wrapped: textOf(row, 'wrapped'),
    created_at: numberOf(row, 'created_at'),
  }
}

export function toReplay(row: ResultRow): StoredReplay {
  return {
    scope: textOf(row, 'scope'),
    body_mac: textOf(row, 'body_mac'),
    sealed: textOf(row, 'sealed'),
    expires_at: numberOf(row, 'expires_at'),
  }
}

export function toCheckpoint(row: ResultRow): StoredCheckpoint {
  return {
    tenant: textOf(row, 'tenant') as TenantId,
    size: numberOf(row, 'size'),
    note: textOf(row, 'note'),
    frontier: textOf(row, 'frontier'),
  }
}
