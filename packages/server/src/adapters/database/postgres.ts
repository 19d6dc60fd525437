/**
 * PostgreSQL behind the same port: connections, reads and LISTEN. Writing is `postgres-writer.ts`.
 */
import { Client, Pool } from 'pg'
import type { TenantId } from '../../model/ids.ts'
import type { Clock } from '../../ports/clock.ts'
import { type Database, DatabaseLost, type Transacted } from '../../ports/database.ts'
import { assertMigrated, type MigrationConnection, migrate } from './migrations.ts'
import { clientConfig } from './postgres-config.ts'
import { isPassing, lost } from './postgres-errors.ts'
import { type Build, channel, statementTimeoutMilliseconds, TenantsWriter } from './postgres-writer.ts'
import { Queries, type Query } from './queries.ts'
import { type Reads, readsOf } from './reads.ts'

/** Reads and writes have connections of their own, so that a crowd of writers holds up no verification. */
export const readConnectionsMax = 4
export const writeConnectionsMax = 6
/** Beyond the statement's own time, for an answer that never comes. */
const answerTimeoutMilliseconds = statementTimeoutMilliseconds + 2_000
const relistenMilliseconds = 1_000
const pollMilliseconds = 500

export interface PostgresOptions {
  readonly url: string
  readonly listenUrl: string | undefined
  readonly caFile: string | undefined
  readonly readOnly: boolean
  readonly clock: Clock
}

/** Connects, and brings the schema up to date. */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const queries = new Queries('postgres')
  // A connection without the limits of the pools': a migration may take its time.
  const client = new Client(clientConfig(options.url, options.caFile))
  client.on('error', () => undefined)
  try {
    await client.connect()
    if (options.readOnly) await assertMigrated(migrationOf(client))
    else await migrate(migrationOf(client), queries.compiler, 'postgres', options.clock.now())
  } catch (error) {
    throw lost(error)
  } finally {
    await client.end().catch(() => undefined)
  }
  return databaseOf(options, queries)
}

export function poolOf(options: PostgresOptions, max: number): Pool {
  const config = clientConfig(options.url, options.caFile)
  const pool = new Pool({ ...config, max, query_timeout: answerTimeoutMilliseconds })
  // Without a listener, a backend that is killed ends the process.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

function migrationOf(client: Client): MigrationConnection {
  return {
    run: async (sql, parameters) => (await client.query<Record<string, unknown>>(sql, [...parameters])).rows,
    begin: async () => {
      await client.query('begin')
      await client.query('lock table migrations in exclusive mode')
    },
  }
}

function databaseOf(options: PostgresOptions, queries: Queries): Database {
  const reading = poolOf(options, readConnectionsMax)
  const writing = poolOf(options, writeConnectionsMax)
  const writers = new Map<string, TenantsWriter>()
  const stops = new Set<() => void>()
  const assertWritable = () => {
    if (options.readOnly) throw new DatabaseLost('the database is open for reading alone')
  }
  const transact = async (tenants: readonly TenantId[], build: Build): Promise<Transacted> => {
    assertWritable()
    const name = [...tenants].sort().join(' ')
    let writer = writers.get(name)
    if (writer === undefined) {
      writer = new TenantsWriter(writing, queries, tenants, () => writers.delete(name))
      writers.set(name, writer)
    }
    return await writer.transact(build)
  }
  return {
    dialect: 'postgres',
    ...readsFrom(reading, queries),
    transact,
    maintain: (writes) => transact([], () => ({ heads: new Map(), writes })),
    forgetReplays: async (now) => {
      assertWritable()
      const { sql, parameters } = queries.forgetReplays(now)
      await writing.query(sql, [...parameters]).catch((error: unknown) => Promise.reject(lost(error)))
    },
    watch: (onChange) => {
      const stopListening = listen(options, onChange)
      const stopPolling = options.clock.every(pollMilliseconds, onChange)
      const stop = () => {
        stopListening()
        stopPolling()
        stops.delete(stop)
      }
      stops.add(stop)
      return stop
    },
    diagnose: () => diagnose(reading),
    close: async () => {
      for (const stop of [...stops]) stop()
      await Promise.all([...writers.values()].map((writer) => writer.idle()))
      await Promise.all([reading.end(), writing.end()])
    },
  }
}

function readsFrom(pool: Pool, queries: Queries): Reads {
  const all = async ({ sql, parameters }: Query) =>
    (await pool.query<Record<string, unknown>>(sql, [...parameters])).rows
  return readsOf(queries, async (query) => {
    try {
      return await all(query).catch((error: unknown) => (isPassing(error) ? all(query) : Promise.reject(error)))
    } catch (error) {
      throw lost(error)
    }
  })
}

/** Listens on a connection of its own and comes back after every loss; what was missed meanwhile, the poll finds. */
function listen(options: PostgresOptions, onChange: () => void): () => void {
  const stopping = new AbortController()
  let current: Client | undefined
  const connect = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const client = new Client(clientConfig(options.listenUrl ?? options.url, options.caFile))
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
      await options.clock.sleep(relistenMilliseconds, stopping.signal)
    }
  }
  void connect()
  return () => {
    stopping.abort()
    void current?.end().catch(() => undefined)
  }
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
