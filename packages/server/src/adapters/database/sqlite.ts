/**
 * The embedded database: SQLite as Node.js ships it. Reads run at once on the main thread's own connection; writes go to the writer thread in groups.
 */
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TenantId } from '../../model/ids.ts'
import type { Clock } from '../../ports/clock.ts'
import { type Database, DatabaseLost, type Transacted } from '../../ports/database.ts'
import { assertMigrated, type MigrationConnection, migrate } from './migrations.ts'
import { type CheckedQuery, Queries } from './queries.ts'
import { readsOf } from './reads.ts'
import { messageOf, SqliteConnection } from './sqlite-connection.ts'
import { type Build, WriteQueue } from './sqlite-queue.ts'

export const databaseFile = 'keywright.db'
const watchMilliseconds = 25
/** The first SQLite without the WAL-reset fault. */
const versionMin = [3, 51, 3] as const

export interface SqliteOptions {
  readonly dataDir: string
  readonly clock: Clock
  readonly readOnly: boolean
  readonly onFatal: (reason: string) => void
}

/** Opens the database in a folder, makes it where there is none, and migrates it. */
export async function openSqlite(options: SqliteOptions): Promise<Database> {
  const path = join(options.dataDir, databaseFile)
  const queries = new Queries('sqlite')
  const connection = options.readOnly ? new SqliteConnection(path, { readOnly: true }) : openPrivately(options.dataDir)
  try {
    if (options.readOnly) await assertMigrated(migrationOf(connection))
    else await migrate(migrationOf(connection), queries.compiler, 'sqlite', options.clock.now())
    connection.forbidWrites()
  } catch (error) {
    connection.close()
    throw error
  }
  return databaseOf(connection, queries, options)
}

/** Opens the file so that nobody else on the machine can read it; SQLite gives its `-wal` and `-shm` the same mode. */
function openPrivately(dataDir: string): SqliteConnection {
  const path = join(dataDir, databaseFile)
  const umask = process.umask(0o077)
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const connection = new SqliteConnection(path)
    for (const suffix of ['', '-wal', '-shm']) if (existsSync(path + suffix)) chmodSync(path + suffix, 0o600)
    return connection
  } finally {
    process.umask(umask)
  }
}

function migrationOf(connection: SqliteConnection): MigrationConnection {
  return {
    run: async (sql, parameters) => connection.all(sql, parameters as (string | number | null)[]),
    begin: async () => connection.exec('begin immediate'),
  }
}

function databaseOf(connection: SqliteConnection, queries: Queries, options: SqliteOptions): Database {
  const watching = new Watching(connection, options.clock)
  const writer = options.readOnly
    ? undefined
    : new WriteQueue({
        path: join(options.dataDir, databaseFile),
        queries,
        onFatal: options.onFatal,
        onCommit: () => watching.look(),
      })
  const transact = async (
    tenants: readonly TenantId[],
    build: Build,
    beside: readonly CheckedQuery[] = [],
  ): Promise<Transacted> => {
    if (writer === undefined) throw new DatabaseLost('the database is open for reading alone')
    return await writer.transact(tenants, build, beside)
  }
  return {
    dialect: 'sqlite',
    ...readsOf(queries, async ({ sql, parameters }) => {
      try {
        return connection.all(sql, parameters)
      } catch (error) {
        throw new DatabaseLost(messageOf(error))
      }
    }),
    transact: (tenants, build) => transact(tenants, build),
    maintain: (writes) => transact([], () => ({ heads: new Map(), writes })),
    forgetReplays: async (now) => {
      await transact([], () => ({ heads: new Map(), writes: [] }), [queries.forgetReplays(now)])
    },
    watch: (onChange) => watching.add(onChange),
    diagnose: async () => diagnose(connection),
    close: async () => {
      watching.stop()
      await writer?.close()
      connection.close()
    },
  }
}

/** Looks whether any other connection has committed, the writer thread's among them, while anybody wants to know. */
class Watching {
  readonly #connection: SqliteConnection
  readonly #clock: Clock
  readonly #watchers = new Set<() => void>()
  #seen: unknown
  #stopClock: (() => void) | undefined

  constructor(connection: SqliteConnection, clock: Clock) {
    this.#connection = connection
    this.#clock = clock
  }

  add(onChange: () => void): () => void {
    const watcher = () => onChange()
    if (this.#stopClock === undefined) {
      this.#seen = this.#version()
      this.#stopClock = this.#clock.every(watchMilliseconds, () => this.look())
    }
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size === 0) this.stop()
    }
  }

  look(): void {
    if (this.#stopClock === undefined) return
    const version = this.#version()
    if (version === this.#seen) return
    this.#seen = version
    for (const watcher of this.#watchers) watcher()
  }

  stop(): void {
    this.#stopClock?.()
    this.#stopClock = undefined
    this.#watchers.clear()
  }

  #version(): unknown {
    try {
      return this.#connection.all('pragma data_version', [])[0]?.['data_version']
    } catch {
      // An unreadable database is told of by whoever reads; the next look asks anew.
      return undefined
    }
  }
}

function diagnose(connection: SqliteConnection): { severity: 'refuse' | 'warn'; sentence: string }[] {
  const version = String(connection.all('select sqlite_version() as version', [])[0]?.['version'])
  if (!isOlder(version.split('.').map(Number), versionMin)) return []
  const sentence = `SQLite ${version} has a fault that can lose commits; use Node.js 24.15 or later, or 26.`
  return [{ severity: 'refuse', sentence }]
}

/** Whether a version comes before another, number by number. */
export function isOlder(version: readonly number[], than: readonly number[]): boolean {
  for (const [index, wanted] of than.entries()) {
    const there = version[index] ?? 0
    if (there !== wanted) return there < wanted
  }
  return false
}
