/**
 * The writes of one set of tenants to PostgreSQL: one transaction at a time, and everything that waits goes into the next. The rows of the heads are
 * locked from before a change is built until its commit, so the changes of all processes stand in one order.
 *
 * A transaction is first tried with the inserts of all its jobs gathered by shape, which takes few round trips. If any write in it is refused, it is
 * rolled back and done again one job after another, each under a savepoint, to find which.
 */
import type { Pool, PoolClient } from 'pg'
import type { TenantId } from '../../model/ids.ts'
import { genesisHash } from '../../model/journal.ts'
import { type Batch, DatabaseLost, type Head, type Transacted, type Values, type Write } from '../../ports/database.ts'
import { isPassing, isStatementsFault, isTaken, isUndone, lost } from './postgres-errors.ts'
import type { CheckedQuery, Queries, Query } from './queries.ts'
import { toHead } from './rows.ts'

export const channel = 'keywright'
export const statementTimeoutMilliseconds = 10_000
export const jobsPerTurnMax = 64
export const jobsWaitingMax = 10_000
const attemptsMax = 3
/** Rows of one insert; each row has fewer than 20 columns, and PostgreSQL takes 65,535 parameters. */
const rowsPerInsertMax = 64

const beginText = `begin isolation level read committed; set local statement_timeout = ${statementTimeoutMilliseconds}`
const commitText = `notify ${channel}; commit`

export type Build = (heads: ReadonlyMap<TenantId, Head>) => Batch

interface Job {
  readonly build: Build
  readonly resolve: (transacted: Transacted) => void
  readonly reject: (error: unknown) => void
}

/** What to tell the callers once the commit is through. */
type Settlement = () => void

interface Attempt {
  /** Whether COMMIT was sent: from then on a broken connection leaves the outcome unknown. */
  committing: boolean
}

export class TenantsWriter {
  readonly #pool: Pool
  readonly #queries: Queries
  readonly #tenants: readonly TenantId[]
  readonly #onIdle: () => void
  #waiting: Job[] = []
  #turning: Promise<void> | undefined

  constructor(pool: Pool, queries: Queries, tenants: readonly TenantId[], onIdle: () => void) {
    this.#pool = pool
    this.#queries = queries
    // All processes lock heads in the same order, so that none waits for another in a circle.
    this.#tenants = [...new Set(tenants)].sort()
    this.#onIdle = onIdle
  }

