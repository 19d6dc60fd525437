/**
 * The embedded database: SQLite as Node.js ships it. Reads run at once on the main thread's own connection; writes go to the writer thread in groups.
 */
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { TenantId } from '../../model/ids.ts'
import type { Clock } from '../../ports/clock.ts'
import {
  type Batch,
  type Database,
  DatabaseFull,
  DatabaseLost,
  type Head,
  type Transacted,
  type Write,
} from '../../ports/database.ts'
import { type MigrationConnection, migrate } from './migrations.ts'
import { Queries } from './queries.ts'
import { readsOf } from './reads.ts'
import { primaryOf, SqliteConnection, sqliteFull } from './sqlite-connection.ts'
import type { FromWriter, ToWriter, WireWrite } from './sqlite-protocol.ts'

export const databaseFile = 'keywright.db'
/** Jobs of one transaction, and jobs that may wait. */
export const jobsPerTurnMax = 256
export const jobsWaitingMax = 10_000
const watchMilliseconds = 25
/** The first SQLite without the WAL-reset fault. */
const versionMin = [3, 51, 3] as const

export interface SqliteOptions {
  readonly dataDir: string
  readonly clock: Clock
  readonly readOnly?: boolean
}

interface Job {
  readonly tenants: readonly TenantId[]
  /** Statements beside what `build` answers. */
  readonly statements?: readonly WireWrite[]
  build(heads: ReadonlyMap<TenantId, Head>): Batch
  resolve(transacted: Transacted): void
  reject(error: unknown): void
}

/** Opens the database in a folder, makes it where there is none, and migrates it. */
export async function openSqlite(options: SqliteOptions): Promise<Database> {
  if (!existsSync(options.dataDir)) mkdirSync(options.dataDir, { recursive: true, mode: 0o700 })
  const path = join(options.dataDir, databaseFile)
  const umask = process.umask(0o077)
  const connection = new SqliteConnection(path, { readOnly: options.readOnly ?? false })
  const queries = new Queries('sqlite')
  if (options.readOnly !== true) {
    await migrate(migrationOf(connection), queries.compiler, 'sqlite', options.clock.now())
    for (const suffix of ['', '-wal', '-shm']) if (existsSync(path + suffix)) chmodSync(path + suffix, 0o600)
  }
  process.umask(umask)
  return databaseOf(
    connection,
    queries,
    options.readOnly === true ? undefined : new Writer(path, queries),
    options.clock,
  )
}

function migrationOf(connection: SqliteConnection): MigrationConnection {
  return {
    run: async (sql, parameters) => connection.all(sql, parameters as (string | number | null)[]),
    begin: async () => connection.exec('begin immediate'),
  }
}

function databaseOf(
  connection: SqliteConnection,
  queries: Queries,
  writer: Writer | undefined,
  clock: Clock,
): Database {
  const transact = async (tenants: readonly TenantId[], build: Job['build']): Promise<Transacted> => {
    if (writer === undefined) throw new DatabaseLost('the database is open for reading alone')
    return await writer.transact(tenants, build)
  }
  return {
    dialect: 'sqlite',
    ...readsOf(queries, async ({ sql, parameters }) => {
      try {
        return connection.all(sql, parameters)
      } catch (error) {
        throw new DatabaseLost(error instanceof Error ? error.message : 'the database cannot be read')
      }
    }),
    transact,
    maintain: (writes) => transact([], () => ({ heads: new Map(), writes })),
    forgetReplays: async (now) => {
      const { sql, parameters } = queries.forgetReplays(now)
      if (writer !== undefined) await writer.run([[sql, parameters, 'anything']])
    },
    watch: (onChange) => {
      let seen = dataVersion(connection)
      return clock.every(watchMilliseconds, () => {
        const version = dataVersion(connection)
        if (version === seen) return
        seen = version
        onChange()
      })
    },
    diagnose: async () => diagnose(connection),
    close: async () => {
      await writer?.close()
      connection.close()
    },
  }
}

/** Changes when any other connection commits. */
function dataVersion(connection: SqliteConnection): number {
  return Number(connection.all('pragma data_version', [])[0]?.['data_version'])
}

function diagnose(connection: SqliteConnection): { severity: 'refuse' | 'warn'; sentence: string }[] {
  const version = String(connection.all('select sqlite_version() as version', [])[0]?.['version'])
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const [needMajor, needMinor, needPatch] = versionMin
  const old = major !== needMajor ? major < needMajor : minor !== needMinor ? minor < needMinor : patch < needPatch
  if (!old) return []
  const sentence = `SQLite ${version} has a fault that can lose commits; use Node.js 24.15 or later, or 26.`
  return [{ severity: 'refuse', sentence }]
}

