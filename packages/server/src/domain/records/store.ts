/**
 * Records as this node knows them: read through a bounded cache, believed only after their row was authenticated, forgotten the moment the journal
 * says that they changed.
 */
import { Fault } from '../../model/fault.ts'
import type { Seq, TenantId } from '../../model/ids.ts'
import type { RecordKind } from '../../model/records.ts'
import type { Database, ListQuery, StoredRow } from '../../ports/database.ts'
import type { Log } from '../../ports/log.ts'
import type { Keyring } from '../seal/keyring.ts'
import type { Entry } from '../../model/journal.ts'
import { targetKinds } from './projection.ts'
import { type Loaded, readRow, type RowFault } from './rows.ts'

export interface StoreDeps {
  readonly database: Pick<Database, 'record' | 'list' | 'count' | 'named'>
  readonly keyring: Keyring
  readonly log: Log
}

/** Records of one kind that a node keeps in memory. */
export const cachedMax: Readonly<Record<RecordKind, number>> = {
  tenants: 1_000,
  apis: 5_000,
  consumers: 20_000,
  keys: 20_000,
  operators: 5_000,
}

/** Revisions that a node remembers after it has forgotten the record, so that an older row is not believed. */
const seenMax = 100_000

export class Store {
  readonly #deps: StoreDeps
  readonly #cache = new Map<RecordKind, Map<string, Loaded<RecordKind>>>()
  readonly #loading = new Map<string, Set<{ stale: boolean }>>()
  readonly #seen = new Map<string, { readonly seq: Seq; readonly tick: number }>()
  /** Ids of cached apis by identifier, for each tenant. */
  readonly #apiIds = new Map<TenantId, Map<string, string>>()
  #tick = 0

  constructor(deps: StoreDeps) {
    this.#deps = deps
  }

  /** A record that is in memory already: no waiting on the hot path. */
  known<Kind extends RecordKind>(kind: Kind, id: string): Loaded<Kind> | undefined {
    return this.#cache.get(kind)?.get(id) as Loaded<Kind> | undefined
  }

  /** An api that is in memory already, by its id or its identifier. */
  knownApi(tenant: TenantId, idOrIdentifier: string): Loaded<'apis'> | undefined {
    const id = this.#apiIds.get(tenant)?.get(idOrIdentifier) ?? idOrIdentifier
    const api = this.known('apis', id)
    return api?.tenant === tenant ? api : undefined
  }

