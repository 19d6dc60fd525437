/**
 * Pages of lists: an opaque cursor that is the place of the last record in the order of creation.
 */
import { invalidParameter } from '../../model/fault.ts'
import type { Seq, TenantId } from '../../model/ids.ts'
import type { RecordKind, Records } from '../../model/records.ts'
import type { Values } from '../../ports/database.ts'
import type { Facet } from './projection.ts'
import type { Loaded } from './rows.ts'
import type { Store } from './store.ts'

export const pageSizeDefault = 50

export interface PageQuery {
  readonly pageSize: number
  readonly cursor: string | undefined
}

export interface Page<Item> {
  readonly data: readonly Item[]
  readonly next_cursor: string | null
}

/** Rows that are read for one page at most where many are hidden from a narrowed caller. */
const readsPerPageMax = 20

const cursorForm = /^c([1-9]\d{0,15})$/

export function readCursor(cursor: string | undefined): Seq {
  if (cursor === undefined) return 0
  const seq = cursorForm.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1]
  if (seq === undefined || writeCursor(Number(seq)) !== cursor)
    throw invalidParameter('cursor', 'This is no cursor of this list.')
  return Number(seq)
}

export function writeCursor(seq: Seq): string {
  return Buffer.from(`c${seq}`, 'latin1').toString('base64url')
}

/** One page of the records that the caller may see. A page may be short where much is hidden; only `next_cursor: null` is the end. */
export async function pageOf<Kind extends RecordKind, Item>(
  store: Store,
  kind: Kind,
  tenant: TenantId,
  filters: { readonly columns: Values; readonly facets: readonly Facet[] },
  page: PageQuery,
  visible: (record: Records[Kind]) => boolean,
  present: (loaded: Loaded<Kind>) => Item | Promise<Item>,
): Promise<Page<Item>> {
  const found: Loaded<Kind>[] = []
  let afterSeq = readCursor(page.cursor)
  for (let reads = 0; reads < readsPerPageMax; reads += 1) {
    const limit = page.pageSize - found.length + 1
    const rows = await store.list(kind, tenant, { ...filters, afterSeq, limit })
    for (const row of rows) {
      if (found.length === page.pageSize) {
        return { data: await Promise.all(found.map(present)), next_cursor: writeCursor(afterSeq) }
      }
      afterSeq = row.createdSeq
      if (visible(row.record)) found.push(row)
    }
    if (rows.length < limit) return { data: await Promise.all(found.map(present)), next_cursor: null }
  }
  return { data: await Promise.all(found.map(present)), next_cursor: writeCursor(afterSeq) }
}
