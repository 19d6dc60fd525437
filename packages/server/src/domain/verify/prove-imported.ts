/**
 * Possession of imported credentials: texts of other systems, found by a per-tenant keyed index of their plain digest, or by their public head where
 * only a slow hash of them is kept. A slow hash that matched is replaced by the fast digest where the text is strong enough for one.
 */
import type { TenantId } from '../../model/ids.ts'
import { Fault } from '../../model/fault.ts'
import type { SlowHashValue } from '../../ports/slow-hash.ts'
import { estimateEntropyBits } from '../import/entropy.ts'
import { indexNames } from '../import/index-name.ts'
import { exceedsBcrypt, parseSlowHash } from '../import/slow-hash-text.ts'
import { commit } from '../journal/ledger.ts'
import { openVersion, sealVersion } from '../keys/versions.ts'
import { systemActor } from '../records/change.ts'
import { type Loaded, updateRecord } from '../records/rows.ts'
import { plainDigestOf } from '../seal/digest.ts'
import { sameMac } from '../seal/tenant-keys.ts'
import type { Found, ProveDeps, Unproven } from './prove.ts'

/** Heads that an import may bring: from the shortest to the longest. */
export const lookupLengthMin = 6
export const lookupLengthMax = 64

/** Below this many bits a fast digest would be a test for guesses. */
export const fastDigestBitsMin = 128

export async function proveImported(deps: ProveDeps, tenant: TenantId, credential: string): Promise<Found | Unproven> {
  return (await proveIndexed(deps, tenant, credential)) ?? (await proveSlow(deps, tenant, credential)) ?? 'never_issued'
}

async function proveIndexed(deps: ProveDeps, tenant: TenantId, credential: string): Promise<Found | undefined> {
  const keys = await deps.keyring.of(tenant)
  const digests = { sha256: plainDigestOf('sha256', credential), sha512: plainDigestOf('sha512', credential) }
  const names = (['sha256', 'sha512'] as const).flatMap((kind) => indexNames(keys, kind, digests[kind]))
  const id = await deps.database.namedAny(tenant, 'credential', names)
  const key = id === undefined ? undefined : await deps.store.of('keys', tenant, id)
  if (key === undefined) return undefined
  for (const version of key.record.versions) {
    if (version.kind !== 'sha256' && version.kind !== 'sha512') continue
    const stored = openVersion(keys, key.record.id, version)
    if (stored !== undefined && sameMac(stored, digests[version.kind])) return { key, version }
  }
  return undefined
}

async function proveSlow(deps: ProveDeps, tenant: TenantId, credential: string): Promise<Found | undefined> {
  const heads = []
  for (let length = lookupLengthMin; length <= Math.min(lookupLengthMax, credential.length); length += 1) {
    heads.push(credential.slice(0, length))
  }
  const id = heads.length === 0 ? undefined : await deps.database.namedAny(tenant, 'lookup', heads)
  const key = id === undefined ? undefined : await deps.store.of('keys', tenant, id)
  if (key === undefined) return await spendDummy(deps, tenant, credential)
  const keys = await deps.keyring.of(tenant)
  for (const version of key.record.versions) {
    if (version.kind !== 'bcrypt' && version.kind !== 'argon2id') continue
    const text = openVersion(keys, key.record.id, version)
    const expected = text === undefined ? 'malformed' : parseSlowHash(text)
    if (typeof expected === 'string') continue
    const verdict = await deps.slowHash.verify(expected, credential)
    // Nothing is known then: the caller must not be told that the credential is none.
    if (verdict === 'busy' || verdict === 'unavailable')
      throw new Fault('unavailable', 'Too many slow hashes are being checked.', { retryAfterSeconds: 1 })
    if (verdict === 'match') return await strengthen(deps, { key, version }, credential, expected)
  }
  return undefined
}

/** A tenant with slow hashes spends one on what it does not know, so that time does not tell who has an account there (security rule 12). */
async function spendDummy(deps: ProveDeps, tenant: TenantId, credential: string): Promise<undefined> {
  const cost = await deps.slowCosts.of(tenant)
  if (cost !== undefined) await deps.slowHash.dummy(cost, credential)
  return undefined
}

/** Moves a strong text from its slow hash to the fast digest. Another writer's change meanwhile, or a duplicate, leaves it as it is. */
async function strengthen(deps: ProveDeps, found: Found, credential: string, slow: SlowHashValue): Promise<Found> {
  const ambiguous = slow.kind === 'bcrypt' && exceedsBcrypt(credential)
  if (ambiguous || estimateEntropyBits(credential) < fastDigestBitsMin) return found
  const { key, version } = found
  const keys = await deps.keyring.of(key.tenant)
  const digest = plainDigestOf('sha256', credential)
  const name = indexNames(keys, 'sha256', digest).at(0)
  let after: Loaded<'keys'> = key
  const committed = await commit(deps, {
    tenant: key.tenant,
    steps: [
      {
        actor: systemActor,
        action: 'secret.rehash',
        target: { kind: 'key', id: key.record.id },
        changes: { version: version.version, from: version.kind, to: 'sha256' },
        writes: ({ seq, sealer }) => {
          const resealed = {
            ...sealVersion(sealer, key.record.id, digest, { ...version, kind: 'sha256' }),
            state: version.state,
            until: version.until,
            ended: version.ended,
          }
          const versions = key.record.versions.map((one) => (one.version === version.version ? resealed : one))
          after = { ...key, record: { ...key.record, versions }, revision: seq }
          return updateRecord(
            'keys',
            key,
            after.record,
            seq,
            keys,
            name === undefined ? [] : [{ kind: 'credential', name }],
          )
        },
      },
    ],
    answer: () => undefined,
  })
  if ('refused' in committed) return found
  return { key: after, version: after.record.versions.find((one) => one.version === version.version) ?? version }
}
