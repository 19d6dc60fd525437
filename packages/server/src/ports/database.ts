/**
 * The database as the domain sees it: rows whose bodies it cannot read the meaning of, one journal per tenant, and one way to change anything.
 *
 * Contract, which `database.contract.ts` runs on every implementation:
 * - `transact` holds the named tenants' heads (created where absent) from before `build` runs until the commit, so that the changes of a tenant happen
 *   one after another, over all processes. `build` is synchronous and may be called again, with newer heads, as long as the commit was not sent: after a
 *   lost connection, or because a change before it in the same group was refused. It sees the heads of the changes before it in the group.
 * - Everything that `build` answers is written, or nothing. When `transact` resolves with `committed`, it is durable.
 * - A write whose condition does not hold undoes all of them and answers `refused` with that write's index. In conditions null equals null.
 * - What `build` throws rejects its own call alone, as does a write that the schema does not admit.
 * - A commit with an unknown outcome (the connection broke after it was sent) throws `DatabaseLost`, as does an unreachable database.
 * - Reads see everything committed before they began. Texts compare by bytes. Lists come in ascending order of their cursor.
 */
import type { Instant, Seq, TenantId } from '../model/ids.ts'
import type { RecordKind } from '../model/records.ts'

/** The database cannot be reached, or a commit's outcome is unknown. Its message is for the operator. */
export class DatabaseLost extends Error {
  override readonly name = 'DatabaseLost'
}

/** The disk or a quota is full: nothing was written, reads go on. */
export class DatabaseFull extends Error {
  override readonly name = 'DatabaseFull'
}

export type Value = string | number | null
export type Values = Readonly<Record<string, Value>>

export type TableName = RecordKind | 'deks' | 'facets' | 'names' | 'journal' | 'replays' | 'checkpoints'

/**
 * One conditional write. `update` and `require` need exactly one matching row, `absent` none, `insert` a free key, `below` fewer than `limit` rows;
 * `delete` takes what there is.
 */
export type Write =
  | { readonly kind: 'insert'; readonly table: TableName; readonly values: Values }
  | { readonly kind: 'update'; readonly table: TableName; readonly set: Values; readonly where: Values }
  | { readonly kind: 'delete'; readonly table: TableName; readonly where: Values }
  | { readonly kind: 'require'; readonly table: TableName; readonly where: Values }
  | { readonly kind: 'absent'; readonly table: TableName; readonly where: Values }
  | { readonly kind: 'below'; readonly table: TableName; readonly where: Values; readonly limit: number }

/** The end of a tenant's journal, and how many values were ever sealed under the tenant's keys. */
export interface Head {
  readonly seq: Seq
  readonly hash: string
  readonly seals: number
}

export interface Batch {
  /** Each tenant's new head. A tenant that is not named keeps its own. */
  readonly heads: ReadonlyMap<TenantId, Head>
  readonly writes: readonly Write[]
}

export type Transacted = { readonly outcome: 'committed' } | { readonly outcome: 'refused'; readonly write: number }

/** A record as it lies in its table. `lastSeq` is the newest journal entry about it, read in the same statement. */
export interface StoredRow {
  readonly tenant: TenantId
  readonly id: string
  readonly revision: Seq
  readonly dek: number
  readonly body: string
  readonly mac: string
  readonly created_seq: Seq
  readonly columns: Values
  readonly lastSeq: Seq
}

export interface StoredEntry {
  readonly tenant: TenantId
  readonly seq: Seq
  readonly prev: string
  readonly target: string
  readonly entry: string
  readonly hash: string
  readonly mac: string
  readonly dek: number
  readonly contents: string | null
}

export interface StoredDek {
  readonly tenant: TenantId
  readonly version: number
  readonly kek: string
  readonly wrapped: string
  readonly created_at: Instant
}

export interface StoredReplay {
  readonly scope: string
  readonly body_mac: string
  readonly sealed: string
  readonly expires_at: Instant
}

export interface StoredCheckpoint {
  readonly tenant: TenantId
  readonly size: Seq
  readonly note: string
  readonly frontier: string
}

/** Which rows of a kind to list: all `columns` equal, all `facets` present, after `afterSeq` in the order of creation. */
export interface ListQuery {
  readonly columns: Values
  readonly facets: readonly { readonly name: string; readonly value: string }[]
  readonly afterSeq: Seq
  readonly limit: number
}

export interface Database {
  readonly dialect: 'sqlite' | 'postgres'
  transact(tenants: readonly TenantId[], build: (heads: ReadonlyMap<TenantId, Head>) => Batch): Promise<Transacted>

  record(kind: RecordKind, id: string): Promise<StoredRow | undefined>
  records(kind: RecordKind, ids: readonly string[]): Promise<readonly StoredRow[]>
  list(kind: RecordKind, tenant: TenantId, query: ListQuery): Promise<readonly StoredRow[]>
  count(
    kind: RecordKind,
    tenant: TenantId,
    columns: Values,
    facets: readonly { readonly name: string; readonly value: string }[],
  ): Promise<number>
  /** The id that a name stands for within a tenant: an api's identifier, a consumer's external id, an imported client_id. */
  named(tenant: string, kind: string, name: string): Promise<string | undefined>
  /** As `named`, for the first of the names, in their order, that stands for anything. */
  namedAny(tenant: string, kind: string, names: readonly string[]): Promise<string | undefined>

  heads(): Promise<ReadonlyMap<TenantId, Head>>
  entries(tenant: TenantId, afterSeq: Seq, limit: number): Promise<readonly StoredEntry[]>
  entriesOf(tenant: TenantId, target: string, afterSeq: Seq, limit: number): Promise<readonly StoredEntry[]>
  deks(tenant: TenantId): Promise<readonly StoredDek[]>
  replay(scope: string): Promise<StoredReplay | undefined>
  latestCheckpoint(tenant: TenantId): Promise<StoredCheckpoint | undefined>

  /** Writes outside the journal: wraps of DEKs, checkpoints, outdated replays. All or nothing; answers as `transact` does. */
  maintain(writes: readonly Write[]): Promise<Transacted>
  /** Deletes replays that ended before `now`. */
  forgetReplays(now: Instant): Promise<void>

  /** Calls back soon after another process committed (or after this one did; too often is allowed). Returns how to stop. */
  watch(onChange: () => void): () => void
  /** Settings that would break a promise, as sentences: asynchronous commit, an SQLite with the WAL fault. Empty when all is well. */
  diagnose(): Promise<readonly { readonly severity: 'refuse' | 'warn'; readonly sentence: string }[]>
  close(): Promise<void>
}
