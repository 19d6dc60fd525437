/**
 * What the product is measured against: a bare `node:http` server that takes the same steps in the obvious way, and nothing else.
 * Body chunks, JSON.parse, credential with its check, SHA-256, a Map, timingSafeEqual, scopes, JSON.stringify of the same answer.
 * It has no limits on bodies, no journal, no staleness, no roles. Run as a child process: the parent sends one `BaselineData`.
 *
 * Where two ways are equally obvious it takes the cheaper one, so that no ratio is won here: the project's own check of a
 * credential instead of a regular expression, and the stored answer with a new `as_of` instead of a new object per request.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { parseCredential } from '@keywright/credential/credential'
import type { ListenTarget } from './program.ts'

/** One answer of the product to a verification, with the credential that it answers. */
export interface Sample {
  readonly credential: string
  readonly answer: { readonly scopes: readonly string[]; as_of: { seq: number; age_ms: number } }
}

export interface BaselineData {
  readonly listen: ListenTarget
  readonly tls: { readonly key: string; readonly cert: string } | null
  readonly token: string
  readonly api: string
  readonly samples: readonly Sample[]
}

interface Asked {
  readonly credential?: unknown
  readonly api?: unknown
  readonly scopes?: readonly string[]
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

/** The status and the value that becomes the body. */
type Reply = readonly [number, unknown]

function send(response: ServerResponse, [status, value]: Reply): void {
  const body = JSON.stringify(value)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

function handlerOf(data: BaselineData): (request: IncomingMessage, response: ServerResponse) => void {
  const operators = new Map([[sha256(data.token).toString('hex'), { role: 'verifier' }]])
  const keys = new Map<string, { readonly digest: Buffer; readonly answer: Sample['answer'] }>()
  for (const sample of data.samples) {
    const read = parseCredential(sample.credential)
    if (typeof read === 'string' || read.kind !== 'secret') throw new Error('A sample holds no secret.')
    keys.set(read.id, { digest: sha256(sample.credential), answer: sample.answer })
  }
  const unknown: Reply = [200, { valid: false, code: 'unknown' }]

  const verify = (authorization: string | undefined, body: Buffer): Reply => {
    if (authorization === undefined || !authorization.startsWith('Bearer ')) return [401, {}]
    if (!operators.has(sha256(authorization.slice(7)).toString('hex'))) return [401, {}]
    let asked: Asked
    try {
      asked = JSON.parse(body.toString('utf8')) as Asked
    } catch {
      return [400, {}]
    }
    if (typeof asked.credential !== 'string') return [422, {}]
    const read = parseCredential(asked.credential)
    if (typeof read === 'string' || read.kind !== 'secret') return unknown
    const key = keys.get(read.id)
    if (key === undefined || !timingSafeEqual(sha256(asked.credential), key.digest)) return unknown
    if (asked.api !== data.api) return [200, { valid: false, code: 'wrong_audience' }]
    if (asked.scopes?.every((scope) => key.answer.scopes.includes(scope)) === false) {
      return [200, { valid: false, code: 'insufficient_scope' }]
    }
    key.answer.as_of = { seq: 9, age_ms: Date.now() % 100 }
    return [200, key.answer]
  }

  return (request, response) => {
    if (request.method !== 'POST' || request.url !== '/v1/verify') {
      send(response, [404, {}])
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => send(response, verify(request.headers.authorization, Buffer.concat(chunks))))
  }
}

process.once('message', (data: BaselineData) => {
  const handler = handlerOf(data)
  const server = data.tls === null ? createServer(handler) : createTlsServer(data.tls, handler)
  const started = () => process.send?.({ ready: true })
  if (data.listen.kind === 'unix') server.listen(data.listen.path, started)
  else server.listen(data.listen.port, data.listen.host, started)
})
process.once('disconnect', () => process.exit(0))
