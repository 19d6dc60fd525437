/**
 * PostgreSQL: the contract, and what is PostgreSQL's alone: connections that break, servers that restart, settings that lose commits.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Client } from 'pg'
import type { TenantId } from '../../model/ids.ts'
import { type DatabasePlace, databaseContract } from '../../ports/database.contract.ts'
import type { Batch, Database, Head } from '../../ports/database.ts'
import { startAppender } from '../../testing/append-process.ts'
import { emptyHead, newKey } from '../../testing/appending.ts'
import { systemClock } from '../system/clock.ts'
import { openDatabase } from './open.ts'
import { runOn, startPostgres, type TestPostgres } from './postgres-for-tests.ts'

const tenant = 'ten_1' as TenantId
let postgres: TestPostgres

before(async () => {
  postgres = await startPostgres()
})

after(async () => await postgres.stop())

const open = (url: string): Promise<Database> => openDatabase({ url, dataDir: '', clock: systemClock })

databaseContract('PostgreSQL', async (): Promise<DatabasePlace> => {
  const url = await postgres.freshDatabase()
  return {
    open: () => open(url),
    append: (count, prefix, tenants) => startAppender(url, '', count, prefix, tenants),
  }
})

const adding =
  (id: string) =>
  (heads: ReadonlyMap<TenantId, Head>): Batch =>
    newKey(tenant, heads.get(tenant) ?? emptyHead, id)

/** Resolves once a statement answers at least one row. */
async function until(url: string, statement: string): Promise<void> {
  while ((await runOn(url, statement)).length === 0) await systemClock.sleep(5)
}

const waitingForLock = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"

/** Holds the head of the tenant, as another process's change does, while `use` runs. */
async function whileHeld(url: string, use: () => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('begin')
    await client.query('update heads set seals = seals')
    await use()
    await client.query('rollback')
  } finally {
    await client.end()
  }
}

