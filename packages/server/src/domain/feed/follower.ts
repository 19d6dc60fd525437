/**
 * The journal as this node follows it: cache coherence. It learns of every entry (its own at once, those of other nodes within moments), checks that
 * each continues the chain, and tells its listeners what changed. It knows how far this node is and since when it is sure of that.
 *
 * A journal that went backwards or forked while this node watched is not followed any further: the tenant's freshness ends, and so its answers.
 */
import type { Seq, TenantId } from '../../model/ids.ts'
import type { Entry } from '../../model/journal.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Database, Head } from '../../ports/database.ts'
import type { Log } from '../../ports/log.ts'
import { readEntry } from '../journal/entry.ts'
import type { CommitListener } from '../journal/ledger.ts'
import type { Keyring } from '../seal/keyring.ts'

/** How far a node is in a tenant's journal, and how long ago that was known to be its end. */
export interface AsOf {
  readonly seq: Seq
  readonly age_ms: number
}

export type EntryListener = (tenant: TenantId, entry: Entry) => void

export const pollMilliseconds = 250
const entriesPerRead = 500

interface Position {
  seq: Seq
  hash: string
  /** Monotonic milliseconds at which a read began that found this to be the end. */
  confirmedAt: number
  broken: boolean
}

export interface FollowerDeps {
  readonly database: Pick<Database, 'heads' | 'entries' | 'watch'>
  readonly keyring: Keyring
  readonly clock: Clock
  readonly log: Log
}

export class Follower implements CommitListener {
  readonly #deps: FollowerDeps
  readonly #positions = new Map<TenantId, Position>()
  readonly #listeners: EntryListener[] = []
  readonly #waiting = new Set<() => void>()
  #running: Promise<void> | undefined
  #again = false
  #databaseLost = false
  #stops: (() => void)[] = []

  constructor(deps: FollowerDeps) {
    this.#deps = deps
  }

  /** Whether the last read of the heads failed. */
  get databaseLost(): boolean {
    return this.#databaseLost
  }

