/**
 * Slow hashes on worker threads: a few at a time, a bounded queue before them, and the caller's event loop never waits. The
 * computing itself is in `worker.ts`; what may cost how much is decided by whoever reads the hash in.
 *
 * A thread is started when there is work for it and then stays, idle ones do not keep the process alive. A thread that dies
 * takes the one job it had with it; the next job gets a new thread.
 */
import { Worker } from 'node:worker_threads'
import type { Random } from '../../ports/random.ts'
import type { Argon2idHash, SlowHash, SlowHashCost, SlowHashRefusal, SlowHashValue } from '../../ports/slow-hash.ts'
import type { Job, Outcome } from './worker.ts'

export interface SlowHashOptions {
  /** Source of salts. */
  readonly random: Random
  /** Hashes computed at once (default 2). */
  readonly workersMax?: number
  /** Jobs waiting beyond those; one more is answered `busy` (default 64). */
  readonly queueMax?: number
  /** Where the thread's code lies; by default beside this file. */
  readonly workerUrl?: URL
}

interface Waiting {
  readonly job: Job
  readonly settle: (outcome: Outcome) => void
}

/** A thread, and the job that it is busy with. */
interface Thread {
  readonly worker: Worker
  current: Waiting | undefined
}

const workersMaxDefault = 2
const queueMaxDefault = 64

/** OWASP's second profile for argon2id: 19 MiB, 2 passes, 1 lane. */
const made = { memoryKib: 19_456, passes: 2, parallelism: 1 } as const
const saltBytes = 16
const hashBytes = 32
const bcryptSaltBytes = 16
const bcryptHashBytes = 23

const failed: Outcome = { task: 'failed' }

/** The file runs as TypeScript from the sources and as JavaScript once built; its neighbour has the same ending. */
const workerBeside = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url)

/** Makes an implementation of the port. Throws a RangeError when a limit is no positive integer (the queue may be 0). */
export function createSlowHash(options: SlowHashOptions): SlowHash {
  const pool = new Pool(
    countOf(options.workersMax ?? workersMaxDefault, 1),
    countOf(options.queueMax ?? queueMaxDefault, 0),
    options.workerUrl ?? workerBeside,
  )
  const verify = async (expected: SlowHashValue, presented: string) => {
    const outcome = await pool.run({ task: 'verify', expected, presented })
    if (typeof outcome === 'string') return outcome
    if (outcome.task !== 'verify') return 'unavailable'
    return outcome.isMatch ? 'match' : 'mismatch'
  }
  return {
    verify,
    async dummy(cost, presented) {
      const verdict = await verify(dummyOf(cost), presented)
      return verdict === 'match' || verdict === 'mismatch' ? 'spent' : verdict
    },
    async make(presented): Promise<Argon2idHash | SlowHashRefusal> {
      const salt = Uint8Array.from(options.random.bytes(saltBytes))
      const outcome = await pool.run({ task: 'derive', input: { ...made, salt, hashBytes }, presented })
      if (typeof outcome === 'string') return outcome
      if (outcome.task !== 'derive') return 'unavailable'
      return { kind: 'argon2id', ...made, salt, hash: outcome.hash }
    },
    close: () => pool.close(),
  }
}

class Pool {
  readonly #workersMax: number
  readonly #queueMax: number
  readonly #workerUrl: URL
  readonly #threads = new Set<Thread>()
  readonly #queue: Waiting[] = []
  #isClosed = false

  constructor(workersMax: number, queueMax: number, workerUrl: URL) {
    this.#workersMax = workersMax
    this.#queueMax = queueMax
    this.#workerUrl = workerUrl
  }

  /** Runs a job now or later. Never rejects. */
  run(job: Job): Promise<Outcome | SlowHashRefusal> {
    if (this.#isClosed) return Promise.resolve('unavailable')
    const isQueued = this.#idleThread() === undefined && this.#threads.size >= this.#workersMax
    if (isQueued && this.#queue.length >= this.#queueMax) return Promise.resolve('busy')
    return new Promise((resolve) => {
      this.#queue.push({ job, settle: resolve })
      this.#advance()
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const { settle } of this.#queue.splice(0)) settle(failed)
    const threads = Array.from(this.#threads)
    for (const thread of threads) this.#drop(thread)
    await Promise.all(threads.map(({ worker }) => worker.terminate()))
  }

  /** Hands waiting jobs to threads while there are both. */
  #advance(): void {
    while (this.#queue.length > 0) {
      const thread = this.#idleThread() ?? this.#startThread()
      if (thread === undefined) return
      const waiting = this.#queue.shift()
      if (waiting === undefined) return
      thread.current = waiting
      thread.worker.ref()
      thread.worker.postMessage(waiting.job)
    }
  }

  #idleThread(): Thread | undefined {
    for (const thread of this.#threads) if (thread.current === undefined) return thread
    return undefined
  }

  #startThread(): Thread | undefined {
    if (this.#threads.size >= this.#workersMax) return undefined
    const worker = startWorker(this.#workerUrl)
    if (worker === undefined) {
      for (const { settle } of this.#queue.splice(0)) settle(failed)
      return undefined
    }
    const thread: Thread = { worker, current: undefined }
    this.#threads.add(thread)
    thread.worker.on('message', (outcome: Outcome) => {
      this.#settle(thread, outcome)
      thread.worker.unref()
      this.#advance()
    })
    thread.worker.on('messageerror', () => this.#lose(thread))
    thread.worker.on('error', () => this.#lose(thread))
    thread.worker.on('exit', () => this.#lose(thread))
    return thread
  }

  /** A thread has died, or cannot be understood. */
  #lose(thread: Thread): void {
    if (!this.#drop(thread)) return
    void thread.worker.terminate()
    this.#advance()
  }

  /** Forgets a thread and gives up its job. False when it was forgotten before. */
  #drop(thread: Thread): boolean {
    const isKnown = this.#threads.delete(thread)
    this.#settle(thread, failed)
    return isKnown
  }

  #settle(thread: Thread, outcome: Outcome): void {
    const waiting = thread.current
    thread.current = undefined
    waiting?.settle(outcome)
  }
}

/** A new thread, or undefined where the process may have none. It needs nothing from the environment, where secrets may be. */
function startWorker(url: URL): Worker | undefined {
  try {
    return new Worker(url, { env: {} })
  } catch {
    return undefined
  }
}

/** A hash of that cost which nothing matches in practice. */
function dummyOf(cost: SlowHashCost): SlowHashValue {
  if (cost.kind === 'bcrypt') {
    const [salt, hash] = [new Uint8Array(bcryptSaltBytes), new Uint8Array(bcryptHashBytes)]
    return { kind: 'bcrypt', variant: '2b', cost: cost.cost, salt, hash }
  }
  const { memoryKib, passes, parallelism } = cost
  const [salt, hash] = [new Uint8Array(saltBytes), new Uint8Array(hashBytes)]
  return { kind: 'argon2id', memoryKib, passes, parallelism, salt, hash }
}

function countOf(value: number, min: number): number {
  if (!Number.isSafeInteger(value) || value < min) throw new RangeError('a limit is a whole number')
  return value
}
