/**
 * The versions of a key's secret, and of an operator's token: their life, as pure functions of the record and the time.
 *
 *   pending → active ⇄ retiring → revoked        expired follows from `expires_at`; nothing leaves `revoked`
 */
import type { Instant } from '../../model/ids.ts'
import type { SecretVersion } from '../../model/records.ts'
import { openSealed, type Sealer } from '../seal/sealer.ts'
import type { TenantKeys } from '../seal/tenant-keys.ts'

/** Versions that one key keeps. The oldest dead ones make room; the journal remembers that they were. */
export const versionsMax = 64

/** What a version is at an instant, its own expiry and the end of its overlap taken into account. */
export type VersionStatus = 'pending' | 'active' | 'retiring' | 'revoked' | 'expired'

export function statusAt(version: SecretVersion, at: Instant): VersionStatus {
  if (version.state === 'revoked') return 'revoked'
  const overlapOver = version.state === 'retiring' && version.until !== null && at >= version.until
  const expired = version.expires_at !== null && at >= version.expires_at
  // Both over: the one that came first says what it died of.
  if (overlapOver && expired) return (version.until ?? 0) < (version.expires_at ?? 0) ? 'revoked' : 'expired'
  if (overlapOver) return 'revoked'
  return expired ? 'expired' : version.state
}

export function isLive(version: SecretVersion, at: Instant): boolean {
  const status = statusAt(version, at)
  return status === 'pending' || status === 'active' || status === 'retiring'
}

/** The next version number: never one that was used before, since the newest is always kept. */
export function nextVersion(versions: readonly SecretVersion[]): number {
  return (versions.at(-1)?.version ?? 0) + 1
}

/** What binds a sealed digest to its place. */
function digestContext(id: string, version: number, createdAt: Instant): readonly (string | number)[] {
  return [id, version, createdAt]
}

/** A new version around a digest or slow hash. */
export function sealVersion(
  sealer: Sealer,
  id: string,
  digest: string,
  fields: Pick<SecretVersion, 'version' | 'state' | 'kind' | 'created_at' | 'expires_at'>,
): SecretVersion {
  const sealed = sealer.seal('digest', digest, digestContext(id, fields.version, fields.created_at))
  return { ...fields, sealed, until: null, ended: null }
}

/** The digest or slow hash of a version; `undefined` where it was not sealed for this place. */
export function openVersion(keys: TenantKeys, id: string, version: SecretVersion): string | undefined {
  return openSealed(keys, 'digest', version.sealed, digestContext(id, version.version, version.created_at))
}

/** Makes room for one more: drops the oldest dead versions beyond the limit. `undefined` where too many are alive. */
export function withRoom(versions: readonly SecretVersion[], at: Instant): readonly SecretVersion[] | undefined {
  let excess = versions.length + 1 - versionsMax
  if (excess <= 0) return versions
  const kept = versions.filter((version) => {
    if (excess > 0 && !isLive(version, at)) {
      excess -= 1
      return false
    }
    return true
  })
  return excess > 0 ? undefined : kept
}

/** Retires every live version, to die at the earlier of the overlap's end and their own. An overlap of nothing revokes at once. */
export function retire(
  versions: readonly SecretVersion[],
  at: Instant,
  overlapSeconds: number,
  which: (version: SecretVersion) => boolean = () => true,
): readonly SecretVersion[] {
  const end = at + overlapSeconds * 1000
  return versions.map((version) => {
    if (!isLive(version, at) || !which(version)) return version
    if (overlapSeconds === 0) return { ...version, state: 'revoked', until: null, ended: { at, cause: 'overlap' } }
    // A version that retires already keeps its end unless this one comes earlier; its own expiry stands beside it.
    const until = Math.min(end, version.state === 'retiring' && version.until !== null ? version.until : end)
    return { ...version, state: 'retiring', until }
  })
}

/** Kills a version for cause. */
export function revokeVersion(version: SecretVersion, at: Instant): SecretVersion {
  return version.state === 'revoked'
    ? version
    : { ...version, state: 'revoked', until: null, ended: { at, cause: 'revoked' } }
}
