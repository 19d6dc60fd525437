/**
 * The embedded database: the contract, and what is SQLite's alone.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { TenantId } from '../../model/ids.ts'
import { databaseContract } from '../../ports/database.contract.ts'
import { startAppender } from '../../testing/append-process.ts'
import { emptyHead, newKey } from '../../testing/appending.ts'
import { systemClock } from '../system/clock.ts'
import { openDatabase } from './open.ts'
import { databaseFile, isOlder } from './sqlite.ts'
import { busyTimeoutMilliseconds, SqliteConnection } from './sqlite-connection.ts'

const tenant = 'ten_1' as TenantId

const folders: string[] = []

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'keywright-sqlite-'))
  folders.push(made)
  return made
}

after(() => {
  for (const made of folders) rmSync(made, { recursive: true, force: true })
})

databaseContract('SQLite', async () => {
  const dataDir = folder()
  return {
    open: () => openDatabase({ url: 'embedded', dataDir, clock: systemClock }),
    append: (count, prefix, tenants) => startAppender('embedded', dataDir, count, prefix, tenants),
  }
})

describe('the embedded database', () => {
  test('is readable by its owner alone, whatever the umask', async () => {
    const dataDir = join(folder(), 'data')
    const umask = process.umask(0)
    try {
      const database = await openDatabase({ url: 'embedded', dataDir, clock: systemClock })
      assert.equal(process.umask(), 0, 'the umask is as it was')
      await database.transact([tenant], (heads) => newKey(tenant, heads.get(tenant) ?? emptyHead, 'k1'))
      assert.equal(statSync(dataDir).mode & 0o777, 0o700)
      const files = readdirSync(dataDir)
      assert.deepEqual(files.sort(), ['keywright.db', 'keywright.db-shm', 'keywright.db-wal'])
      for (const file of files) assert.equal(statSync(join(dataDir, file)).mode & 0o777, 0o600, file)
      await database.close()
    } finally {
      process.umask(umask)
    }
  })

  test('runs each connection with the settings that the promises need', () => {
    const connection = new SqliteConnection(join(folder(), databaseFile))
    const setting = (name: string) => Object.values(connection.all(`pragma ${name}`, [])[0] ?? {})[0]
    const names = ['journal_mode', 'synchronous', 'secure_delete', 'foreign_keys', 'busy_timeout']
    assert.deepEqual(names.map(setting), ['wal', 2, 1, 1, busyTimeoutMilliseconds])
    assert.ok(busyTimeoutMilliseconds >= 5_000)
    connection.close()
  })

  test('opens no other file', () => {
    const place = folder()
    const connection = new SqliteConnection(join(place, databaseFile))
    const other = join(place, 'other.db')
    assert.throws(() => connection.exec(`attach database '${other}' as other`), /authorization denied|not authorized/)
    assert.throws(() => connection.exec(`vacuum into '${other}'`), /authorization denied|not authorized/)
    assert.equal(existsSync(other), false)
    connection.close()
  })

  test('keeps nothing of a deleted row in its file', async () => {
    const dataDir = folder()
    const database = await openDatabase({ url: 'embedded', dataDir, clock: systemClock })
    const wrapped = 'wrapped-'.repeat(40)
    const key = { tenant, version: 1, kek: 'k' }
    await database.maintain([{ kind: 'insert', table: 'deks', values: { ...key, wrapped, created_at: 1 } }])
    await database.maintain([{ kind: 'delete', table: 'deks', where: key }])
    await database.close()
    assert.equal(readFileSync(join(dataDir, databaseFile)).includes(wrapped), false)
    assert.deepEqual(readdirSync(dataDir), [databaseFile])
  })

  test('writes what was asked before it closes, and nothing after', async () => {
    const dataDir = folder()
    const database = await openDatabase({ url: 'embedded', dataDir, clock: systemClock })
    const asked = Array.from({ length: 200 }, (_, index) =>
      database.transact([tenant], (heads) => newKey(tenant, heads.get(tenant) ?? emptyHead, `k${index}`)),
    )
    await database.close()
    assert.ok((await Promise.all(asked)).every(({ outcome }) => outcome === 'committed'))
    await assert.rejects(database.maintain([]), { name: 'DatabaseLost' })
  })

  test('ends its process at the first failed write to the disk, and what was acknowledged before is there', async () => {
    const dataDir = folder()
    const appender = startAppender('embedded', dataDir, 1_000_000, 'k', [tenant], 2_048)
    assert.equal(await appender.exited, 3)
    const database = await openDatabase({ url: 'embedded', dataDir, clock: systemClock })
    const ids = appender.acknowledged.map(({ id }) => id)
    assert.ok(ids.length > 0)
    assert.equal((await database.records('keys', ids)).length, ids.length)
    const head = (await database.heads()).get(tenant)
    assert.equal(head?.seq, await database.count('keys', tenant, {}, []))
    assert.equal((await database.entries(tenant, 0, 1_000_000)).length, head?.seq)
    await database.close()
  })

  test('says which file cannot be opened', async () => {
    const dataDir = folder()
    writeFileSync(
      join(dataDir, databaseFile),
      'no database at all, but some text that is long enough to be looked at. '.repeat(20),
    )
    const opening = openDatabase({ url: 'embedded', dataDir, clock: systemClock })
    await assert.rejects(opening, { name: 'DatabaseLost', message: /keywright\.db cannot be opened: .*not a database/ })
  })

  test('tells versions of SQLite apart by number', () => {
    const needed = [3, 51, 3]
    const older = [
      [3, 51, 2],
      [3, 7, 0],
      [3, 51],
      [2, 99, 99],
    ]
    const newer = [
      [3, 51, 3],
      [3, 51, 10],
      [3, 100, 0],
      [4, 0, 0],
    ]
    assert.deepEqual(
      older.map((version) => isOlder(version, needed)),
      older.map(() => true),
    )
    assert.deepEqual(
      newer.map((version) => isOlder(version, needed)),
      newer.map(() => false),
    )
  })
})
