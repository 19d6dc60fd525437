/**
 * The Ed25519 key that signs a tenant's checkpoints: made with the tenant, its private half sealed under the tenant's `signing-key` subkey.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { TenantId } from '../../model/ids.ts'
import type { TenantRecord } from '../../model/records.ts'
import { openSealed, type Sealer } from '../seal/sealer.ts'
import type { TenantKeys } from '../seal/tenant-keys.ts'

const context = (tenant: TenantId) => ['checkpoint', tenant] as const

/** A fresh key pair, as a tenant's record keeps it. */
export function makeCheckpointKey(sealer: Sealer, tenant: TenantId): TenantRecord['checkpoint_key'] {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    public: Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64'),
    sealed: sealCheckpointKey(sealer, tenant, privateKey),
  }
}

/** Seals a private half for a tenant's record. */
export function sealCheckpointKey(sealer: Sealer, tenant: TenantId, privateKey: KeyObject): string {
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64url')
  return sealer.seal('signing-key', pkcs8, context(tenant))
}

/** The private half, or `undefined` where it was not sealed for this tenant. */
export function openCheckpointKey(keys: TenantKeys, tenant: TenantId, sealed: string): KeyObject | undefined {
  const pkcs8 = openSealed(keys, 'signing-key', sealed, context(tenant))
  return pkcs8 === undefined
    ? undefined
    : createPrivateKey({ key: Buffer.from(pkcs8, 'base64url'), format: 'der', type: 'pkcs8' })
}

/** The public half of a tenant's record. */
export function checkpointPublicKey(record: TenantRecord): KeyObject {
  const x = Buffer.from(record.checkpoint_key.public, 'base64').toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}
