/**
 * Migrations on both databases: with rows there, cut short, run again, and of a later release.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { sql } from 'kysely'
import { Client } from 'pg'
import type { TenantId } from '../../model/ids.ts'
import { emptyHead, newKey } from '../../testing/appending.ts'
import { systemClock } from '../system/clock.ts'
import { type Dialect, type Migration, type MigrationConnection, migrate, migrations } from './migrations.ts'
import { openDatabase } from './open.ts'
import { runOn, startPostgres, type TestPostgres } from './postgres-for-tests.ts'
import { compilerFor } from './queries.ts'
import { tables } from './schema.ts'
import { databaseFile } from './sqlite.ts'
import { SqliteConnection } from './sqlite-connection.ts'

const tenant = 'ten_1' as TenantId
let postgres: TestPostgres
const folder = mkdtempSync(join(tmpdir(), 'keywright-migrations-'))
let databases = 0

before(async () => {
  postgres = await startPostgres()
})

after(async () => {
  await postgres.stop()
  rmSync(folder, { recursive: true })
})

interface Place {
  readonly url: string
  readonly dataDir: string
}

async function freshPlace(dialect: Dialect): Promise<Place> {
  databases += 1
  if (dialect === 'postgres') return { url: await postgres.freshDatabase(), dataDir: '' }
  return { url: 'embedded', dataDir: join(folder, String(databases)) }
}

const open = (place: Place, readOnly = false) => openDatabase({ ...place, readOnly, clock: systemClock })

/** A bare connection, as `migrate` needs it, for as long as `use` takes. */
async function withConnection<T>(
  dialect: Dialect,
  place: Place,
  use: (connection: MigrationConnection) => Promise<T>,
): Promise<T> {
  if (dialect === 'sqlite') {
    const connection = new SqliteConnection(join(place.dataDir, databaseFile))
    try {
      return await use({
        run: async (text, parameters) => connection.all(text, parameters as string[]),
        begin: async () => connection.exec('begin immediate'),
      })
    } finally {
      connection.close()
    }
  }
  const client = new Client({ connectionString: place.url })
  await client.connect()
  try {
    return await use({
      run: async (text, parameters) => (await client.query<Record<string, unknown>>(text, [...parameters])).rows,
      begin: async () => {
        await client.query('begin; lock table migrations in exclusive mode')
      },
    })
  } finally {
    await client.end()
  }
}

/** A later release's migration: a column with a default for the rows there are, and a table. */
const later: Migration = {
  name: '2999-01-01-later',
  statements: (db) => [
    db.schema
      .alterTable('keys')
      .addColumn('colour', 'text', (column) => column.notNull().defaultTo('red'))
      .compile(),
    db.schema.createTable('later').addColumn('id', 'text').compile(),
  ],
}
const broken: Migration = {
  name: later.name,
  statements: (db, dialect) => [
    ...later.statements(db, dialect),
    sql`insert into no_such_table values (1)`.compile(db),
  ],
}

for (const dialect of ['sqlite', 'postgres'] as const) {
  const compiler = compilerFor(dialect)
  const run = (place: Place, list: readonly Migration[]) =>
    withConnection(dialect, place, (connection) => migrate(connection, compiler, dialect, 7, list))

  const withRow = async (): Promise<Place> => {
    const place = await freshPlace(dialect)
    const database = await open(place)
    const build = () => newKey(tenant, emptyHead, 'k1')
    assert.deepEqual(await database.transact([tenant], build), { outcome: 'committed' })
    await database.close()
    return place
  }
  const columnsOfKey = (place: Place) =>
    withConnection(dialect, place, async (connection) => (await connection.run('select * from keys', []))[0] ?? {})

  describe(`migrations on ${dialect}`, () => {
    test('keep the rows there are, are noted with their time, and are not run twice', async () => {
      const place = await withRow()
      assert.deepEqual(await run(place, [...migrations, later]), [later.name])
      assert.deepEqual(await run(place, [...migrations, later]), [])
      const row = await columnsOfKey(place)
      assert.deepEqual([row['id'], row['colour']], ['k1', 'red'])
      const noted = await withConnection(dialect, place, (connection) =>
        connection.run(`select at from migrations where name = '${later.name}'`, []),
      )
      assert.equal(Number(noted[0]?.['at']), 7)
    })

    test('that fail midway leave nothing behind, and the next start goes on', async () => {
      const place = await withRow()
      await assert.rejects(run(place, [...migrations, broken]), /no_such_table/)
      assert.equal('colour' in (await columnsOfKey(place)), false)
      assert.deepEqual(await run(place, [...migrations, later]), [later.name])
      assert.equal((await columnsOfKey(place))['colour'], 'red')
    })

    test('of a newer release stop this one with one sentence', async () => {
      const place = await withRow()
      await run(place, [...migrations, later])
      for (const readOnly of [false, true]) {
        await assert.rejects(open(place, readOnly), {
          name: 'NewerDatabase',
          message:
            'This database was written by a newer release of Keywright. Start that release, or restore a backup made before it.',
        })
      }
    })

    test('are not run by who opens for reading, who is told so', async () => {
      const place = await withRow()
      await withConnection(dialect, place, (connection) => connection.run('delete from migrations', []))
      await assert.rejects(open(place, true), { name: 'OlderDatabase', message: /keywright migrate/ })
    })

    test('are complete for who opens for reading, who reads and cannot write', async () => {
      const place = await withRow()
      const database = await open(place, true)
      assert.equal((await database.record('keys', 'k1'))?.lastSeq, 1)
      await assert.rejects(database.maintain([]), { name: 'DatabaseLost' })
      await assert.rejects(database.forgetReplays(1), { name: 'DatabaseLost' })
      await database.close()
    })
  })
}

test('every text of the schema is compared by bytes in PostgreSQL, whatever the cluster’s language', async () => {
  const url = await postgres.freshDatabase()
  await (await openDatabase({ url, dataDir: '', clock: systemClock })).close()
  const names = Object.keys(tables)
    .map((name) => `'${name}'`)
    .join()
  const columns = `select table_name, column_name, collation_name from information_schema.columns
    where table_name in (${names}) and data_type = 'text'`
  const found = await runOn(url, columns)
  assert.ok(found.length > 50)
  assert.deepEqual(
    found.filter((column) => column['collation_name'] !== 'C'),
    [],
  )
})

test('every table of the embedded database is strict about types', async () => {
  const place = await freshPlace('sqlite')
  await (await open(place)).close()
  const found = await withConnection('sqlite', place, (connection) =>
    connection.run("select name, strict from pragma_table_list where schema = 'main' and name not like 'sqlite_%'", []),
  )
  assert.deepEqual(
    found.filter((table) => table['strict'] !== 1).map((table) => table['name']),
    ['migrations'],
  )
})
