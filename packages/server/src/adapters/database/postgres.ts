/**
 * PostgreSQL behind the same port. A tenant's changes are written in groups, one group at a time per tenant and process; the row of the tenant's head is
 * locked from before a change is built until its commit, so the changes of all processes stand in one order.
 */
import { readFileSync } from 'node:fs'
import { Client, type ClientConfig, Pool, type PoolClient } from 'pg'
import type { TenantId } from '../../model/ids.ts'
import { genesisHash } from '../../model/journal.ts'
import type { Clock } from '../../ports/clock.ts'
import {
  type Batch,
  type Database,
  DatabaseFull,
  DatabaseLost,
  type Head,
  type Transacted,
} from '../../ports/database.ts'
import { type MigrationConnection, migrate } from './migrations.ts'
import { type CheckedQuery, Queries } from './queries.ts'
import { readsOf } from './reads.ts'
import { toHead } from './rows.ts'

export const connectionsMax = 10
export const jobsPerTurnMax = 64
const statementTimeoutMilliseconds = 15_000
const connectTimeoutMilliseconds = 5_000
const relistenMilliseconds = 1_000
const channel = 'keywright'
const int8Oid = 20
/** Everything that writes takes this lock while it migrates. */
const migrationLock = 0x6b77

export interface PostgresOptions {
  readonly url: string
  /** A direct connection for LISTEN where `url` leads through a pooler. */
  readonly listenUrl?: string
  readonly caFile?: string
  readonly clock: Clock
}

interface Job {
  readonly tenants: readonly TenantId[]
  build(heads: ReadonlyMap<TenantId, Head>): Batch
  resolve(transacted: Transacted): void
  reject(error: unknown): void
}

export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const queries = new Queries('postgres')
  const pool = new Pool({ ...clientConfig(options, options.url), max: connectionsMax })
  // Without a listener, a backend that is killed ends the process.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  try {
    const client = await pool.connect()
    try {
      await migrate(migrationOf(client), queries.compiler, 'postgres', options.clock.now())
    } finally {
      client.release()
    }
  } catch (error) {
    await pool.end().catch(() => undefined)
    throw lost(error)
  }
  return databaseOf(options, pool, queries)
}

function clientConfig(options: PostgresOptions, connectionString: string): ClientConfig {
  return {
    connectionString,
    connectionTimeoutMillis: connectTimeoutMilliseconds,
    statement_timeout: statementTimeoutMilliseconds,
    application_name: 'keywright',
    ...(options.caFile === undefined ? {} : { ssl: { ca: readFileSync(options.caFile, 'utf8') } }),
    types: {
      getTypeParser: ((oid: number) => (oid === int8Oid ? Number : (value: string) => value)) as NonNullable<
        ClientConfig['types']
      >['getTypeParser'],
    },
  }
}

function migrationOf(client: PoolClient): MigrationConnection {
  return {
    run: async (sql, parameters) => (await client.query<Record<string, unknown>>(sql, [...parameters])).rows,
    begin: async () => {
      await client.query('begin')
      await client.query('select pg_advisory_xact_lock($1)', [migrationLock])
    },
  }
}

function databaseOf(options: PostgresOptions, pool: Pool, queries: Queries): Database {
  const writers = new Map<string, TenantWriter>()
  const transact = (tenants: readonly TenantId[], build: Job['build']): Promise<Transacted> => {
    const name = [...tenants].sort().join(' ')
    let writer = writers.get(name)
    if (writer === undefined) {
      writer = new TenantWriter(pool, queries, () => writers.delete(name))
      writers.set(name, writer)
    }
    return writer.transact(tenants, build)
  }
  return {
    dialect: 'postgres',
    ...readsOf(queries, async ({ sql, parameters }) => {
      try {
        return (await pool.query<Record<string, unknown>>(sql, [...parameters])).rows
      } catch (error) {
        throw lost(error)
      }
    }),
    transact,
    maintain: (writes) => transact([], () => ({ heads: new Map(), writes })),
    forgetReplays: async (now) => {
      const { sql, parameters } = queries.forgetReplays(now)
      await pool.query(sql, [...parameters]).catch((error: unknown) => Promise.reject(lost(error)))
    },
    watch: (onChange) => listen(options, onChange),
    diagnose: () => diagnose(pool),
    close: async () => {
      await pool.end()
    },
  }
}

/** Listens on a connection of its own and comes back after every loss; what was missed meanwhile is for the follower's poll. */
function listen(options: PostgresOptions, onChange: () => void): () => void {
  let stopped = false
  let current: Client | undefined
  const connect = async (): Promise<void> => {
    while (!stopped) {
      const client = new Client(clientConfig(options, options.listenUrl ?? options.url))
      current = client
      const ended = new Promise<void>((resolve) => {
        client.once('end', resolve)
        client.on('error', () => resolve())
      })
      try {
        client.on('notification', onChange)
        await client.connect()
        await client.query(`listen ${channel}`)
        onChange()
        await ended
      } catch {
        // The next round tries again.
      }
      await client.end().catch(() => undefined)
      if (!stopped) await options.clock.sleep(relistenMilliseconds)
    }
  }
  void connect()
  return () => {
    stopped = true
    void current?.end().catch(() => undefined)
  }
}

/** The writes of one set of tenants: one transaction at a time, everything that waits goes into the next. */
class TenantWriter {
  readonly #pool: Pool
  readonly #queries: Queries
  readonly #idle: () => void
  #waiting: Job[] = []
  #busy = false

  constructor(pool: Pool, queries: Queries, idle: () => void) {
    this.#pool = pool
    this.#queries = queries
    this.#idle = idle
  }

