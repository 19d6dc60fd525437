/**
 * The secrets of a key: a new version with an overlap, promotion of a pending one, rollback to a retiring one, revocation.
 */
import { Fault, invalidField } from '../../model/fault.ts'
import type { Instant } from '../../model/ids.ts'
import { writeInstantOrNull } from '../../model/instant.ts'
import type { KeyRecord, SecretVersion } from '../../model/records.ts'
import { type Caller, seesKey } from '../access/caller.ts'
import { type ChangeDeps, changeRecord, type IfMatch } from '../records/change.ts'
import { newSecret } from '../records/ids.ts'
import { digestOf } from '../seal/digest.ts'
import { parseCredential } from '@keywright/credential/credential'
import { visibleKey } from './keys.ts'
import { presentRetiring, presentVersion } from './present.ts'
import { isLive, nextVersion, retire, revokeVersion, sealVersion, statusAt, versionsMax, withRoom } from './versions.ts'

/** How long the old versions live on where nothing is said. */
export const overlapSecondsDefault = 3_600

export interface SecretInput {
  readonly state: 'active' | 'pending'
  readonly overlap_seconds: number
  readonly expires_at: Instant | null
}

export interface CreatedSecret {
  readonly version: number
  /** The secret itself: here and never again. */
  readonly value: string
  readonly state: 'active' | 'pending'
  readonly expires_at: string | null
  readonly retiring: readonly { readonly version: number; readonly until: string | null }[]
  readonly seq: number
}

/** Makes a new version. An active one sends the others into retirement; a pending one verifies already and leaves them as they are. */
export async function createSecret(
  deps: ChangeDeps,
  caller: Caller,
  keyId: string,
  input: SecretInput,
  ifMatch?: IfMatch,
): Promise<CreatedSecret> {
  const key = await visibleKey(deps, caller, keyId)
  if (input.expires_at !== null && input.expires_at <= deps.clock.now()) {
    throw invalidField('/expires_at', 'A secret must expire in the future.')
  }
  const secret = newSecret(deps.random, key.record.environment, idInside(key.record))
  const digest = digestOf(secret.reveal())
  return await changeRecord(
    deps,
    caller,
    'keys',
    key.record.id,
    ({ record }) => {
      requireNotRevoked(record)
      const version = nextVersion(record.versions)
      if (withRoom(record.versions, deps.clock.now()) === undefined) {
        throw new Fault('conflict', `This key has ${versionsMax} versions that are alive. Revoke some first.`)
      }
      return {
        action: 'secret.create',
        changes: {
          version,
          state: input.state,
          overlap_seconds: input.overlap_seconds,
          expires_at: writeInstantOrNull(input.expires_at),
        },
        make: ({ at, sealer }) => {
          const old =
            input.state === 'pending' ? record.versions : retire(record.versions, at, input.overlap_seconds, isPromoted)
          const made = sealVersion(sealer, record.id, digest, {
            version,
            state: input.state,
            kind: 'native',
            created_at: at,
            expires_at: input.expires_at,
          })
          return { ...record, versions: [...(withRoom(old, at) ?? old), made] }
        },
      }
    },
    ({ record, revision }) => ({
      version: record.versions.at(-1)?.version ?? 0,
      value: secret.reveal(),
      state: input.state,
      expires_at: writeInstantOrNull(input.expires_at),
      retiring: presentRetiring(record, deps.clock.now()),
      seq: revision,
    }),
    { ifMatch, visible: (record) => seesKey(caller, record) },
  )
}

/** A version that was promoted once: the ones that a new active version sends into retirement. */
function isPromoted(version: SecretVersion): boolean {
  return version.state !== 'pending'
}

/** The twelve digits that every secret of a key holds. */
export function idInside(record: KeyRecord): string {
  const parsed = parseCredential(record.id)
  if (typeof parsed === 'string' || parsed.kind !== 'key')
    throw new Error('broken invariant: a key has a well-formed id')
  return parsed.id
}

function requireNotRevoked(record: KeyRecord): void {
  if (record.state === 'revoked') throw new Fault('conflict', 'This key is revoked. Restore it first.')
}

/** All versions that the key remembers, newest first. */
export async function listSecrets(deps: ChangeDeps, caller: Caller, keyId: string) {
  const { record } = await visibleKey(deps, caller, keyId)
  const at = deps.clock.now()
  return { data: record.versions.map((version) => presentVersion(version, at)).reverse() }
}

export interface SecretAnswer extends ReturnType<typeof presentVersion> {
  readonly retiring: CreatedSecret['retiring']
  readonly seq: number
}

/** Promotes a pending version, or takes a retiring one back (the rollback); the others retire. */
export async function activateSecret(
  deps: ChangeDeps,
  caller: Caller,
  keyId: string,
  version: number,
  overlapSeconds: number,
  ifMatch?: IfMatch,
): Promise<SecretAnswer> {
  return await changeVersion(deps, caller, keyId, version, ifMatch, (record, before) => {
    requireNotRevoked(record)
    const status = statusAt(before, deps.clock.now())
    if (status === 'active') return undefined
    if (status === 'revoked' || status === 'expired')
      throw new Fault('conflict', `This version is ${status}: nothing leads out of that.`)
    return {
      action: 'secret.activate',
      changes: { version, overlap_seconds: overlapSeconds },
      make: ({ at }) => ({
        ...record,
        versions: retire(record.versions, at, overlapSeconds, (one) => one.version !== version && isPromoted(one)).map(
          (one) => (one.version === version && isLive(one, at) ? { ...one, state: 'active', until: null } : one),
        ),
      }),
    }
  })
}

/** Revokes a version for cause, at once. Doing it twice changes nothing. */
export async function revokeSecret(
  deps: ChangeDeps,
  caller: Caller,
  keyId: string,
  version: number,
  ifMatch?: IfMatch,
): Promise<SecretAnswer> {
  return await changeVersion(deps, caller, keyId, version, ifMatch, (record, before) =>
    before.state === 'revoked'
      ? undefined
      : {
          action: 'secret.revoke',
          changes: { version },
          make: ({ at }) => ({
            ...record,
            versions: record.versions.map((one) => (one.version === version ? revokeVersion(one, at) : one)),
          }),
        },
  )
}

type Alter = (
  record: KeyRecord,
  version: SecretVersion,
) => ReturnType<Parameters<typeof changeRecord<'keys', unknown>>[4]>

async function changeVersion(
  deps: ChangeDeps,
  caller: Caller,
  keyId: string,
  version: number,
  ifMatch: IfMatch,
  alter: Alter,
): Promise<SecretAnswer> {
  const key = await visibleKey(deps, caller, keyId)
  const find = (record: KeyRecord): SecretVersion => {
    const found = record.versions.find((one) => one.version === version)
    if (found === undefined) throw new Fault('not-found', 'This key has no such version.')
    return found
  }
  return await changeRecord(
    deps,
    caller,
    'keys',
    key.record.id,
    ({ record }) => alter(record, find(record)),
    ({ record, revision }) => {
      const at = deps.clock.now()
      return { ...presentVersion(find(record), at), retiring: presentRetiring(record, at), seq: revision }
    },
    { ifMatch, visible: (record) => seesKey(caller, record) },
  )
}
