/**
 * What this node knows of a proven credential: its key, version, consumer and apis together, found by the digest of the presented text. Kept in a
 * bounded cache; an entry of the journal that touches any of it drops it. The text itself is never kept.
 */
import type { Instant, TenantId } from '../../model/ids.ts'
import type { Entry } from '../../model/journal.ts'
import type { SecretVersion } from '../../model/records.ts'
import type { Loaded } from '../records/rows.ts'
import type { Proven } from './decision.ts'

/** A grant as it holds now: scopes that were granted and that the api still has. */
export interface LiveGrant {
  readonly api: Loaded<'apis'>
  readonly scopes: readonly string[]
}

export interface Facts {
  readonly tenant: TenantId
  readonly key: Loaded<'keys'>
  readonly version: SecretVersion
  readonly consumer: Loaded<'consumers'>
  readonly grants: readonly LiveGrant[]
  /** Verdicts `ok` by what was asked for as the api ('' for none): facts never change, so only time can end one. */
  readonly oks: Map<string, RememberedOk>
}

/** That a credential was found good at an api, and between which instants that holds as long as no entry of the journal touches it. */
export interface RememberedOk {
  readonly proven: Proven
  readonly since: Instant
  readonly until: Instant
  /** An entrance's own text of the answer, which goes when this goes. */
  rendering: string | undefined
}

export const factsMax = 20_000
export const negativesMax = 20_000
/** How long a credential that was not found is not looked for again; a new key or secret clears it at once. */
export const negativeMilliseconds = 5_000

/** A look-up under way: what changes meanwhile makes its result unfit for keeping. */
export interface LookUp {
  keyId: string | undefined
  stale: boolean
}

export class FactsCache {
  readonly #byDigest = new Map<string, Facts>()
  readonly #byKey = new Map<string, Set<string>>()
  readonly #negatives = new Map<string, number>()
  readonly #lookUps = new Set<LookUp>()

  get(digest: string): Facts | undefined {
    return this.#byDigest.get(digest)
  }

  /** Whether this digest was looked for in vain a moment ago. */
  isNegative(tenant: TenantId, digest: string, now: number): boolean {
    const until = this.#negatives.get(`${tenant} ${digest}`)
    return until !== undefined && now < until
  }

  begin(): LookUp {
    const lookUp = { keyId: undefined, stale: false }
    this.#lookUps.add(lookUp)
    return lookUp
  }

  end(lookUp: LookUp): void {
    this.#lookUps.delete(lookUp)
  }

  keep(digest: string, facts: Facts, lookUp: LookUp): void {
    if (lookUp.stale) return
    if (this.#byDigest.size >= factsMax) this.#dropOldest()
    this.#byDigest.set(digest, facts)
    const id = facts.key.record.id
    const digests = this.#byKey.get(id) ?? new Set()
    this.#byKey.set(id, digests.add(digest))
  }

  keepNegative(tenant: TenantId, digest: string, now: number, lookUp: LookUp): void {
    if (lookUp.stale) return
    if (this.#negatives.size >= negativesMax) this.#negatives.clear()
    this.#negatives.set(`${tenant} ${digest}`, now + negativeMilliseconds)
  }

  /** Drops what an entry of the journal makes untrue. */
  follow(entry: Entry): void {
    const { kind, id } = entry.target
    if (kind === 'key') {
      this.#negatives.clear()
      this.#dropKey(id)
      for (const lookUp of this.#lookUps) if (lookUp.keyId === undefined || lookUp.keyId === id) lookUp.stale = true
    } else if ((kind === 'consumer' || kind === 'api') && !entry.action.endsWith('.create')) {
      // Rare, and it may concern any number of keys; their records stay in the store's cache.
      this.#byDigest.clear()
      this.#byKey.clear()
      for (const lookUp of this.#lookUps) lookUp.stale = true
    }
  }

  #dropKey(id: string): void {
    for (const digest of this.#byKey.get(id) ?? []) this.#byDigest.delete(digest)
    this.#byKey.delete(id)
  }

  #dropOldest(): void {
    const oldest = this.#byDigest.entries().next().value
    if (oldest !== undefined) this.#dropKey(oldest[1].key.record.id)
  }
}
