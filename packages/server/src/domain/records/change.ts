/**
 * Making, changing and removing one record: read, decide, write on condition that nothing came between, and again if something did.
 */
import { Fault } from '../../model/fault.ts'
import type { Seq } from '../../model/ids.ts'
import type { Actor, Json } from '../../model/journal.ts'
import type { RecordKind, Records } from '../../model/records.ts'
import type { Write } from '../../ports/database.ts'
import { type Caller, noSuchThing, traceOf } from '../access/caller.ts'
import { commit, type Stamp, type Step } from '../journal/ledger.ts'
import type { Domain } from './domain.ts'
import { type RecordName, targetKinds } from './projection.ts'
import { deleteRecord, insertRecord, type Loaded, updateRecord } from './rows.ts'

export type ChangeDeps = Pick<Domain, 'database' | 'keyring' | 'store' | 'listener' | 'clock' | 'random'>

/** How often a change is tried anew when others change the same record at the same time. */
const attemptsMax = 10

/** The revisions that a caller is content with: `If-Match` of RFC 9110 section 13.1.1. */
export type IfMatch = readonly Seq[] | '*' | undefined

export interface Creation<Kind extends RecordKind> {
  readonly kind: Kind
  readonly id: string
  readonly action: string
  readonly changes: { readonly [name: string]: Json }
  readonly contents: { readonly [name: string]: Json }
  readonly conditions?: readonly Write[]
  readonly names?: readonly RecordName[]
  /** The record as of its stamp, where its sealed parts are made. */
  make(stamp: Stamp): Records[Kind]
}

/** The step that makes a record; `made` hears of the record, perhaps more than once. */
export function creationStep<Kind extends RecordKind>(
  caller: Pick<Caller, 'tenant' | 'actor' | 'address'>,
  creation: Creation<Kind>,
  made: (loaded: Loaded<Kind>) => void,
): Step {
  return {
    actor: caller.actor,
    action: creation.action,
    target: { kind: targetKinds[creation.kind], id: creation.id },
    changes: creation.changes,
    contents: { ...creation.contents, ...traceOf(caller as Caller) },
    writes: (stamp) => {
      const record = creation.make(stamp)
      const loaded: Loaded<Kind> = { tenant: caller.tenant, record, revision: stamp.seq, createdSeq: stamp.seq }
      made(loaded)
      return insertRecord(creation.kind, loaded, stamp.keys, creation.names)
    },
  }
}

/** Makes a record. `answer` sees it as it was written; `conflict` says what a taken name or a broken condition means. */
export async function createRecord<Kind extends RecordKind, Answer>(
  deps: ChangeDeps,
  caller: Caller,
  creation: Creation<Kind>,
  answer: (loaded: Loaded<Kind>) => Answer,
  conflict: (write: Write) => Fault,
): Promise<Answer> {
  let loaded: Loaded<Kind> | undefined
  const step = creationStep(caller, creation, (made) => {
    loaded = made
  })
  const committed = await commit<Answer>(deps, {
    tenant: caller.tenant,
    steps: [step],
    conditions: creation.conditions ?? [],
    answer: (): Answer => {
      if (loaded === undefined) throw new Error('broken invariant: a creation makes its record before its answer')
      return answer(loaded)
    },
    ...(caller.keep === undefined ? {} : { keep: caller.keep }),
  })
  if ('refused' in committed) throw conflict(committed.refused)
  return committed.answer
}

/** What a change makes of a record. `undefined` in place of it changes nothing and writes no entry. */
export interface Alteration<Kind extends RecordKind> {
  readonly action: string
  readonly changes: { readonly [name: string]: Json }
  readonly contents?: { readonly [name: string]: Json }
  readonly conditions?: readonly Write[]
  readonly names?: readonly RecordName[]
  make(stamp: Stamp): Records[Kind]
}

export interface ChangeOptions<Kind extends RecordKind> {
  readonly ifMatch?: IfMatch
  /** What a taken name or a broken condition means; a record that moved on is tried anew instead. */
  readonly conflict?: (write: Write) => Fault
  /** Whether the caller may know of this record at all. */
  readonly visible: (record: Records[Kind]) => boolean
}

/** Changes a record, or leaves it where `alter` answers `undefined`. */
export async function changeRecord<Kind extends RecordKind, Answer>(
  deps: ChangeDeps,
  caller: Caller,
  kind: Kind,
  id: string,
  alter: (before: Loaded<Kind>) => Alteration<Kind> | undefined | Promise<Alteration<Kind> | undefined>,
  answer: (after: Loaded<Kind>) => Answer,
  options: ChangeOptions<Kind>,
): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await deps.store.fresh(kind, caller.tenant, id)
    if (before === undefined || !options.visible(before.record)) throw noSuchThing(targetKinds[kind])
    requireMatch(options.ifMatch, before.revision)
    const alteration = await alter(before)
    if (alteration === undefined) return answer(before)
    let after = before
    const committed = await commit<Answer>(deps, {
      tenant: caller.tenant,
      conditions: alteration.conditions ?? [],
      steps: [
        {
          actor: caller.actor,
          action: alteration.action,
          target: { kind: targetKinds[kind], id },
          changes: alteration.changes,
          contents: { ...alteration.contents, ...traceOf(caller) },
          writes: (stamp) => {
            after = { ...before, record: alteration.make(stamp), revision: stamp.seq }
            return updateRecord(kind, before, after.record, stamp.seq, stamp.keys, alteration.names)
          },
        },
      ],
      answer: () => answer(after),
      ...(caller.keep === undefined ? {} : { keep: caller.keep }),
    })
    if (!('refused' in committed)) return committed.answer
    const { refused } = committed
    const movedOn = refused.kind === 'update' && refused.table === kind
    if (!movedOn && options.conflict !== undefined) throw options.conflict(refused)
    if (attempt >= attemptsMax)
      throw new Fault('conflict', 'This was changed by others again and again; try once more.')
  }
}

/** Removes a record, on conditions. */
export async function removeRecord<Kind extends RecordKind>(
  deps: ChangeDeps,
  caller: Caller,
  kind: Kind,
  id: string,
  options: ChangeOptions<Kind> & {
    readonly action: string
    readonly conditions: (before: Loaded<Kind>) => readonly Write[]
  },
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await deps.store.fresh(kind, caller.tenant, id)
    if (before === undefined || !options.visible(before.record)) throw noSuchThing(targetKinds[kind])
    requireMatch(options.ifMatch, before.revision)
    const committed = await commit(deps, {
      tenant: caller.tenant,
      conditions: options.conditions(before),
      steps: [
        {
          actor: caller.actor,
          action: options.action,
          target: { kind: targetKinds[kind], id },
          changes: {},
          contents: traceOf(caller),
          writes: () => deleteRecord(kind, before),
        },
      ],
      answer: () => undefined,
    })
    if (!('refused' in committed)) return
    if (committed.refused.kind !== 'require' && options.conflict !== undefined)
      throw options.conflict(committed.refused)
    if (attempt >= attemptsMax)
      throw new Fault('conflict', 'This was changed by others again and again; try once more.')
  }
}

/** RFC 9110 section 13.1.1: a revision that the caller does not name stops the change. */
export function requireMatch(ifMatch: IfMatch, revision: Seq): void {
  if (ifMatch !== undefined && ifMatch !== '*' && !ifMatch.includes(revision)) {
    throw new Fault('precondition-failed', 'This has changed since the revision that If-Match names.')
  }
}

/** The program itself, acting without an operator. */
export const systemActor: Actor = { kind: 'system', id: 'keywright' }
