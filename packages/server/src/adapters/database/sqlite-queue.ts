/**
 * The main thread's side of the embedded database's writer: one turn at a time, and everything that waits goes into the next, so that many callers
 * share one fsync. What is built here is built under the write lock that the writer thread holds meanwhile.
 */
import { Worker } from 'node:worker_threads'
import type { TenantId } from '../../model/ids.ts'
import { type Batch, DatabaseFull, DatabaseLost, type Head, type Transacted } from '../../ports/database.ts'
import type { CheckedQuery, Queries } from './queries.ts'
import { primaryOf, sqliteFull, sqliteIoError } from './sqlite-connection.ts'
import type { FromWriter, ToWriter, WireJob } from './sqlite-protocol.ts'

/** Jobs of one transaction: more would hold the main thread too long while they are built. */
export const jobsPerTurnMax = 64
/** Rows after which a turn takes no further job: a few imports are as long to build as many single changes. */
const writesPerTurnMax = 512
export const jobsWaitingMax = 10_000

/** The file runs as TypeScript from the sources and as JavaScript once built; its neighbour has the same ending. */
const writerBeside = import.meta.url.endsWith('.ts')
  ? new URL('./sqlite-writer.ts', import.meta.url)
  : new URL('./sqlite-writer.js', import.meta.url)

export type Build = (heads: ReadonlyMap<TenantId, Head>) => Batch

interface Job {
  readonly tenants: readonly TenantId[]
  readonly build: Build
  /** Statements beside what `build` answers. */
  readonly beside: readonly CheckedQuery[]
  readonly resolve: (transacted: Transacted) => void
  readonly reject: (error: unknown) => void
}

export interface WriteQueueOptions {
  readonly path: string
  readonly queries: Queries
  /** Called once when this process can never write again. */
  readonly onFatal: (reason: string) => void
  /** Called after each commit of this process. */
  readonly onCommit: () => void
}

export class WriteQueue {
  readonly #worker: Worker
  readonly #options: WriteQueueOptions
  readonly #numbers = new Map<string, number>()
  #unsent: string[] = []
  #waiting: Job[] = []
  #turning: Promise<void> | undefined
  #ended: string | undefined
  #answer: ((message: FromWriter) => void) | undefined

  constructor(options: WriteQueueOptions) {
    this.#options = options
    this.#worker = new Worker(writerBeside, { workerData: { path: options.path }, env: {} })
    this.#worker.unref()
    this.#worker.on('message', (text: string) => this.#answer?.(JSON.parse(text) as FromWriter))
    this.#worker.on('error', (error: Error) => this.#die(error.message))
    this.#worker.on('exit', () => this.#die('the writer thread ended'))
  }

  /** As the port's `transact`; `beside` are statements of this adapter's own. */
  transact(tenants: readonly TenantId[], build: Build, beside: readonly CheckedQuery[] = []): Promise<Transacted> {
    if (this.#ended !== undefined) return Promise.reject(new DatabaseLost(this.#ended))
    if (this.#waiting.length >= jobsWaitingMax) return Promise.reject(new DatabaseLost('too many writes are waiting'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({ tenants, build, beside, resolve, reject })
      this.#turn()
    })
  }

  /** Writes what waits, then ends the thread. */
  async close(): Promise<void> {
    while (this.#turning !== undefined) await this.#turning
    if (this.#ended !== undefined) return
    this.#ended = 'the database is closed'
    await this.#ask({ kind: 'close' })
    await this.#worker.terminate()
  }

  #ask(message: ToWriter): Promise<FromWriter> {
    return new Promise((resolve) => {
      this.#worker.ref()
      this.#answer = (answer) => {
        this.#answer = undefined
        this.#worker.unref()
        resolve(answer)
      }
      // As text: that takes about half the time of a structured clone of the same arrays, on both sides.
      this.#worker.postMessage(JSON.stringify(message))
    })
  }

