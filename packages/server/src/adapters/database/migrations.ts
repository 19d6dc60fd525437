/**
 * The one set of migrations for both databases: forward only, each in a transaction of its own, so that a start that was killed midway goes on with
 * the next. A database that a newer release has migrated is refused.
 */
import { type CompiledQuery, type CreateTableBuilder, type Kysely, sql } from 'kysely'
import { type Columns, type Schema, type Table, tables } from './schema.ts'

export type Dialect = 'sqlite' | 'postgres'

export interface Migration {
  readonly name: string
  /** The statements, in order. */
  statements(db: Kysely<Schema>, dialect: Dialect): readonly CompiledQuery[]
}

export const migrations: readonly Migration[] = [
  {
    name: '2026-11-25-first',
    statements: (db, dialect) => [
      ...Object.entries(tables).map(([name, table]) => createTable(db, dialect, name, table)),
      ...['tenants', 'apis', 'consumers', 'keys', 'operators'].map((table) =>
        db.schema.createIndex(`${table}_created`).on(table).columns(['tenant', 'created_seq']).compile(),
      ),
      db.schema.createIndex('keys_consumer').on('keys').columns(['tenant', 'consumer_id', 'created_seq']).compile(),
      db.schema.createIndex('facets_record').on('facets').columns(['tenant', 'kind', 'created_seq']).compile(),
      db.schema.createIndex('journal_target').on('journal').columns(['target', 'tenant', 'seq']).compile(),
      db.schema.createIndex('replays_expiry').on('replays').columns(['expires_at']).compile(),
    ],
  },
]

function createTable(db: Kysely<Schema>, dialect: Dialect, name: string, table: Table): CompiledQuery {
  let builder: CreateTableBuilder<string, string> = db.schema.createTable(name)
  for (const [column, { type, nullable }] of Object.entries(table.columns as Columns)) {
    const dataType = type === 'text' ? 'text' : dialect === 'sqlite' ? 'integer' : 'bigint'
    builder = builder.addColumn(column, dataType, (definition) => {
      const collated = type === 'text' && dialect === 'postgres' ? definition.modifyEnd(sql`collate "C"`) : definition
      return nullable === true ? collated : collated.notNull()
    })
  }
  builder = builder.addPrimaryKeyConstraint(`${name}_pk`, [...table.primaryKey])
  if (dialect === 'postgres') return builder.compile()
  return builder.modifyEnd(table.clustered === true ? sql`strict, without rowid` : sql`strict`).compile()
}

/** What a migration run needs of a connection that nobody else uses. */
export interface MigrationConnection {
  run(sqlText: string, parameters: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  /** Begins a transaction in which no other process migrates. */
  begin(): Promise<void>
}

/** The database was migrated by a newer release. */
export class NewerDatabase extends Error {
  override readonly name = 'NewerDatabase'
}

/** The database lacks a migration and may not be written to. */
export class OlderDatabase extends Error {
  override readonly name = 'OlderDatabase'
}

/** Brings the database up to date; the names of what was done. Safe to run in several processes at once, and again after it was cut short. */
export async function migrate(
  connection: MigrationConnection,
  db: Kysely<Schema>,
  dialect: Dialect,
  now: number,
  list: readonly Migration[] = migrations,
): Promise<readonly string[]> {
  if ((await missing(connection, list)).length === 0) return []
  await makeTable(connection)
  const applied: string[] = []
  for (const migration of list) {
    await connection.begin()
    try {
      if ((await missing(connection, list)).includes(migration.name)) {
        for (const { sql: text, parameters } of migration.statements(db, dialect))
          await connection.run(text, parameters)
        const values = dialect === 'sqlite' ? '(?, ?)' : '($1, $2)'
        await connection.run(`insert into migrations (name, at) values ${values}`, [migration.name, now])
        applied.push(migration.name)
      }
      await connection.run('commit', [])
    } catch (error) {
      await connection.run('rollback', []).catch(() => undefined)
      throw error
    }
  }
  return applied
}

/** Throws where this release cannot read the database as it is. */
export async function assertMigrated(connection: Pick<MigrationConnection, 'run'>): Promise<void> {
  if ((await missing(connection, migrations)).length === 0) return
  throw new OlderDatabase('This database lacks the migrations of this release. Run keywright migrate.')
}

async function makeTable(connection: MigrationConnection): Promise<void> {
  const make = () =>
    connection.run('create table if not exists migrations (name text primary key, at bigint not null)', [])
  // Two processes that make it at once collide in PostgreSQL's catalogue; the second finds it there.
  await make().catch(make)
}

/** The names of migrations that were not run yet. A database without any is a new one. */
async function missing(
  connection: Pick<MigrationConnection, 'run'>,
  list: readonly Migration[],
): Promise<readonly string[]> {
  const rows = await connection.run('select name from migrations', []).catch((error: unknown) => {
    if (isNoSuchTable(error)) return []
    throw error
  })
  const done = new Set(rows.map((row) => String(row['name'])))
  const known = new Set(list.map(({ name }) => name))
  if ([...done].some((name) => !known.has(name))) {
    throw new NewerDatabase(
      'This database was written by a newer release of Keywright. Start that release, or restore a backup made before it.',
    )
  }
  return [...known].filter((name) => !done.has(name))
}

/** PostgreSQL's undefined_table, or SQLite's message for it, which has no code of its own. */
function isNoSuchTable(error: unknown): boolean {
  return (
    error instanceof Error && (('code' in error && error.code === '42P01') || error.message.startsWith('no such table'))
  )
}
