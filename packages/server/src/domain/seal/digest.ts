/**
 * Digests of credentials. A native secret holds 256 random bits, so a fast, domain-separated hash is right (NIST SP 800-63B-4, look-up secrets);
 * a slow one would only let strangers burn the server's time. Scanners that flag SHA-256 of secrets (CWE-916) mean passwords.
 */
import { hash } from 'node:crypto'

const secretDomain = 'keywright/v1 secret\0'

/** The digest of a native secret or operator token: 64 hex digits. */
export function digestOf(text: string): string {
  return hash('sha256', secretDomain + text, 'hex')
}

/** The digest of a credential that came with its plain SHA-256 or SHA-512, which an import brings as such. */
export function plainDigestOf(kind: 'sha256' | 'sha512', text: string): string {
  return hash(kind, text, 'hex')
}

/** SHA-256 in hex over UTF-8 text: hashes of entries and commitments. */
export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex')
}
