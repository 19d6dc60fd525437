/**
 * The DEKs of all tenants, unwrapped once and kept: the only place where a KEK is used to read. A tenant whose DEKs no given KEK opens has no
 * keys here, and says so.
 */
import { Fault } from '../../model/fault.ts'
import type { TenantId } from '../../model/ids.ts'
import type { Database, StoredDek, Write } from '../../ports/database.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Kek } from '../../ports/kek.ts'
import type { Random } from '../../ports/random.ts'
import { dekBytes, TenantKeys } from './tenant-keys.ts'

/** The first KEK seals; all of them open. */
export type Keks = readonly [Kek, ...Kek[]]

export class Keyring {
  readonly #database: Pick<Database, 'deks'>
  readonly #keks: Keks
  readonly #tenants = new Map<TenantId, TenantKeys>()
  readonly #loading = new Map<TenantId, Promise<TenantKeys>>()

  constructor(database: Pick<Database, 'deks'>, keks: Keks) {
    this.#database = database
    this.#keks = keks
  }

  /** The keys of a tenant if they were loaded before: no waiting on the hot path. */
  known(tenant: TenantId): TenantKeys | undefined {
    return this.#tenants.get(tenant)
  }

  /** The keys of a tenant; throws a Fault `unavailable` where no KEK opens them. */
  of(tenant: TenantId): Promise<TenantKeys> {
    const known = this.#tenants.get(tenant)
    if (known !== undefined) return Promise.resolve(known)
    const loading = this.#loading.get(tenant)
    if (loading !== undefined) return loading
    const load = this.#load(tenant).finally(() => this.#loading.delete(tenant))
    this.#loading.set(tenant, load)
    return load
  }

  /** As `of`, for keys that know this DEK version: another process may have made it since. */
  async having(tenant: TenantId, version: number): Promise<TenantKeys> {
    const keys = await this.of(tenant)
    if (keys.has(version)) return keys
    this.forget(tenant)
    return await this.of(tenant)
  }

  /** Keys that this node just made, so that a new tenant can be written before its DEK can be read back. */
  adopt(keys: TenantKeys): void {
    this.#tenants.set(keys.tenant, keys)
  }

  /** Drops a tenant's keys, so that a new DEK version is seen. */
  forget(tenant: TenantId): void {
    this.#tenants.delete(tenant)
  }

  async #load(tenant: TenantId): Promise<TenantKeys> {
    const opened = await openDeks(await this.#database.deks(tenant), this.#keks)
    if (opened.size === 0) {
      throw new Fault('unavailable', 'The keys of this tenant cannot be opened.', {
        note: `no KEK of ${this.#keks.map((kek) => kek.place).join(', ')} opens the keys of ${tenant}`,
      })
    }
    const keys = new TenantKeys(tenant, opened)
    this.#tenants.set(tenant, keys)
    return keys
  }
}

/** What a wrap of a DEK is bound to. */
export function wrapContext(tenant: TenantId, version: number): string {
  return `keywright/v1 dek ${tenant.length}:${tenant} ${version}`
}

/** Opens each version with whichever KEK can; a version that none opens is left out. */
export async function openDeks(stored: readonly StoredDek[], keks: Keks): Promise<Map<number, Uint8Array>> {
  const opened = new Map<number, Uint8Array>()
  for (const wrap of stored) {
    if (opened.has(wrap.version)) continue
    const kek = keks.find((candidate) => candidate.id === wrap.kek)
    if (kek === undefined) continue
    const dek = await kek.unwrap(Buffer.from(wrap.wrapped, 'base64url'), wrapContext(wrap.tenant, wrap.version))
    if (dek !== undefined && dek.length === dekBytes) opened.set(wrap.version, dek)
  }
  return opened
}

/** A fresh DEK for a tenant and the write that keeps it, wrapped under the sealing KEK. */
export async function makeDek(
  deps: { readonly random: Random; readonly clock: Clock },
  kek: Kek,
  tenant: TenantId,
  version: number,
): Promise<{ readonly dek: Uint8Array; readonly write: Write }> {
  const dek = deps.random.bytes(dekBytes)
  return { dek, write: await wrapDek(deps, kek, tenant, version, dek) }
}

/** The write that keeps a DEK under a KEK. */
export async function wrapDek(
  deps: { readonly clock: Clock },
  kek: Kek,
  tenant: TenantId,
  version: number,
  dek: Uint8Array,
): Promise<Write> {
  const wrapped = await kek.wrap(dek, wrapContext(tenant, version))
  return {
    kind: 'insert',
    table: 'deks',
    values: {
      tenant,
      version,
      kek: kek.id,
      wrapped: Buffer.from(wrapped).toString('base64url'),
      created_at: deps.clock.now(),
    },
  }
}