/** The main thread's side of the writer: one turn at a time, everything that waits goes into the next. */
class Writer {
  readonly #worker: Worker
  readonly #queries: Queries
  #waiting: Job[] = []
  #busy = false
  #dead: string | undefined
  #answer: ((message: FromWriter) => void) | undefined

  constructor(path: string, queries: Queries) {
    this.#queries = queries
    this.#worker = new Worker(
      new URL(import.meta.url.endsWith('.ts') ? './sqlite-writer.ts' : './sqlite-writer.js', import.meta.url),
      {
        workerData: { path },
        env: {},
      },
    )
    this.#worker.unref()
    this.#worker.on('message', (message: FromWriter) => this.#answer?.(message))
    this.#worker.on('error', (error: Error) => {
      this.#dead = error.message
      this.#answer?.({ kind: 'failed', errcode: 10, reason: error.message })
    })
  }

  transact(tenants: readonly TenantId[], build: Job['build']): Promise<Transacted> {
    if (this.#dead !== undefined) return Promise.reject(new DatabaseLost(this.#dead))
    if (this.#waiting.length >= jobsWaitingMax) return Promise.reject(new DatabaseLost('too many writes are waiting'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ tenants, build, resolve, reject })
      this.#turn()
    })
  }

  /** Statements without conditions, in a transaction of their own. */
  async run(writes: readonly WireWrite[]): Promise<void> {
    const batch: Batch = { heads: new Map(), writes: [] }
    await new Promise<Transacted>((resolve, reject) => {
      this.#waiting.push({ tenants: [], statements: writes, build: () => batch, resolve, reject })
      this.#turn()
    })
  }

  async close(): Promise<void> {
    while (this.#busy) await new Promise((resolve) => setImmediate(resolve))
    if (this.#dead === undefined) await this.#ask({ kind: 'close' })
    await this.#worker.terminate()
    this.#dead = 'the database is closed'
  }

  #ask(message: ToWriter): Promise<FromWriter> {
    return new Promise((resolve) => {
      this.#worker.ref()
      this.#answer = (answer) => {
        this.#answer = undefined
        this.#worker.unref()
        resolve(answer)
      }
      this.#worker.postMessage(message)
    })
  }

  #turn(): void {
    if (this.#busy || this.#waiting.length === 0) return
    this.#busy = true
    void this.#takeTurn().finally(() => {
      this.#busy = false
      this.#turn()
    })
  }

  async #takeTurn(): Promise<void> {
    const jobs = this.#waiting.splice(0, jobsPerTurnMax)
    const began = await this.#ask({ kind: 'begin', tenants: [...new Set(jobs.flatMap((job) => job.tenants))] })
    if (began.kind !== 'began') return this.#fail(jobs, began)
    const heads = new Map(began.heads.map(({ tenant, ...head }) => [tenant as TenantId, head as Head]))
    const built: Job[] = []
    const writes: WireWrite[][] = []
    for (const job of jobs) {
      try {
        const batch = job.build(heads)
        for (const [tenant, head] of batch.heads) heads.set(tenant, head)
        writes.push(this.#wire(batch, job.statements))
        built.push(job)
      } catch (error) {
        job.reject(error)
      }
    }
    const ended = await this.#ask({ kind: 'write', jobs: writes })
    if (ended.kind !== 'committed') return this.#fail(built, ended)
    for (const job of built.slice(0, ended.jobs)) job.resolve({ outcome: 'committed' })
    if (ended.refused === undefined) return
    // What was built behind the refused job stood on its heads, so it is built anew.
    built[ended.jobs]?.resolve({ outcome: 'refused', write: ended.refused })
    this.#waiting.unshift(...built.slice(ended.jobs + 1))
  }

  #wire(batch: Batch, statements: readonly WireWrite[] = []): WireWrite[] {
    const wire = ({ sql, parameters, expect }: ReturnType<Queries['write']>): WireWrite => [sql, parameters, expect]
    return [
      ...batch.writes.map((write: Write) => wire(this.#queries.write(write))),
      ...[...batch.heads].map(([tenant, head]) => wire(this.#queries.setHead(tenant, head))),
      ...statements,
    ]
  }

  #fail(jobs: readonly Job[], failed: FromWriter): void {
    const reason = failed.kind === 'failed' ? failed.reason : 'the writer did not answer in turn'
    const errcode = failed.kind === 'failed' ? failed.errcode : 0
    // After a failed fsync nobody knows what the page cache holds: this process must not write any more (SQLite result code IOERR).
    if (primaryOf(errcode) === 10) this.#dead = reason
    const error = primaryOf(errcode) === sqliteFull ? new DatabaseFull(reason) : new DatabaseLost(reason)
    for (const job of jobs) job.reject(error)
  }
}
