/**
 * Erasure: names, addresses and meta go out of the journal, and the journal still holds. Only the contents beside the chain are touched; the record itself,
 * if there still is one, is changed or deleted by its own calls.
 */
import { Fault } from '../../model/fault.ts'
import type { Seq } from '../../model/ids.ts'
import type { Caller } from '../access/caller.ts'
import { type ChangeDeps, changeRecord } from '../records/change.ts'

/** Entries whose contents one call erases; who has more calls again. */
export const erasedPerCallMax = 1_000

const entriesPerRead = 500

export interface Erased {
  readonly target: string
  /** Entries whose contents this call erased. */
  readonly entries: number
  /** Whether entries with contents are left for another call. */
  readonly more: boolean
}

/**
 * Erases the contents of the entries about `target` (`kind:id`), the oldest first, in one transaction with the entry that says so. Where nothing is left to
 * erase, nothing is written. 404 for a target that the journal does not know, 403 for a narrowed operator, since entries are not within any narrowing.
 */
export async function eraseContents(deps: ChangeDeps, caller: Caller, target: string): Promise<Erased> {
  if (Object.values(caller.operator.narrowing).some((list) => list !== null)) {
    throw new Fault('forbidden', 'This operator is narrowed and cannot erase from the journal.')
  }
  const { tenant } = caller
  let erased: Erased = { target, entries: 0, more: false }
  // The entry is about the tenant, and a row is believed only with the newest entry about it: so the tenant's is written anew, as it is.
  return await changeRecord(
    deps,
    caller,
    'tenants',
    tenant,
    async ({ record }) => {
      const { seqs, more } = await findContents(deps, caller, target)
      erased = { target, entries: seqs.length, more }
      if (seqs.length === 0) return undefined
      return {
        action: 'audit.erase',
        changes: { target, entries: seqs.length },
        conditions: seqs.map((seq) => ({
          kind: 'update',
          table: 'journal',
          set: { contents: null },
          where: { tenant, seq },
        })),
        make: () => record,
      }
    },
    () => erased,
    { visible: () => true },
  )
}

async function findContents(
  { database }: Pick<ChangeDeps, 'database'>,
  { tenant }: Caller,
  target: string,
): Promise<{ readonly seqs: readonly Seq[]; readonly more: boolean }> {
  const seqs: Seq[] = []
  for (let after = 0; ; ) {
    const page = await database.entriesOf(tenant, target, after, entriesPerRead)
    if (after === 0 && page.length === 0) throw new Fault('not-found', 'The journal has no entry about this target.')
    for (const entry of page) {
      if (entry.contents !== null && seqs.push(entry.seq) > erasedPerCallMax) {
        return { seqs: seqs.slice(0, erasedPerCallMax), more: true }
      }
    }
    const last = page.at(-1)
    if (last === undefined || page.length < entriesPerRead) return { seqs, more: false }
    after = last.seq
  }
}
