/**
 * The whole truth about a tenant's journal and rows: every entry in its place with hash, MAC and contents, the head, the checkpoints, and of each record
 * that it is the one which the newest entry about it made.
 */
import type { TenantId } from '../../model/ids.ts'
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
import { genesisHash } from '../../model/journal.ts'

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
  const entries = await verifyEntries(deps, tenant, keys, head, checkpoints, pace)
  if (!entries.ok) return entries
  const records = await verifyRecords(deps, tenant, keys, pace)
  if (typeof records !== 'number') return records
  return { ...entries, records }
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
  pace: Pace,
): Promise<number | (JournalVerdict & { ok: false })> {
  let records = 0
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
        records += 1
        afterSeq = row.created_seq
      }
      if (rows.length < pace.perRead) break
      await pace.rest()
    }
  }
  return records
}