  transact(build: Build): Promise<Transacted> {
    if (this.#waiting.length >= jobsWaitingMax) return Promise.reject(new DatabaseLost('too many writes are waiting'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ build, resolve, reject })
      this.#turn()
    })
  }

  /** Resolves once nothing waits. */
  async idle(): Promise<void> {
    while (this.#turning !== undefined) await this.#turning
  }

  #turn(): void {
    if (this.#turning !== undefined) return
    if (this.#waiting.length === 0) {
      this.#onIdle()
      return
    }
    this.#turning = this.#takeTurn(this.#waiting.splice(0, jobsPerTurnMax)).finally(() => {
      this.#turning = undefined
      this.#turn()
    })
  }

  async #takeTurn(jobs: Job[]): Promise<void> {
    let together = true
    for (let attempt = 1; ; attempt += 1) {
      const state: Attempt = { committing: false }
      try {
        const settlements = await this.#attempt(jobs, together, state)
        if (settlements !== undefined) {
          for (const settle of settlements) settle()
          return
        }
        together = false
      } catch (error) {
        // Before the commit was sent nothing happened, so once more is safe; after it, nobody knows, unless PostgreSQL says that it is undone.
        if (attempt < attemptsMax && (state.committing ? isUndone(error) : isPassing(error))) continue
        const failure =
          state.committing && !isUndone(error) ? new DatabaseLost('the outcome of a commit is unknown') : lost(error)
        for (const job of jobs) job.reject(failure)
        return
      }
    }
  }

  /** One transaction; undefined where the jobs cannot be written together. */
  async #attempt(jobs: Job[], together: boolean, state: Attempt): Promise<Settlement[] | undefined> {
    const client = await this.#pool.connect()
    let clean = false
    try {
      await client.query(beginText)
      const heads = await this.#hold(client)
      // Those whom the turn before answered come just now.
      jobs.push(...this.#waiting.splice(0, jobsPerTurnMax - jobs.length))
      const settlements = together
        ? await this.#writeTogether(client, jobs, heads)
        : await this.#writeInTurn(client, jobs, heads)
      if (settlements === undefined || settlements.written === 0) {
        await client.query('rollback')
      } else {
        state.committing = true
        await commit(client)
      }
      clean = true
      return settlements?.settle
    } finally {
      client.release(!clean)
    }
  }

  async #hold(client: PoolClient): Promise<Map<TenantId, Head>> {
    const heads = new Map<TenantId, Head>()
    for (const tenant of this.#tenants) {
      const hold = this.#queries.holdHead(tenant)
      let [row] = await rowsOf(client, hold)
      if (row === undefined) {
        await rowsOf(client, this.#queries.makeHead(tenant, genesisHash))
        row = (await rowsOf(client, hold))[0]
      }
      if (row !== undefined) heads.set(...toHead(row))
    }
    return heads
  }

  async #writeTogether(client: PoolClient, jobs: readonly Job[], heads: Map<TenantId, Head>) {
    const settle: Settlement[] = []
    const writes: Write[] = []
    const changed = new Set<TenantId>()
    let written = 0
    for (const job of jobs) {
      const batch = builtBy(job, heads, settle)
      if (batch === undefined) continue
      for (const [tenant, head] of batch.heads) {
        heads.set(tenant, head)
        changed.add(tenant)
      }
      writes.push(...batch.writes)
      written += 1
      settle.push(() => job.resolve({ outcome: 'committed' }))
    }
    try {
      if (!(await this.#holdTogether(client, writes))) return undefined
    } catch (error) {
      if (isStatementsFault(error)) return undefined
      throw error
    }
    for (const tenant of changed) {
      const head = heads.get(tenant)
      if (head !== undefined && !(await holds(client, this.#queries.setHead(tenant, head)))) return undefined
    }
    return { settle, written }
  }

  /**
   * Whether all writes hold. Inserts wait to be gathered; before anything else is done to a table, what waits for it is inserted, so every condition
   * sees just the rows that it would see in turn.
   */
  async #holdTogether(client: PoolClient, writes: readonly Write[]): Promise<boolean> {
    const gathered = new Map<string, { readonly table: string; readonly columns: string[]; readonly rows: Values[] }>()
    const insert = async (table?: string): Promise<boolean> => {
      for (const [shape, group] of gathered) {
        if (table !== undefined && group.table !== table) continue
        gathered.delete(shape)
        for (let at = 0; at < group.rows.length; ) {
          // Powers of two, so that few texts serve all sizes.
          const size = Math.min(rowsPerInsertMax, 2 ** Math.floor(Math.log2(group.rows.length - at)))
          const query = this.#queries.insert(group.table, group.columns, group.rows.slice(at, at + size))
          if (!(await holds(client, { ...query, expect: 'free_key' }))) return false
          at += size
        }
      }
      return true
    }
    for (const write of writes) {
      if (write.kind === 'insert') {
        const columns = Object.keys(write.values)
        const shape = `${write.table} ${columns}`
        const group = gathered.get(shape) ?? { table: write.table, columns, rows: [] }
        group.rows.push(write.values)
        gathered.set(shape, group)
      } else if (!(await insert(write.table)) || !(await holds(client, this.#queries.write(write)))) return false
    }
    return await insert()
  }

  async #writeInTurn(client: PoolClient, jobs: readonly Job[], heads: Map<TenantId, Head>) {
    const settle: Settlement[] = []
    let written = 0
    for (const job of jobs) {
      const batch = builtBy(job, heads, settle)
      if (batch === undefined) continue
      await client.query('savepoint job')
      try {
        const refused = await this.#firstRefused(client, batch)
        if (refused === undefined) {
          await client.query('release savepoint job')
          for (const [tenant, head] of batch.heads) heads.set(tenant, head)
          written += 1
          settle.push(() => job.resolve({ outcome: 'committed' }))
          continue
        }
        settle.push(() => job.resolve({ outcome: 'refused', write: refused }))
      } catch (error) {
        if (!isStatementsFault(error)) throw error
        settle.push(() => job.reject(lost(error)))
      }
      await client.query('rollback to savepoint job')
    }
    return { settle, written }
  }

  async #firstRefused(client: PoolClient, batch: Batch): Promise<number | undefined> {
    const writes = [
      ...batch.writes.map((write) => this.#queries.write(write)),
      ...[...batch.heads].map(([tenant, head]) => this.#queries.setHead(tenant, head)),
    ]
    for (const [index, write] of writes.entries()) if (!(await holds(client, write))) return index
    return undefined
  }
}

/** The job's batch, or undefined where its own rule stopped it, which is its caller's alone. */
function builtBy(job: Job, heads: ReadonlyMap<TenantId, Head>, settle: Settlement[]): Batch | undefined {
  try {
    return job.build(heads)
  } catch (error) {
    settle.push(() => job.reject(error))
    return undefined
  }
}

async function rowsOf(client: PoolClient, { sql, parameters }: Query): Promise<readonly Record<string, unknown>[]> {
  return (await client.query<Record<string, unknown>>(sql, [...parameters])).rows
}

async function holds(client: PoolClient, { sql, parameters, expect }: CheckedQuery): Promise<boolean> {
  try {
    const result = await client.query<Record<string, unknown>>(sql, [...parameters])
    if (typeof expect === 'object') return Number(result.rows[0]?.['count']) < expect.below
    if (expect === 'some_row' || expect === 'no_row') return result.rows.length > 0 === (expect === 'some_row')
    return expect === 'one_changed' ? result.rowCount === 1 : true
  } catch (error) {
    if (isTaken(error)) return false
    throw error
  }
}

/** COMMIT of a transaction that PostgreSQL holds for failed answers ROLLBACK and no error. */
async function commit(client: PoolClient): Promise<void> {
  const results: unknown = await client.query(commitText)
  const last: unknown = Array.isArray(results) ? results.at(-1) : results
  if (typeof last === 'object' && last !== null && 'command' in last && last.command === 'COMMIT') return
  throw new DatabaseLost('PostgreSQL rolled a commit back')
}
