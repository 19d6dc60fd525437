/**
 * Sealing: AES-256-GCM under a subkey of the tenant's DEK, the context as additional data, so that what was sealed for one place opens in no other.
 *
 *   sealed   v1.<dek version>.<generation>.<base64url of nonce 12 | ciphertext | tag 16>
 */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import type { Random } from '../../ports/random.ts'
import { invariant } from '../../model/fault.ts'
import { type Purpose, sealsPerGeneration, type TenantKeys } from './tenant-keys.ts'

export const nonceBytes = 12
export const tagBytes = 16

/** Warned of from here on by `doctor`; generations keep each key far below it. */
export const sealsWarned = 2 ** 31

/** The purposes under which something is encrypted, as against authenticated or looked up. */
export type SealingPurpose = Extract<Purpose, 'digest' | 'replay' | 'signing-key'>

/**
 * Seals for one tenant and counts. The count starts at the tenant's own (`Head.seals`) and goes back into the head with the same commit, so
 * that no two nodes ever count one seal twice.
 */
export class Sealer {
  readonly keys: TenantKeys
  readonly #random: Random
  #seals: number

  constructor(keys: TenantKeys, random: Random, seals: number) {
    this.keys = keys
    this.#random = random
    this.#seals = seals
  }

  /** Seals ever made for this tenant, those of this sealer included. */
  get seals(): number {
    return this.#seals
  }

  /** Seals `plaintext` for exactly this purpose and context. */
  seal(purpose: SealingPurpose, plaintext: string, context: readonly (string | number)[]): string {
    const generation = Math.floor(this.#seals / sealsPerGeneration)
    this.#seals += 1
    const version = this.keys.current
    const subkey = this.keys.subkey(version, purpose, generation)
    invariant(subkey !== undefined, 'the current DEK is known')
    return `v1.${version}.${generation}.${encrypt(subkey, plaintext, contextText(purpose, context), this.#random)}`
  }
}

/** Opens what `Sealer.seal` made for the same purpose and context; `undefined` for anything else, whatever the reason. */
export function openSealed(
  keys: TenantKeys,
  purpose: SealingPurpose,
  sealed: string,
  context: readonly (string | number)[],
): string | undefined {
  const [form, version, generation, data, ...rest] = sealed.split('.')
  if (form !== 'v1' || version === undefined || generation === undefined || data === undefined || rest.length > 0) {
    return undefined
  }
  const subkey = keys.subkey(Number(version), purpose, Number(generation))
  return subkey === undefined ? undefined : decrypt(subkey, data, contextText(purpose, context))
}

/** The DEK version under which a text was sealed, as it says itself. */
export function dekOf(sealed: string): number {
  return Number(sealed.split('.')[1])
}

/** AES-256-GCM with a fresh random nonce; base64url of nonce, ciphertext and tag. */
export function encrypt(key: KeyObject, plaintext: string, context: string, random: Random): string {
  const nonce = random.bytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(context))
  const body = cipher.update(plaintext, 'utf8')
  const last = cipher.final()
  return Buffer.concat([nonce, body, last, cipher.getAuthTag()]).toString('base64url')
}

/** The inverse of `encrypt`; `undefined` where key, context or any bit differs. */
export function decrypt(key: KeyObject, data: string, context: string): string | undefined {
  const bytes = Buffer.from(data, 'base64url')
  if (bytes.length < nonceBytes + tagBytes) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(Buffer.from(context))
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
  try {
    const body = decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes))
    return Buffer.concat([body, decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}

function contextText(purpose: string, context: readonly (string | number)[]): string {
  return ['keywright/v1', purpose, ...context].map((part) => `${String(part).length}:${part}`).join('')
}
