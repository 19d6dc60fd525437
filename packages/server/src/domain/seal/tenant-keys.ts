/**
 * A tenant's data-encryption keys and what is derived from them. A DEK feeds HKDF-SHA-256 (RFC 5869) and nothing else: one subkey per purpose,
 * and of the sealing ones a new generation after every 2^31 seals, so that no AES-GCM key comes near its limit of random nonces (SP 800-38D).
 */
import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import type { TenantId } from '../../model/ids.ts'

/** What a subkey is for. A subkey of one purpose never does another's work. */
export const purposes = ['digest', 'row', 'journal', 'index', 'replay', 'signing-key'] as const
export type Purpose = (typeof purposes)[number]

/** Seals under one subkey generation: half of the 2^32 at which random 96-bit nonces stop being safe. */
export const sealsPerGeneration = 2 ** 31

export const dekBytes = 32

export class TenantKeys {
  readonly tenant: TenantId
  /** The version that seals and authenticates what is new. */
  readonly current: number
  readonly #deks: ReadonlyMap<number, KeyObject>
  readonly #subkeys = new Map<string, KeyObject>()

  /** `deks` holds 32 bytes per version; the highest version is the current one. */
  constructor(tenant: TenantId, deks: ReadonlyMap<number, Uint8Array>) {
    this.tenant = tenant
    this.current = Math.max(...deks.keys())
    this.#deks = new Map([...deks].map(([version, bytes]) => [version, createSecretKey(bytes)]))
  }

  /** Whether this DEK version can be used at all. */
  has(version: number): boolean {
    return this.#deks.has(version)
  }

  /** The 32-byte subkey of a purpose, or `undefined` where the DEK version is unknown. */
  subkey(version: number, purpose: Purpose, generation = 0): KeyObject | undefined {
    const name = `${version}/${purpose}/${generation}`
    const known = this.#subkeys.get(name)
    if (known !== undefined) return known
    const dek = this.#deks.get(version)
    if (dek === undefined) return undefined
    const info = `keywright/v1 ${purpose} ${generation}`
    const subkey = createSecretKey(Buffer.from(hkdfSync('sha256', dek, this.tenant, info, 32)))
    this.#subkeys.set(name, subkey)
    return subkey
  }

  /** HMAC-SHA-256 in hex over parts that are framed by their lengths, so that no two lists of parts share a MAC. */
  mac(version: number, purpose: Purpose, parts: readonly (string | number)[]): string | undefined {
    const subkey = this.subkey(version, purpose)
    return subkey === undefined ? undefined : macOf(subkey, parts)
  }
}

/** HMAC-SHA-256 in hex over length-framed parts. */
export function macOf(key: KeyObject, parts: readonly (string | number)[]): string {
  let framed = ''
  for (const part of parts) {
    const text = String(part)
    framed += `${text.length}:${text}`
  }
  return createHmac('sha256', key).update(framed).digest('hex')
}

/** Compares two hex texts of one length in constant time with respect to their contents. */
export function sameMac(one: string, other: string): boolean {
  if (one.length !== other.length) return false
  let difference = 0
  for (let index = 0; index < one.length; index += 1) difference |= one.charCodeAt(index) ^ other.charCodeAt(index)
  return difference === 0
}