  transact(tenants: readonly TenantId[], build: Job['build']): Promise<Transacted> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ tenants, build, resolve, reject })
      this.#turn()
    })
  }

  #turn(): void {
    if (this.#busy) return
    if (this.#waiting.length === 0) return this.#idle()
    this.#busy = true
    const jobs = this.#waiting.splice(0, jobsPerTurnMax)
    void this.#write(jobs).finally(() => {
      this.#busy = false
      this.#turn()
    })
  }

  async #write(jobs: readonly Job[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const state = { committing: false }
      try {
        return await this.#attempt(jobs, state)
      } catch (error) {
        // Before the commit was sent nothing happened, so once more is safe; after it, nobody knows.
        if (!state.committing && attempt < 3 && isPassing(error)) continue
        const failure = lost(error)
        for (const job of jobs) job.reject(failure)
        return
      }
    }
  }

  async #attempt(jobs: readonly Job[], state: { committing: boolean }): Promise<void> {
    const client = await this.#pool.connect()
    let broken = true
    try {
      await client.query('begin')
      const heads = await this.#hold(client, jobs[0]?.tenants ?? [])
      const settled: (() => void)[] = []
      let again: readonly Job[] = []
      for (const [index, job] of jobs.entries()) {
        const refused = await this.#job(client, job, heads, settled)
        if (refused === undefined) continue
        settled.push(() => job.resolve({ outcome: 'refused', write: refused }))
        again = jobs.slice(index + 1)
        break
      }
      await client.query(`select pg_notify('${channel}', '')`)
      state.committing = true
      await client.query('commit')
      broken = false
      for (const settle of settled) settle()
      this.#waiting.unshift(...again)
    } finally {
      if (broken) await client.query('rollback').catch(() => undefined)
      client.release(broken)
    }
  }

  async #hold(client: PoolClient, tenants: readonly TenantId[]): Promise<Map<TenantId, Head>> {
    const heads = new Map<TenantId, Head>()
    for (const tenant of [...tenants].sort()) {
      const make = this.#queries.makeHead(tenant, genesisHash)
      await client.query(make.sql, [...make.parameters])
      const hold = this.#queries.holdHead(tenant)
      const { rows } = await client.query<Record<string, unknown>>(hold.sql, [...hold.parameters])
      for (const row of rows) heads.set(...toHead(row))
    }
    return heads
  }

  /** Writes one job under a savepoint; the index of the write that was refused, if one was. */
  async #job(
    client: PoolClient,
    job: Job,
    heads: Map<TenantId, Head>,
    settled: (() => void)[],
  ): Promise<number | undefined> {
    let batch: Batch
    try {
      batch = job.build(heads)
    } catch (error) {
      settled.push(() => job.reject(error))
      return undefined
    }
    await client.query('savepoint job')
    const writes = [
      ...batch.writes.map((write) => this.#queries.write(write)),
      ...[...batch.heads].map(([tenant, head]) => this.#queries.setHead(tenant, head)),
    ]
    for (const [index, write] of writes.entries()) {
      if (await holds(client, write)) continue
      await client.query('rollback to savepoint job')
      return index
    }
    await client.query('release savepoint job')
    for (const [tenant, head] of batch.heads) heads.set(tenant, head)
    settled.push(() => job.resolve({ outcome: 'committed' }))
    return undefined
  }
}

async function holds(client: PoolClient, { sql, parameters, expect }: CheckedQuery): Promise<boolean> {
  try {
    const result = await client.query<Record<string, unknown>>(sql, [...parameters])
    if (typeof expect === 'object') return Number(result.rows[0]?.['count']) < expect.below
    if (expect === 'some_row' || expect === 'no_row') return result.rows.length > 0 === (expect === 'some_row')
    return expect === 'one_changed' ? result.rowCount === 1 : true
  } catch (error) {
    if (expect === 'free_key' && codeOf(error) === '23505') return false
    throw error
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** A lost connection, a failover, a serialization failure or a deadlock: another attempt may succeed. */
function isPassing(error: unknown): boolean {
  const code = codeOf(error)
  return (
    ['40001', '40P01', '25006', '57P01', '57P02', '57P03', 'ECONNRESET', 'EPIPE'].includes(code) ||
    code.startsWith('08') ||
    code === ''
  )
}

/** What a driver's error means for the domain. PostgreSQL's messages hold no parameters. */
function lost(error: unknown): Error {
  if (error instanceof DatabaseLost || (error instanceof Error && error.name === 'NewerDatabase')) return error
  const message = error instanceof Error ? error.message || codeOf(error) : 'unknown'
  return codeOf(error).startsWith('53') ? new DatabaseFull(message) : new DatabaseLost(message)
}

async function diagnose(pool: Pool): Promise<{ severity: 'refuse' | 'warn'; sentence: string }[]> {
  const found: { severity: 'refuse' | 'warn'; sentence: string }[] = []
  const setting = async (name: string) =>
    String((await pool.query<{ value: string }>('select current_setting($1) as value', [name])).rows[0]?.value)
  if ((await setting('fsync')) === 'off') {
    found.push({
      severity: 'refuse',
      sentence: 'PostgreSQL runs with fsync=off, so what it acknowledges can be lost. Turn it on.',
    })
  }
  if ((await setting('synchronous_commit')) === 'off') {
    found.push({
      severity: 'refuse',
      sentence: 'PostgreSQL runs with synchronous_commit=off, so what it acknowledges can be lost. Set it to on.',
    })
  }
  const replicas = await pool.query<{ name: string }>(
    "select application_name as name from pg_stat_replication where sync_state = 'async'",
  )
  for (const { name } of replicas.rows) {
    found.push({
      severity: 'warn',
      sentence: `The standby ${name} follows asynchronously: a failover to it can lose acknowledged changes.`,
    })
  }
  return found
}
