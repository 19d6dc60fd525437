/**
 * What a benchmark puts into a fresh product, over its own API, and the request bytes that it sends afterwards. Nothing is written
 * behind the product's back: the keys it verifies are keys that it issued.
 */
import { writeCredential } from '@keywright/credential/credential'
import { randomInt } from 'node:crypto'
import type { Sample } from './baseline.ts'
import { type Address, type Answer, call } from './program.ts'

export const apiIdentifier = 'https://api.example.com/orders'
export const scope = 'orders:read'

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const callersMax = 16

/** A well-formed operator token for `KEYWRIGHT_OPERATOR_TOKEN`, new on every run. */
export function newOperatorToken(): string {
  const digits = (count: number) => Array.from({ length: count }, () => base62.charAt(randomInt(62))).join('')
  return writeCredential({ kind: 'operator', id: digits(12), random: digits(43) })
}

/** Makes an api, a consumer and `count` keys, and returns the keys' secrets. */
export async function createKeys(address: Address, token: string, count: number): Promise<string[]> {
  const post = (path: string, body: object) => postJson(address, token, path, body)
  await post('/v1/apis', {
    identifier: apiIdentifier,
    name: 'Orders',
    scopes: [{ name: scope, description: 'Read orders' }],
  })
  const consumer = (await post('/v1/consumers', { name: 'Acme', external_id: 'acme-42' })) as { readonly id: string }
  const secrets: string[] = []
  let begun = 0
  const caller = async () => {
    while (begun < count) {
      begun += 1
      const key = (await post('/v1/keys', {
        consumer_id: consumer.id,
        name: `Benchmark ${begun}`,
        environment: 'live',
        grants: [{ api: apiIdentifier, scopes: [scope] }],
        meta: { plan: 'pro' },
      })) as { readonly secret: { readonly value: string } }
      secrets.push(key.secret.value)
    }
  }
  await Promise.all(Array.from({ length: callersMax }, caller))
  return secrets
}

/** The body with which a verifier asks about one credential, as in `docs`: the credential, its api, one scope, the caller's address. */
export function question(credential: string): object {
  return { credential, api: apiIdentifier, scopes: [scope], ip: '10.1.2.3' }
}

/** Asks the product once about each secret: this fills its cache, and gives the baseline the answers that it has to write. */
export async function sampleAnswers(address: Address, token: string, secrets: readonly string[]): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const credential of secrets) {
    const answer = await postJson(address, token, '/v1/verify', question(credential))
    if ((answer as { readonly valid?: unknown }).valid !== true) {
      throw new Error(`The product refuses a key that it has just issued: ${JSON.stringify(answer)}`)
    }
    samples.push({ credential, answer: answer as Sample['answer'] })
  }
  return samples
}

/** A whole request as a client writes it: head and body in one piece. */
export function requestText(path: string, token: string, body: object): string {
  const text = JSON.stringify(body)
  return (
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  )
}

async function postJson(address: Address, token: string, path: string, body: object): Promise<unknown> {
  const text = JSON.stringify(body)
  const answer: Answer = await call(
    address,
    'POST',
    path,
    {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
    },
    text,
  )
  if (answer.status < 200 || answer.status > 299)
    throw new Error(`POST ${path} answered ${answer.status}: ${answer.body}`)
  return JSON.parse(answer.body)
}
