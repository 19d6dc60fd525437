/**
 * The reading half of the port, the same for both databases: it needs only a way to run a query.
 */
import type { TenantId } from '../../model/ids.ts'
import type { Database } from '../../ports/database.ts'
import type { Queries, Query } from './queries.ts'
import { type ResultRow, toCheckpoint, toDek, toEntry, toHead, toReplay, toRow } from './rows.ts'

export type Reads = Pick<
  Database,
  | 'record'
  | 'records'
  | 'list'
  | 'count'
  | 'named'
  | 'namedAny'
  | 'heads'
  | 'entries'
  | 'entriesOf'
  | 'deks'
  | 'replay'
  | 'latestCheckpoint'
>

/** Ids that one statement asks for. */
const idsPerQuery = 100

export function readsOf(queries: Queries, all: (query: Query) => Promise<readonly ResultRow[]>): Reads {
  const first = async (query: Query): Promise<ResultRow | undefined> => (await all(query))[0]
  const firstNamed = async (tenant: string, kind: string, names: readonly string[]): Promise<string | undefined> => {
    if (names.length === 0) return undefined
    const found = new Map((await all(queries.named(tenant, kind, names))).map((row) => [row['name'], row['id']]))
    const name = names.find((wanted) => found.has(wanted))
    return name === undefined ? undefined : String(found.get(name))
  }
  return {
    record: async (kind, id) => {
      const row = await first(queries.record(kind, id))
      return row === undefined ? undefined : toRow(kind, row)
    },
    records: async (kind, ids) => {
      const rows: ResultRow[] = []
      for (let at = 0; at < ids.length; at += idsPerQuery) {
        rows.push(...(await all(queries.records(kind, ids.slice(at, at + idsPerQuery)))))
      }
      return rows.map((row) => toRow(kind, row))
    },
    list: async (kind, tenant, query) => (await all(queries.list(kind, tenant, query))).map((row) => toRow(kind, row)),
    count: async (kind, tenant, columns, facets) =>
      Number((await first(queries.count(kind, tenant, columns, facets)))?.['count'] ?? 0),
    named: async (tenant, kind, name) => await firstNamed(tenant, kind, [name]),
    namedAny: firstNamed,
    heads: async () => new Map((await all(queries.heads())).map(toHead)),
    entries: async (tenant: TenantId, afterSeq, limit) =>
      (await all(queries.entries(tenant, afterSeq, limit))).map(toEntry),
    entriesOf: async (tenant, target, afterSeq, limit) =>
      (await all(queries.entries(tenant, afterSeq, limit, target))).map(toEntry),
    deks: async (tenant) => (await all(queries.deks(tenant))).map(toDek),
    replay: async (scope) => {
      const row = await first(queries.replay(scope))
      return row === undefined ? undefined : toReplay(row)
    },
    latestCheckpoint: async (tenant) => {
      const row = await first(queries.latestCheckpoint(tenant))
      return row === undefined ? undefined : toCheckpoint(row)
    },
  }
}
