/**
 * What a slow hash costs at a tenant that has any: the cost of the dummy that an unknown credential pays there (security rule 12).
 */
import type { TenantId } from '../../model/ids.ts'
import type { SlowHashCost } from '../../ports/slow-hash.ts'
import { openVersion } from '../keys/versions.ts'
import type { Domain } from '../records/domain.ts'
import { slowFacet } from '../records/projection.ts'
import { parseSlowHash } from './slow-hash-text.ts'

export class SlowCosts {
  readonly #domain: Pick<Domain, 'store' | 'keyring' | 'listener'>
  readonly #costs = new Map<TenantId, SlowHashCost | undefined>()

  constructor(domain: Pick<Domain, 'store' | 'keyring' | 'listener'>) {
    this.#domain = domain
    domain.listener.listen((tenant, entry) => {
      if (entry.action === 'key.import' || entry.action === 'secret.rehash') this.#costs.delete(tenant)
    })
  }

  /** The cost of the tenant's oldest slow hash, or `undefined` where it has none. */
  async of(tenant: TenantId): Promise<SlowHashCost | undefined> {
    if (this.#costs.has(tenant)) return this.#costs.get(tenant)
    const cost = await this.#find(tenant)
    this.#costs.set(tenant, cost)
    return cost
  }

  async #find(tenant: TenantId): Promise<SlowHashCost | undefined> {
    const [key] = await this.#domain.store.list('keys', tenant, {
      columns: {},
      facets: [slowFacet],
      afterSeq: 0,
      limit: 1,
    })
    if (key === undefined) return undefined
    const keys = await this.#domain.keyring.of(tenant)
    for (const version of key.record.versions) {
      if (version.kind !== 'bcrypt' && version.kind !== 'argon2id') continue
      const text = openVersion(keys, key.record.id, version)
      const value = text === undefined ? 'malformed' : parseSlowHash(text)
      if (typeof value !== 'string') return value
    }
    return undefined
  }
}
