/**
 * The keyed index by which imported credentials are found: an HMAC of the plain digest under the tenant's `index` subkey, so that a reader of the
 * database can neither look a credential up nor tell that two tenants hold the same one.
 */
import type { TenantKeys } from '../seal/tenant-keys.ts'

/** The names under which a digest may stand, that of the current DEK first. */
export function indexNames(keys: TenantKeys, kind: 'sha256' | 'sha512', digest: string): readonly string[] {
  const names: string[] = []
  for (let version = keys.current; version >= 1; version -= 1) {
    const mac = keys.mac(version, 'index', [kind, digest])
    if (mac !== undefined) names.push(mac)
  }
  return names
}