  /** A record of any tenant, or `undefined` where there is none. Throws a Fault where its row is not believed. */
  async get<Kind extends RecordKind>(kind: Kind, id: string): Promise<Loaded<Kind> | undefined> {
    return this.known(kind, id) ?? (await this.#load(kind, id))
  }

  /** A record of this tenant; another tenant's id is answered as one that never was. */
  async of<Kind extends RecordKind>(kind: Kind, tenant: TenantId, id: string): Promise<Loaded<Kind> | undefined> {
    const loaded = await this.get(kind, id)
    return loaded?.tenant === tenant ? loaded : undefined
  }

  /** The record as the database has it now, whatever is in memory: for changes. */
  async fresh<Kind extends RecordKind>(kind: Kind, tenant: TenantId, id: string): Promise<Loaded<Kind> | undefined> {
    const tick = this.#tick
    const row = await this.#deps.database.record(kind, id)
    return row === undefined || row.tenant !== tenant ? undefined : await this.#believe(kind, row, tick)
  }

  /** One page in the order of creation. */
  async list<Kind extends RecordKind>(
    kind: Kind,
    tenant: TenantId,
    query: ListQuery,
  ): Promise<readonly Loaded<Kind>[]> {
    const tick = this.#tick
    const rows = await this.#deps.database.list(kind, tenant, query)
    return await Promise.all(rows.map((row) => this.#believe(kind, row, tick)))
  }

  /** The record that a name stands for, if it agrees. */
  async named<Kind extends RecordKind>(
    kind: Kind,
    tenant: TenantId,
    nameTenant: string,
    nameKind: string,
    name: string,
    agrees: (record: Loaded<Kind>['record']) => boolean,
  ): Promise<Loaded<Kind> | undefined> {
    const id = await this.#deps.database.named(nameTenant, nameKind, name)
    if (id === undefined) return undefined
    const loaded = await this.of(kind, tenant, id)
    return loaded !== undefined && agrees(loaded.record) ? loaded : undefined
  }

  /** Forgets what an entry of the journal changed. */
  follow(entry: Entry): void {
    for (const kind of recordKindsOf(entry)) {
      this.#cache.get(kind)?.delete(entry.target.id)
      const place = `${kind}/${entry.target.id}`
      for (const loading of this.#loading.get(place) ?? []) loading.stale = true
      this.#see(place, entry.seq)
    }
  }

  async #load<Kind extends RecordKind>(kind: Kind, id: string): Promise<Loaded<Kind> | undefined> {
    const place = `${kind}/${id}`
    for (;;) {
      const loading = { stale: false }
      const others = this.#loading.get(place) ?? new Set()
      this.#loading.set(place, others.add(loading))
      try {
        const tick = this.#tick
        const row = await this.#deps.database.record(kind, id)
        const loaded = row === undefined ? undefined : await this.#believe(kind, row, tick)
        // An entry that came while the row was read may make it an old one: read again.
        if (loading.stale) continue
        if (loaded !== undefined) this.#keep(kind, id, loaded)
        return loaded
      } finally {
        others.delete(loading)
        if (others.size === 0) this.#loading.delete(place)
      }
    }
  }

  /** `tick` is when the read began: a revision that was seen later than that says nothing against an older row. */
  async #believe<Kind extends RecordKind>(kind: Kind, row: StoredRow, tick: number): Promise<Loaded<Kind>> {
    const read = readRow(kind, row, await this.#deps.keyring.having(row.tenant, row.dek))
    const fault: RowFault | undefined = typeof read === 'string' ? read : undefined
    const place = `${kind}/${row.id}`
    const seen = this.#seen.get(place)
    if (typeof read === 'string' || (seen !== undefined && seen.tick <= tick && row.revision < seen.seq)) {
      const reason = fault ?? 'revived_revision'
      this.#deps.log.error('integrity.violated', { tenant: row.tenant, table: kind, id: row.id, reason })
      throw new Fault('unavailable', 'A stored record fails its integrity check, so nothing is answered from it.', {
        note: `${kind} ${row.id}: ${reason}`,
      })
    }
    this.#see(place, read.revision)
    return read
  }

  #keep<Kind extends RecordKind>(kind: Kind, id: string, loaded: Loaded<Kind>): void {
    let cache = this.#cache.get(kind)
    if (cache === undefined) {
      cache = new Map()
      this.#cache.set(kind, cache)
    }
    if (cache.size >= cachedMax[kind]) {
      const oldest = cache.keys().next().value
      if (oldest !== undefined) cache.delete(oldest)
    }
    cache.set(id, loaded as Loaded<RecordKind>)
    if (kind === 'apis') {
      // Identifiers never change and never pass to another api while this one is in the cache.
      const { identifier } = (loaded as Loaded<'apis'>).record
      const ids = this.#apiIds.get(loaded.tenant) ?? new Map<string, string>()
      if (ids.size >= cachedMax.apis || this.#apiIds.size >= cachedMax.tenants) this.#apiIds.clear()
      this.#apiIds.set(loaded.tenant, ids.set(identifier, id))
    }
  }

  #see(place: string, revision: Seq): void {
    if (revision <= (this.#seen.get(place)?.seq ?? 0)) return
    this.#tick += 1
    this.#seen.delete(place)
    this.#seen.set(place, { seq: revision, tick: this.#tick })
    if (this.#seen.size > seenMax) {
      const oldest = this.#seen.keys().next().value
      if (oldest !== undefined) this.#seen.delete(oldest)
    }
  }
}

function recordKindsOf(entry: Entry): RecordKind[] {
  return (Object.keys(targetKinds) as RecordKind[]).filter((kind) => targetKinds[kind] === entry.target.kind)
}