describe('a database on PostgreSQL', () => {
  test('tries a change once more, on the newest head, when its connection breaks before the commit', async () => {
    const url = await postgres.freshDatabase()
    const database = await open(url)
    await database.transact([tenant], adding('k1'))
    let change: Promise<unknown> = Promise.resolve()
    await whileHeld(url, async () => {
      change = database.transact([tenant], adding('k2'))
      await until(url, waitingForLock)
      await runOn(url, waitingForLock.replace('select 1', 'select pg_terminate_backend(pid)'))
    })
    assert.deepEqual(await change, { outcome: 'committed' })
    assert.equal((await database.heads()).get(tenant)?.seq, 2)
    await database.close()
  })

  test('changes of other tenants do not wait for one that is held up', async () => {
    const url = await postgres.freshDatabase()
    const database = await open(url)
    const other = 'ten_2' as TenantId
    await database.transact([tenant], adding('k1'))
    let held: Promise<unknown> = Promise.resolve()
    await whileHeld(url, async () => {
      held = database.transact([tenant], adding('k2'))
      await until(url, waitingForLock)
      const free = await database.transact([other], (heads) => newKey(other, heads.get(other) ?? emptyHead, 'o1'))
      assert.deepEqual(free, { outcome: 'committed' })
      assert.equal((await database.heads()).get(tenant)?.seq, 1)
    })
    assert.deepEqual(await held, { outcome: 'committed' })
    await database.close()
  })

  test('two tenants changed crosswise by two processes wait in one order and both go through', async () => {
    const url = await postgres.freshDatabase()
    const [one, two] = [await open(url), await open(url)]
    const other = 'ten_2' as TenantId
    const both = async (database: Database, tenants: TenantId[], prefix: string) =>
      await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          database.transact(tenants, (heads) => {
            const target = index % 2 === 0 ? tenant : other
            return newKey(target, heads.get(target) ?? emptyHead, `${prefix}${index}`)
          }),
        ),
      )
    const answers = await Promise.all([both(one, [tenant, other], 'a'), both(two, [other, tenant], 'b')])
    assert.ok(answers.flat().every(({ outcome }) => outcome === 'committed'))
    const heads = await one.heads()
    assert.deepEqual([heads.get(tenant)?.seq, heads.get(other)?.seq], [40, 40])
    await Promise.all([one.close(), two.close()])
  })

  test('reads go on after every connection was ended from outside', async () => {
    const url = await postgres.freshDatabase()
    const database = await open(url)
    await database.transact([tenant], adding('k1'))
    await Promise.all(Array.from({ length: 8 }, () => database.heads()))
    const others = 'datname = current_database() and pid <> pg_backend_pid()'
    await runOn(url, `select pg_terminate_backend(pid) from pg_stat_activity where ${others}`)
    assert.equal((await database.record('keys', 'k1'))?.id, 'k1')
    assert.deepEqual(await database.transact([tenant], adding('k2')), { outcome: 'committed' })
    await database.close()
  })

  test('hears again after its listening connection was ended', async () => {
    const url = await postgres.freshDatabase()
    const database = await open(url)
    const listening =
      "select pid from pg_stat_activity where query = 'listen keywright' and datname = current_database()"
    const stop = database.watch(() => undefined)
    await until(url, listening)
    await runOn(url, listening.replace('pid', 'pg_terminate_backend(pid)'))
    await until(url, listening)
    stop()
    await database.close()
  })

  test('nothing acknowledged is lost when the server is killed under load or restarted, and writes go on afterwards', async () => {
    const url = await postgres.freshDatabase()
    const database = await open(url)
    const acknowledged: string[] = []
    const failures: unknown[] = []
    let number = 0
    let stopped = false
    const caller = async () => {
      while (!stopped) {
        const id = `k${number++}`
        try {
          await database.transact([tenant], adding(id))
          acknowledged.push(id)
        } catch (error) {
          failures.push(error)
          await systemClock.sleep(5)
        }
      }
    }
    const grownBy = async (count: number) => {
      const wanted = acknowledged.length + count
      while (acknowledged.length < wanted) await systemClock.sleep(5)
    }
    const callers = Array.from({ length: 8 }, caller)
    await grownBy(100)
    await postgres.kill()
    await assert.rejects(database.record('keys', 'k1'), { name: 'DatabaseLost' })
    await postgres.start()
    await grownBy(100)
    await postgres.restart()
    await grownBy(100)
    stopped = true
    await Promise.all(callers)
    assert.ok(failures.length > 0)
    assert.deepEqual(
      [...new Set(failures.map((error) => (error instanceof Error ? error.name : error)))],
      ['DatabaseLost'],
    )
    assert.equal((await database.records('keys', acknowledged)).length, acknowledged.length)
    const head = (await database.heads()).get(tenant)
    assert.equal(head?.seq, await database.count('keys', tenant, {}, []))
    assert.ok((head?.seq ?? 0) >= acknowledged.length)
    await database.close()
  })

  test('that cannot be reached says so', async () => {
    const nowhere = 'postgres://keywright@localhost/nowhere?host=%2Fnonexistent'
    await assert.rejects(open(nowhere), { name: 'DatabaseLost' })
    await assert.rejects(open(postgres.url.replace('/postgres?', '/no_such_database?')), { name: 'DatabaseLost' })
  })

  test('whose settings can lose commits is refused, each setting in a sentence', async () => {
    const careless = await startPostgres(['fsync=off', 'synchronous_commit=off'])
    try {
      const database = await open(await careless.freshDatabase())
      const found = await database.diagnose()
      assert.deepEqual(
        found.map(({ severity, sentence }) => [severity, /(fsync|synchronous_commit)=off/.exec(sentence)?.[1]]),
        [
          ['refuse', 'fsync'],
          ['refuse', 'synchronous_commit'],
        ],
      )
      await database.close()
    } finally {
      await careless.stop()
    }
  })
})