  /** Tenants whose journal contradicted what this node had seen. */
  get brokenTenants(): readonly TenantId[] {
    return [...this.#positions].filter(([, position]) => position.broken).map(([tenant]) => tenant)
  }

  listen(listener: EntryListener): void {
    this.#listeners.push(listener)
  }

  /** Reads where the journals end, and follows from there on. */
  async start(): Promise<void> {
    await this.catchUp()
    const follow = () => void this.catchUp().catch(() => undefined)
    this.#stops = [this.#deps.database.watch(follow), this.#deps.clock.every(pollMilliseconds, follow)]
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop()
    this.#stops = []
    await this.#running?.catch(() => undefined)
  }

  /** How fresh an answer about this tenant is. A tenant that was never seen is infinitely old. */
  asOf(tenant: TenantId): AsOf {
    const position = this.#positions.get(tenant)
    if (position === undefined) return { seq: 0, age_ms: Number.MAX_SAFE_INTEGER }
    const age = Math.round(this.#deps.clock.monotonic() - position.confirmedAt)
    return { seq: position.seq, age_ms: Math.min(Math.max(0, age), Number.MAX_SAFE_INTEGER) }
  }

  /** Waits until this node has seen `seq`, for at most `timeoutMilliseconds`; whether it has. */
  async reached(tenant: TenantId, seq: Seq, timeoutMilliseconds: number): Promise<boolean> {
    const there = () => this.asOf(tenant).seq >= seq
    const deadline = this.#deps.clock.monotonic() + timeoutMilliseconds
    while (!there()) {
      const left = deadline - this.#deps.clock.monotonic()
      if (left <= 0) return false
      await this.catchUp().catch(() => undefined)
      if (there()) return true
      await this.#somethingFollowed(Math.min(left, 20))
    }
    return true
  }

  /** Reads what is new, once; concurrent callers share the reading, and one that came during it gets another. */
  catchUp(): Promise<void> {
    if (this.#running !== undefined) {
      this.#again = true
      return this.#running
    }
    this.#running = this.#read()
      .then(async () => {
        while (this.#again) {
          this.#again = false
          await this.#read()
        }
      })
      .finally(() => {
        this.#running = undefined
        for (const wake of this.#waiting) wake()
      })
    return this.#running
  }

  /** This node's own commit: followed without reading it back, where nothing lies between. */
  committed(tenant: TenantId, previous: Head, entries: readonly Entry[]): void {
    const position = this.#positions.get(tenant)
    for (const entry of entries) this.#tell(tenant, entry)
    const last = entries.at(-1)
    if (last === undefined) return
    if (position === undefined && previous.seq === 0) {
      this.#positions.set(tenant, {
        seq: last.seq,
        hash: last.hash,
        confirmedAt: this.#deps.clock.monotonic(),
        broken: false,
      })
    } else if (position !== undefined && position.seq === previous.seq && position.hash === previous.hash) {
      position.seq = last.seq
      position.hash = last.hash
    } else {
      void this.catchUp().catch(() => undefined)
    }
  }

  async #read(): Promise<void> {
    const began = this.#deps.clock.monotonic()
    let heads: ReadonlyMap<TenantId, Head>
    try {
      heads = await this.#deps.database.heads()
      for (const [tenant, head] of heads) await this.#follow(tenant, head, began)
    } catch (error) {
      if (!this.#databaseLost) this.#deps.log.error('database.lost', { reason: reasonOf(error) })
      this.#databaseLost = true
      throw error
    }
    if (this.#databaseLost) this.#deps.log.info('database.back', {})
    this.#databaseLost = false
    for (const [tenant, position] of this.#positions) {
      if (!heads.has(tenant) && position.seq > 0 && position.confirmedAt < began)
        this.#break(tenant, position, 'journal_gone')
    }
  }

  async #follow(tenant: TenantId, head: Head, began: number): Promise<void> {
    const position = this.#positions.get(tenant)
    if (position === undefined) {
      this.#positions.set(tenant, { seq: head.seq, hash: head.hash, confirmedAt: began, broken: false })
      return
    }
    if (position.broken) return
    while (position.seq < head.seq) {
      const stored = await this.#deps.database.entries(tenant, position.seq, entriesPerRead)
      if (stored.length === 0) return this.#break(tenant, position, 'gap')
      for (const one of stored) {
        // This node's own commits may have moved the position on while it read.
        const keys = await this.#deps.keyring.having(tenant, one.dek)
        if (one.seq <= position.seq) continue
        const read = readEntry(one, position, keys)
        if (typeof read === 'string') return this.#break(tenant, position, read)
        position.seq = read.entry.seq
        position.hash = read.entry.hash
        this.#tell(tenant, read.entry)
      }
    }
    if (position.seq === head.seq && position.hash !== head.hash) return this.#break(tenant, position, 'forked')
    // A head that is behind may be read before an own commit; one read after it that is still behind went backwards.
    if (position.seq > head.seq) return this.#confirmNotBehind(tenant, position, began)
    position.confirmedAt = Math.max(position.confirmedAt, began)
  }

  async #confirmNotBehind(tenant: TenantId, position: Position, began: number): Promise<void> {
    const seen = position.seq
    const now = (await this.#deps.database.heads()).get(tenant)
    if (now === undefined || now.seq < seen) this.#break(tenant, position, 'truncated')
    else position.confirmedAt = Math.max(position.confirmedAt, began)
  }

  #break(tenant: TenantId, position: Position, reason: string): void {
    if (!position.broken)
      this.#deps.log.error('integrity.violated', { tenant, table: 'journal', id: String(position.seq), reason })
    position.broken = true
    position.confirmedAt = Number.NEGATIVE_INFINITY
  }

  #tell(tenant: TenantId, entry: Entry): void {
    for (const listener of this.#listeners) listener(tenant, entry)
  }

  #somethingFollowed(milliseconds: number): Promise<void> {
    const controller = new AbortController()
    const wake = () => controller.abort()
    this.#waiting.add(wake)
    return this.#deps.clock.sleep(milliseconds, controller.signal).finally(() => this.#waiting.delete(wake))
  }
}

/** The first line of an error's message: databases put no values of ours there. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? error.name) : 'unknown'
}
