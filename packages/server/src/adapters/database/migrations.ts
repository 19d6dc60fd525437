/**
 * The one set of migrations for both databases: forward only, each in a transaction of its own, so that a start that was killed midway goes on with
 * the next. A database that a newer release has migrated is refused.
 */
import { type CompiledQuery, type CreateTableBuilder, type Kysely, sql } from 'kysely'
import { type Columns, type Schema, type Table, tables } from './schema.ts'

export type Dialect = 'sqlite' | 'postgres'

interface Migration {
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
      db.schema.createIndex('facets_id').on('facets').columns(['kind', 'id']).compile(),
      db.schema.createIndex('names_id').on('names').columns(['id']).compile(),
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
  for (const columns of table.unique ?? []) {
    builder = builder.addUniqueConstraint(`${name}_${columns.join('_')}_unique`, [...columns])
  }
  return (dialect === 'sqlite' ? builder.modifyEnd(sql`strict`) : builder).compile()
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

/** Brings the database up to date; the names of what was done. */
export async function migrate(
  connection: MigrationConnection,
  db: Kysely<Schema>,
  dialect: Dialect,
  now: number,
): Promise<readonly string[]> {
  await connection
    .run('create table if not exists migrations (name text primary key, at bigint not null)', [])
    .catch(() => undefined)
  const applied: string[] = []
  for (const migration of migrations) {
    await connection.begin()
    try {
      const done = await doneMigrations(connection)
      if (!done.has(migration.name)) {
        for (const statement of migration.statements(db, dialect))
          await connection.run(statement.sql, statement.parameters)
        const parameters = dialect === 'sqlite' ? '(?, ?)' : '($1, $2)'
        await connection.run(`insert into migrations (name, at) values ${parameters}`, [migration.name, now])
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

async function doneMigrations(connection: MigrationConnection): Promise<ReadonlySet<string>> {
  const rows = await connection.run('select name from migrations', [])
  const names = new Set(rows.map((row) => String(row['name'])))
  const known = new Set(migrations.map((migration) => migration.name))
  if ([...names].some((name) => !known.has(name))) {
    throw new NewerDatabase(
      'This database was written by a newer release of Keywright. Start that release, or restore a backup made before it.',
    )
  }
  return names
}
