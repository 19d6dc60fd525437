/**
 * The whole truth about a tenant's journal and rows: every entry in its place with hash, MAC and contents, the head, the checkpoints, and of each record
 * that it is the one which the newest entry about it made.
 */
import type { Seq, TenantId } from '../../model/ids.ts'
import { type RecordKind, recordKinds } from '../../model/records.ts'
import type { Domain } from '../records/domain.ts'
import { readRow } from '../records/rows.ts'
import type { TenantKeys } from '../seal/tenant-keys.ts'
import { checkpointPublicKey } from './checkpoint-key.ts'
import { type OpenedCheckpoint, openCheckpoint } from './checkpoint.ts'
import { leafOf } from './checkpoints.ts'
import { checkpointOrigin, readEntry } from './entry.ts'
import { append, emptyFrontier, rootOf } from './merkle.ts'
import { noteVerifier } from './note.ts'
import { type Entry, genesisHash } from '../../model/journal.ts'
import { targetKinds } from '../records/projection.ts'

export type JournalVerdict =
  | {
      readonly ok: true
      readonly from: number
      readonly to: number
      readonly records: number
      readonly checkpoint: number
    }
  | { readonly ok: false; readonly seq: number; readonly reason: string }

type Deps = Pick<Domain, 'database' | 'keyring' | 'store'>

/** How much is looked at in one go, and what happens in between: nothing for a person who waits, a rest for a node that has callers. */
export interface Pace {
  readonly perRead: number
  rest(): Promise<void>
}

const atOnce: Pace = { perRead: 1_000, rest: async () => undefined }

/** Verifies one tenant. `outside` are checkpoints that were kept elsewhere, as texts. */
export async function verifyJournal(
  deps: Deps,
  tenant: TenantId,
  outside: readonly string[] = [],
  pace: Pace = atOnce,
): Promise<JournalVerdict> {
  const keys = await deps.keyring.of(tenant)
  // The head first: what is committed while this runs is behind it and is not missed.
  const head = (await deps.database.heads()).get(tenant)
  if (head === undefined) return { ok: false, seq: 0, reason: 'the journal has no head' }
  const checkpoints = await openCheckpoints(deps, tenant, outside)
  if (typeof checkpoints === 'string') return { ok: false, seq: 0, reason: checkpoints }
  const tally: Tally = new Map()
  const entries = await verifyEntries(deps, tenant, keys, head, checkpoints, pace, tally)
  if (!entries.ok) return entries
  const records = await verifyRecords(deps, tenant, keys, head.seq, pace)
  if (!(records instanceof Map)) return records
  const missing = await missingRecords(deps, tenant, head.seq, tally, records)
  if (missing !== undefined) return { ok: false, seq: head.seq, reason: missing }
  return { ...entries, records: [...records.values()].reduce((sum, count) => sum + count, 0) }
}

/** How many records of each kind there must be, by what the journal tells: what was made less what was deleted. */
type Tally = Map<RecordKind, number>

function count(tally: Tally, { action, target }: Entry): void {
  const change = /\.(create|import)$/.test(action) ? 1 : action.endsWith('.delete') ? -1 : 0
  const kind = recordKinds.find((one) => targetKinds[one] === target.kind)
  if (kind === undefined || !action.startsWith(`${target.kind}.`)) return
  tally.set(kind, (tally.get(kind) ?? 0) + change)
}

/** A row that was taken away leaves its entry behind. What was deleted in good order while this ran is looked up before anything is said. */
async function missingRecords(
  deps: Deps,
  tenant: TenantId,
  to: Seq,
  expected: Tally,
  found: Tally,
): Promise<string | undefined> {
  const lacking = recordKinds.filter((kind) => (found.get(kind) ?? 0) < (expected.get(kind) ?? 0))
  if (lacking.length === 0) return undefined
  const later: Tally = new Map()
  for (let afterSeq = to; ; ) {
    const stored = await deps.database.entries(tenant, afterSeq, atOnce.perRead)
    for (const one of stored) {
      const entry = JSON.parse(one.entry) as Entry
      if (entry.action.endsWith('.delete')) count(later, entry)
      afterSeq = one.seq
    }
    if (stored.length < atOnce.perRead) break
  }
  const kind = lacking.find((one) => (found.get(one) ?? 0) < (expected.get(one) ?? 0) + (later.get(one) ?? 0))
  if (kind === undefined) return undefined
  return `${(expected.get(kind) ?? 0) - (found.get(kind) ?? 0)} of the ${kind} that the journal knows are missing`
}