  #turn(): void {
    if (this.#turning !== undefined || this.#waiting.length === 0) return
    this.#turning = this.#takeTurn().finally(() => {
      this.#turning = undefined
      this.#turn()
    })
  }

  async #takeTurn(): Promise<void> {
    const named = this.#waiting.slice(0, jobsPerTurnMax).flatMap(({ tenants }) => tenants)
    const began = await this.#ask({ kind: 'begin', tenants: [...new Set(named)] })
    if (began.kind !== 'began') {
      this.#fail(this.#waiting.splice(0, jobsPerTurnMax), began)
      return
    }
    const heads = new Map<TenantId, Head>()
    for (const [tenant, seq, hash, seals] of began.heads) heads.set(tenant as TenantId, { seq, hash, seals })
    const built: Job[] = []
    const wire: WireJob[] = []
    const taken = this.#takeFor(heads)
    let writes = 0
    for (const [index, job] of taken.entries()) {
      if (writes >= writesPerTurnMax) {
        this.#waiting.unshift(...taken.slice(index))
        break
      }
      try {
        const batch = job.build(heads)
        writes += batch.writes.length
        wire.push(this.#wire(batch, job.beside))
        for (const [tenant, head] of batch.heads) heads.set(tenant, head)
        built.push(job)
      } catch (error) {
        job.reject(error)
      }
    }
    const statements = this.#unsent
    this.#unsent = []
    const ended = await this.#ask({ kind: 'write', jobs: wire, statements })
    if (ended.kind !== 'committed') {
      this.#fail(built, ended)
      return
    }
    for (const job of built.slice(0, ended.jobs)) job.resolve({ outcome: 'committed' })
    if (ended.jobs > 0) this.#options.onCommit()
    if (ended.undone === undefined) return
    const undone = built[ended.jobs]
    if ('refused' in ended.undone) undone?.resolve({ outcome: 'refused', write: ended.undone.refused })
    else undone?.reject(new Error(`broken invariant: ${ended.undone.failed}`))
    // What was built behind the undone job stood on its heads, so it is built anew.
    this.#waiting.unshift(...built.slice(ended.jobs + 1))
  }

  /** The first of what waits by now, the latecomers of known tenants too: those whom the turn before answered come just now. */
  #takeFor(heads: ReadonlyMap<TenantId, Head>): Job[] {
    const first = this.#waiting.slice(0, jobsPerTurnMax)
    const stranger = first.findIndex(({ tenants }) => tenants.some((tenant) => !heads.has(tenant)))
    return this.#waiting.splice(0, stranger === -1 ? first.length : stranger)
  }

  #wire(batch: Batch, beside: readonly CheckedQuery[]): WireJob {
    const { queries } = this.#options
    const checked = [...batch.writes.map((write) => queries.write(write)), ...beside]
    return {
      writes: checked.map(({ sql, parameters, expect }) => [this.#numberOf(sql), parameters, expect]),
      heads: [...batch.heads].map(([tenant, { seq, hash, seals }]) => [tenant, seq, hash, seals]),
    }
  }

  #numberOf(sql: string): number {
    const known = this.#numbers.get(sql)
    if (known !== undefined) return known
    const number = this.#numbers.size
    this.#numbers.set(sql, number)
    this.#unsent.push(sql)
    return number
  }

  #fail(jobs: readonly Job[], failed: FromWriter): void {
    const reason = failed.kind === 'failed' ? failed.reason : 'the writer did not answer in turn'
    const primary = failed.kind === 'failed' ? primaryOf(failed.errcode) : 0
    const error = primary === sqliteFull ? new DatabaseFull(reason) : new DatabaseLost(reason)
    for (const job of jobs) job.reject(error)
    // After a failed fsync nobody knows what the page cache holds, so a later success would mean nothing.
    if (primary === sqliteIoError) this.#die(reason)
  }

  /** Nothing is written any more, whatever waits. */
  #die(reason: string): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#answer?.({ kind: 'failed', errcode: sqliteIoError, reason })
    for (const job of this.#waiting.splice(0)) job.reject(new DatabaseLost(reason))
    this.#options.onFatal(reason)
  }
}
