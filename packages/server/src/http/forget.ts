/**
 * Forgets the head of an answered request. node:http keeps the last request of a connection for as long as it idles, and with it the caller's token.
 */
import type { IncomingMessage } from 'node:http'

const credentialHeaders = ['authorization', 'x-api-key', 'keywright-verifier-token'] as const

/** To be called once nothing reads the request's headers any more. */
export function forgetHead(request: IncomingMessage): void {
  const { headers, rawHeaders } = request
  for (const name of credentialHeaders) if (headers[name] !== undefined) headers[name] = ''
  rawHeaders.length = 0
}
