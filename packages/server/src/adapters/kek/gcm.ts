/**
 * AES-256-GCM over bytes: nonce 12, ciphertext, tag 16.
 */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import type { Random } from '../../ports/random.ts'

const nonceBytes = 12
const tagBytes = 16

export function encryptBytes(key: KeyObject, plaintext: Uint8Array, context: string, random: Random): Uint8Array {
  const nonce = random.bytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(context))
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

/** `undefined` where key, context or any bit differs. */
export function decryptBytes(key: KeyObject, sealed: Uint8Array, context: string): Uint8Array | undefined {
  if (sealed.length < nonceBytes + tagBytes) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(Buffer.from(context))
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, sealed.length - tagBytes)), decipher.final()])
  } catch {
    return undefined
  }
}
