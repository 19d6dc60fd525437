/**
 * Reading the journal: entries as they are hashed, and beside them the erasable contents for those who ask.
 */
import type { Seq } from '../../model/ids.ts'
import type { Contents, Entry } from '../../model/journal.ts'
import type { Caller } from '../access/caller.ts'
import type { Domain } from '../records/domain.ts'
import { readEntry } from './entry.ts'
import { Fault } from '../../model/fault.ts'
import type { StoredEntry } from '../../ports/database.ts'

export interface AuditQuery {
  readonly after: Seq
  readonly pageSize: number
  /** `kind:id` of one target. */
  readonly target?: string
  readonly contents: boolean
}

/** An entry whose members without `hash` (and without `contents`, which is not hashed) are exactly what `hash` is over. */
export interface AuditEntry extends Entry {
  readonly contents?: Contents['values'] | null
}

/** One page of a tenant's journal, in order. Throws where an entry was tampered with. */
export async function listAudit(deps: Pick<Domain, 'database' | 'keyring'>, caller: Caller, query: AuditQuery) {
  const { database, keyring } = deps
  const limit = query.pageSize + 1
  const stored =
    query.target === undefined
      ? await database.entries(caller.tenant, query.after, limit)
      : await database.entriesOf(caller.tenant, query.target, query.after, limit)
  const keys = await keyring.of(caller.tenant)
  const data = stored.slice(0, query.pageSize).map((one) => presentEntry(one, keys, query.contents))
  const last = data.at(-1)
  return { data, next_cursor: stored.length > query.pageSize && last !== undefined ? String(last.seq) : null }
}

function presentEntry(stored: StoredEntry, keys: Parameters<typeof readEntry>[2], withContents: boolean): AuditEntry {
  // Within a page of one target the chain cannot be followed; each entry's own hash and MAC still must hold.
  const read = readEntry(stored, { seq: stored.seq - 1, hash: stored.prev }, keys)
  if (typeof read === 'string') {
    throw new Fault(
      'unavailable',
      `Entry ${stored.seq} of the journal fails its integrity check. Run: keywright audit verify`,
      { note: read },
    )
  }
  return withContents ? { ...read.entry, contents: read.contents?.values ?? null } : read.entry
}
