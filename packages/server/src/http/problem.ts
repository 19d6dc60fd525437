/**
 * The one file that turns faults into HTTP: problem documents (RFC 9457). Nothing else decides on a status.
 */
import { DatabaseFull, DatabaseLost } from '../ports/database.ts'
import { Fault, type FaultCode, faultTitles } from '../model/fault.ts'
import type { Reply } from './endpoint.ts'

export const statuses: Readonly<Record<FaultCode, number>> = {
  'unreadable-body': 400,
  'invalid-field': 422,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  conflict: 409,
  'precondition-failed': 412,
  'too-large': 413,
  'unsupported-media-type': 415,
  'too-many-requests': 429,
  unavailable: 503,
  internal: 500,
}

export const problemType = 'application/problem+json'
const typeBase = 'https://keywright.dev/problems/'

/** Any error as the fault that the caller sees. What is not ours becomes `internal`, and its message stays here. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error
  if (error instanceof DatabaseLost) {
    return new Fault('unavailable', 'The database cannot be reached, so nothing was changed for certain.', {
      retryAfterSeconds: 1,
      note: error.message,
    })
  }
  if (error instanceof DatabaseFull) {
    return new Fault('unavailable', 'The disk of the database is full, so nothing was changed.', {
      retryAfterSeconds: 30,
      note: error.message,
    })
  }
  return new Fault('internal', 'The request could not be answered. Its id leads to the log.')
}

/** A fault as a problem document with its headers. */
export function problemReply(fault: Fault, requestId: string): Reply {
  const status = statuses[fault.code]
  return {
    status,
    type: problemType,
    headers: {
      ...(fault.code === 'unauthenticated' ? { 'www-authenticate': 'Bearer realm="keywright"' } : {}),
      ...(fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }),
      ...(fault.allow === undefined ? {} : { allow: fault.allow.join(', ') }),
    },
    body: {
      type: typeBase + fault.code,
      title: faultTitles[fault.code],
      status,
      detail: fault.detail,
      ...(fault.errors.length === 0 ? {} : { errors: fault.errors }),
      request_id: requestId,
    },
  }
}

/** What stops a request before its head was read, by the code of node:http's error. */
const socketProblems: ReadonlyMap<string | undefined, typeof unreadableOnSocket> = new Map([
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    { status: 408, phrase: 'Request Timeout', detail: 'The request did not arrive in time.' },
  ],
  [
    'HPE_HEADER_OVERFLOW',
    {
      status: 431,
      phrase: 'Request Header Fields Too Large',
      detail: 'The head of the request is too large.',
    },
  ],
])
const unreadableOnSocket = {
  status: 400,
  phrase: 'Bad Request',
  detail: 'This cannot be read as one request of HTTP/1.1.',
}

/** A whole response with a problem document, for a connection without a request that could be answered. It ends the connection. */
export function writeSocketProblem(code: string | undefined, requestId: string): string {
  const { status, phrase, detail } = socketProblems.get(code) ?? unreadableOnSocket
  const { body } = problemReply(new Fault('unreadable-body', detail), requestId)
  const text = JSON.stringify({ ...(body as object), title: 'The request cannot be read', status })
  const head = [
    `HTTP/1.1 ${status} ${phrase}`,
    `Content-Type: ${problemType}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Cache-Control: no-store',
    `Keywright-Request-Id: ${requestId}`,
    'Connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${text}`
}
