/**
 * The smallest change that touches every kind of table, for tests of the database port: a key with two facets and a name, and the journal entry about it.
 * Hashes and MACs are only marks here; what they mean is the domain's.
 */
import { createHash } from 'node:crypto'
import type { TenantId } from '../model/ids.ts'
import { genesisHash } from '../model/journal.ts'
import type { Batch, Head, Value, Values, Write } from '../ports/database.ts'

export const facetsPerKey = ['odd', 'even'] as const

/** The head of a tenant whose journal is empty. */
export const emptyHead: Head = { seq: 0, hash: genesisHash, seals: 0 }

/** A journal entry on top of a head, and the head that follows. */
export function entryOn(tenant: TenantId, head: Head, target: string): { readonly head: Head; readonly write: Write } {
  const hash = createHash('sha256').update(`${head.hash} ${target}`).digest('hex')
  const seq = head.seq + 1
  const values = { tenant, seq, prev: head.hash, target, entry: '{}', hash, mac: 'm', dek: 1, contents: null }
  return {
    head: { seq, hash, seals: head.seals + 2 },
    write: { kind: 'insert', table: 'journal', values },
  }
}

/** The row of a key. */
export function keyRow(tenant: TenantId, id: string, seq: number, columns: Values = {}): Record<string, Value> {
  return {
    tenant,
    id,
    revision: seq,
    dek: 1,
    body: '{"sealed":"…"}',
    mac: 'm',
    created_seq: seq,
    name: 'key',
    consumer_id: 'con_1',
    environment: 'live',
    state: 'enabled',
    expires_at: null,
    ...columns,
  }
}

/** A new key with its facets, its name and its journal entry, on top of a head. */
export function newKey(tenant: TenantId, head: Head, id: string): Batch {
  const entry = entryOn(tenant, head, `key:${id}`)
  return {
    heads: new Map([[tenant, entry.head]]),
    writes: [
      { kind: 'insert', table: 'keys', values: keyRow(tenant, id, entry.head.seq) },
      ...facetsPerKey.map(
        (value): Write => ({
          kind: 'insert',
          table: 'facets',
          values: { tenant, kind: 'keys', name: 'meta.parity', value, created_seq: entry.head.seq },
        }),
      ),
      { kind: 'insert', table: 'names', values: { tenant, kind: 'lookup', name: id, id } },
      entry.write,
    ],
  }
}
