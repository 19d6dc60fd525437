/**
 * The lean route of `POST /v1/verify` and of its batch, ahead of the framework. It answers only what is ordinary in every respect: a whole body that came
 * with its head, a known verifier, cached secrets, the verdict `ok`. Everything else, every error included, goes to the framework with its body put back, as if nobody
 * had looked. So it adds no behaviour, only speed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { forgetHead } from './forget.ts'

type Listener = (request: IncomingMessage, response: ServerResponse) => void

/** The whole answer as JSON in ASCII, or `undefined` where the ordinary route must decide. Has no effect before it is sure. */
export type Lane = (request: IncomingMessage, authorization: string, body: string) => string | undefined

/** A question that is longer is not ordinary. */
const bodyBytesMax = 65_536

export const onePath = '/v1/verify'
export const batchPath = '/v1/verify/batch'
/** Lengths as texts, so that none is made for each answer. */
const lengthTexts = Array.from({ length: 2_048 }, (_none, length) => String(length))

/** As the ordinary route sends them, but for the request id, which nobody needs of a good answer. The length comes behind. */
const headers = [
  'Content-Type',
  'application/json',
  'Cache-Control',
  'no-store',
  'X-Content-Type-Options',
  'nosniff',
  'Content-Length',
] as const

/** Puts the lane before a listener. */
export function withLane(lane: Lane, framework: Listener): Listener {
  const afterHead = (request: IncomingMessage, response: ServerResponse): void => {
    if (response.destroyed) return
    const bytes = request.read() as Buffer | null
    // The body is still on its way.
    if (bytes === null) {
      framework(request, response)
      return
    }
    const authorization = request.headers.authorization
    const whole = bytes.length <= bodyBytesMax && bytes.length === Number(request.headers['content-length'])
    const text =
      authorization !== undefined && whole ? lane(request, authorization, bytes.toString('latin1')) : undefined
    if (text === undefined) {
      request.unshift(bytes)
      framework(request, response)
      return
    }
    const length = lengthTexts[text.length] ?? String(text.length)
    // A flat list and a string leave in one write, head and body together.
    response.writeHead(200, [...headers, length])
    response.end(text, 'latin1')
    forgetHead(request)
  }
  return (request, response) => {
    // The body is parsed right after this event: one tick later it is there, without a listener.
    const { url } = request
    if ((url === onePath || url === batchPath) && request.method === 'POST' && isOrdinary(request))
      process.nextTick(afterHead, request, response)
    else framework(request, response)
  }
}

function isOrdinary({ headers, httpVersionMajor, rawHeaders }: IncomingMessage): boolean {
  return (
    httpVersionMajor === 1 &&
    headers['content-type'] === 'application/json' &&
    headers['transfer-encoding'] === undefined &&
    headers['content-encoding'] === undefined &&
    headers['x-forwarded-for'] === undefined &&
    headers.expect === undefined &&
    saidOnce(rawHeaders)
  )
}

/** `headers` keeps the first of two; here two `Host` or two `Authorization` are for the ordinary route to refuse. */
function saidOnce(raw: readonly string[]): boolean {
  let hosts = 0
  let authorizations = 0
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
    else if (name.length === 13 && name.toLowerCase() === 'authorization') authorizations += 1
  }
  return hosts === 1 && authorizations === 1
}