async function openCheckpoints(
  deps: Deps,
  tenant: TenantId,
  outside: readonly string[],
): Promise<readonly OpenedCheckpoint[] | string> {
  const stored = await deps.database.latestCheckpoint(tenant)
  const notes = [...(stored === undefined ? [] : [stored.note]), ...outside]
  if (notes.length === 0) return []
  const [row] = await deps.database.records('tenants', [tenant])
  const loaded = row === undefined ? undefined : readRow('tenants', row, await deps.keyring.of(tenant))
  if (loaded === undefined || typeof loaded === 'string') return 'the row of the tenant is not believed'
  const origin = checkpointOrigin(tenant)
  const opened = notes.map((note) =>
    openCheckpoint(note, origin, [noteVerifier(origin, checkpointPublicKey(loaded.record))]),
  )
  const bad = opened.find((one) => typeof one === 'string')
  return bad === undefined ? opened.filter((one) => typeof one !== 'string') : `a checkpoint cannot be believed: ${bad}`
}

async function verifyEntries(
  deps: Deps,
  tenant: TenantId,
  keys: TenantKeys,
  head: { readonly seq: number; readonly hash: string },
  checkpoints: readonly OpenedCheckpoint[],
  pace: Pace,
  tally: Tally,
): Promise<JournalVerdict> {
  let previous = { seq: 0, hash: genesisHash }
  let frontier = emptyFrontier
  while (previous.seq < head.seq) {
    const stored = await deps.database.entries(tenant, previous.seq, pace.perRead)
    await pace.rest()
    if (stored.length === 0) return { ok: false, seq: previous.seq + 1, reason: 'gap' }
    for (const one of stored) {
      const read = readEntry(one, previous, keys)
      if (typeof read === 'string') return { ok: false, seq: read === 'gap' ? previous.seq + 1 : one.seq, reason: read }
      previous = { seq: one.seq, hash: one.hash }
      if (one.seq <= head.seq) count(tally, read.entry)
      frontier = append(frontier, leafOf(one))
      const contradicting = checkpoints.find(
        (checkpoint) => checkpoint.size === one.seq && !Buffer.from(checkpoint.root).equals(rootOf(frontier)),
      )
      if (contradicting !== undefined)
        return { ok: false, seq: one.seq, reason: 'a checkpoint of this size has another root' }
      if (one.seq === head.seq && one.hash !== head.hash)
        return { ok: false, seq: one.seq, reason: 'the head has another hash' }
    }
  }
  const newest = Math.max(0, ...checkpoints.map((checkpoint) => checkpoint.size))
  if (newest > previous.seq)
    return { ok: false, seq: previous.seq + 1, reason: `cut off: a checkpoint covers ${newest} entries` }
  return { ok: true, from: 1, to: previous.seq, records: 0, checkpoint: newest }
}

async function verifyRecords(
  deps: Deps,
  tenant: TenantId,
  keys: TenantKeys,
  to: Seq,
  pace: Pace,
): Promise<Tally | (JournalVerdict & { ok: false })> {
  const records: Tally = new Map()
  for (const kind of recordKinds) {
    let afterSeq = 0
    for (;;) {
      const rows = await deps.database.list(kind as RecordKind, tenant, {
        columns: {},
        facets: [],
        afterSeq,
        limit: pace.perRead,
      })
      for (const row of rows) {
        const read = readRow(kind, row, keys)
        if (typeof read === 'string') return { ok: false, seq: row.revision, reason: `${kind} ${row.id}: ${read}` }
        // Those made while this runs are not counted against an older end of the journal.
        if (row.created_seq <= to) records.set(kind, (records.get(kind) ?? 0) + 1)
        afterSeq = row.created_seq
      }
      if (rows.length < pace.perRead) break
      await pace.rest()
    }
  }
  return records
}
