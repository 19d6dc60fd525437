/**
 * The one way to change anything: a change names its journal entries and the rows that go with each, and all of it is written in one transaction
 * that holds the tenant's head. What is answered afterwards is durable and in the journal.
 */
import { invariant } from '../../model/fault.ts'
import type { Instant, Seq, TenantId } from '../../model/ids.ts'
import { writeInstant } from '../../model/instant.ts'
import type { Entry } from '../../model/journal.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Database, Head, Write } from '../../ports/database.ts'
import type { Random } from '../../ports/random.ts'
import type { Keyring } from '../seal/keyring.ts'
import { Sealer } from '../seal/sealer.ts'
import type { TenantKeys } from '../seal/tenant-keys.ts'
import { appendEntry, type EntryDraft, placeEntry } from './entry.ts'

/** What a step knows once its place in the journal is certain. */
export interface Stamp {
  readonly seq: Seq
  readonly at: Instant
  readonly keys: TenantKeys
  readonly sealer: Sealer
}

/** One entry and the rows that go with it. `writes` must be synchronous and may run more than once. */
export interface Step extends EntryDraft {
  writes(stamp: Stamp): readonly Write[]
}

export interface Change<Answer> {
  readonly tenant: TenantId
  /** At least one. All of them happen, or none. */
  readonly steps: readonly Step[]
  /** Conditions on which the whole change depends, before anything is written. */
  readonly conditions?: readonly Write[]
  /** What the caller is answered, from the seq of the last step; made before the commit so that it can be kept with it. */
  answer(seq: Seq): Answer
  /** More rows for the same transaction that depend on the answer: its sealed replay, for the tenant who asked. */
  keep?(answer: Answer, sealer: Sealer): readonly Write[]
  /** The tenant under whose keys `keep` seals, where it is not the one that changes. */
  readonly keepFor?: TenantId
}

/** A change that was not made, since this write's condition did not hold. */
export interface Refused {
  readonly refused: Write
}

export type Committed<Answer> = { readonly answer: Answer; readonly seq: Seq }

/** Hears of this node's own commits before their callers are answered. */
export interface CommitListener {
  committed(tenant: TenantId, previous: Head, entries: readonly Entry[]): void
}

/** Entries that one change may write: an import of the largest size. */
export const stepsMax = 1_000

const saltBytes = 16

export interface LedgerDeps {
  readonly database: Pick<Database, 'transact'>
  readonly keyring: Keyring
  readonly clock: Clock
  readonly random: Random
  readonly listener: CommitListener
}

/** Makes a change, or says which of its conditions did not hold. Throws what the database throws. */
export async function commit<Answer>(deps: LedgerDeps, change: Change<Answer>): Promise<Committed<Answer> | Refused> {
  invariant(change.steps.length > 0 && change.steps.length <= stepsMax, 'a change has 1 to 1,000 steps')
  const keys = await deps.keyring.of(change.tenant)
  const keeper = change.keepFor === undefined ? keys : await deps.keyring.of(change.keepFor)
  let built: Built<Answer> | undefined
  const transacted = await deps.database.transact([...new Set([change.tenant, keeper.tenant])], (heads) => {
    built = build(deps, change, keys, headOf(heads, change.tenant))
    const keeping = keeper === keys ? built.sealer : new Sealer(keeper, deps.random, headOf(heads, keeper.tenant).seals)
    const kept = change.keep?.(built.answer, keeping) ?? []
    built = { ...built, writes: [...built.writes, ...kept] }
    const ends = new Map([[change.tenant, { ...built.head, seals: built.sealer.seals }]])
    if (keeper !== keys) ends.set(keeper.tenant, { ...headOf(heads, keeper.tenant), seals: keeping.seals })
    return { heads: ends, writes: built.writes }
  })
  invariant(built !== undefined, 'a transaction builds before it ends')
  if (transacted.outcome === 'refused') {
    const refused = built.writes[transacted.write]
    invariant(refused !== undefined, 'a refused write is one of those that were built')
    return { refused }
  }
  deps.listener.committed(change.tenant, built.previous, built.entries)
  return { answer: built.answer, seq: built.head.seq }
}

function headOf(heads: ReadonlyMap<TenantId, Head>, tenant: TenantId): Head {
  const head = heads.get(tenant)
  invariant(head !== undefined, 'a transaction holds the heads it asked for')
  return head
}

interface Built<Answer> {
  readonly previous: Head
  readonly head: Pick<Head, 'seq' | 'hash'>
  readonly sealer: Sealer
  readonly writes: readonly Write[]
  readonly entries: readonly Entry[]
  readonly answer: Answer
}

function build<Answer>(deps: LedgerDeps, change: Change<Answer>, keys: TenantKeys, previous: Head): Built<Answer> {
  const at = deps.clock.now()
  const sealer = new Sealer(keys, deps.random, previous.seals)
  const salt = () => Buffer.from(deps.random.bytes(saltBytes)).toString('base64url')
  const writes: Write[] = [...(change.conditions ?? [])]
  const entries: Entry[] = []
  let { seq, hash } = previous
  for (const step of change.steps) {
    seq += 1
    writes.push(...step.writes({ seq, at, keys, sealer }))
    const placed = placeEntry(step, { seq, at: writeInstant(at), prev: hash }, salt)
    writes.push(appendEntry(keys, placed))
    entries.push(placed.entry)
    hash = placed.entry.hash
  }
  return { previous, head: { seq, hash }, sealer, writes, entries, answer: change.answer(seq) }
}
