/**
 * The tables, their columns, and the queries' types. Instants are integer milliseconds, JSON is text, and texts compare by bytes on both databases.
 */
import type { RecordKind } from '../../model/records.ts'
import type { TableName, Value } from '../../ports/database.ts'

/** Kysely's view of the schema: every table holds texts and integers. Which ones is said by `columnsOf`. */
export type Schema = Record<string, Record<string, Value>>

export type ColumnType = 'text' | 'integer'
export interface Column {
  readonly type: ColumnType
  readonly nullable?: true
}

const text: Column = { type: 'text' }
const textOrNull: Column = { type: 'text', nullable: true }
const integer: Column = { type: 'integer' }
const integerOrNull: Column = { type: 'integer', nullable: true }

export type Columns = Readonly<Record<string, Column>>

/** What every record's table has, before its own index columns. */
export const recordColumns: Columns = {
  tenant: text,
  id: text,
  revision: integer,
  dek: integer,
  body: text,
  mac: text,
  created_seq: integer,
}

/** The index columns of each kind of record: the projection that `domain/records` makes. */
export const indexColumns: Readonly<Record<RecordKind, Columns>> = {
  tenants: { slug: text, state: text },
  apis: { name: text, identifier: text, state: text },
  consumers: { name: text, external_id: textOrNull, state: text },
  keys: { name: text, consumer_id: text, environment: text, state: text, expires_at: integerOrNull },
  operators: { name: text, role: text, state: text },
}

/** The singular by which a kind of record stands in the journal's `target`. */
export const targetPrefixes: Readonly<Record<RecordKind, string>> = {
  tenants: 'tenant:',
  apis: 'api:',
  consumers: 'consumer:',
  keys: 'key:',
  operators: 'operator:',
}

const recordTable = (kind: RecordKind): Table => ({
  columns: { ...recordColumns, ...indexColumns[kind] },
  primaryKey: ['id'],
})

export interface Table {
  readonly columns: Columns
  readonly primaryKey: readonly string[]
  /** Whether the rows lie in the primary key itself, where the database has such tables. */
  readonly clustered?: true
}

/** Every table but `migrations`. */
export const tables: Readonly<Record<TableName | 'heads', Table>> = {
  tenants: recordTable('tenants'),
  apis: recordTable('apis'),
  consumers: recordTable('consumers'),
  keys: recordTable('keys'),
  operators: recordTable('operators'),
  // Records by the place of their creation and not by their random ids: a commit of new records then touches few pages, and pages are what it costs.
  facets: {
    columns: { tenant: text, kind: text, name: text, value: text, created_seq: integer },
    primaryKey: ['tenant', 'kind', 'name', 'value', 'created_seq'],
    clustered: true,
  },
  names: {
    columns: { tenant: text, kind: text, name: text, id: text },
    primaryKey: ['tenant', 'kind', 'name'],
    clustered: true,
  },
  heads: { columns: { tenant: text, seq: integer, hash: text, seals: integer }, primaryKey: ['tenant'] },
  journal: {
    columns: {
      tenant: text,
      seq: integer,
      prev: text,
      target: text,
      entry: text,
      hash: text,
      mac: text,
      dek: integer,
      contents: textOrNull,
    },
    primaryKey: ['tenant', 'seq'],
  },
  deks: {
    columns: { tenant: text, version: integer, kek: text, wrapped: text, created_at: integer },
    primaryKey: ['tenant', 'version', 'kek'],
  },
  replays: { columns: { scope: text, body_mac: text, sealed: text, expires_at: integer }, primaryKey: ['scope'] },
  checkpoints: { columns: { tenant: text, size: integer, note: text, frontier: text }, primaryKey: ['tenant', 'size'] },
}
