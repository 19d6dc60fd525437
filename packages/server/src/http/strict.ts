/**
 * What no honest client of HTTP/1.1 sends, refused ahead of everything that routes: HTTP/0.9, which node:http would answer, and requests whose host is not
 * named exactly once (RFC 9112 section 3.2), which two programs in a row could understand differently.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { Fault } from '../model/fault.ts'
import { problemReply, problemType } from './problem.ts'

/** Puts the refusals before a listener. Each ends its connection, since what follows on it cannot be trusted either. */
export function withStrictHttp(listener: RequestListener, newRequestId: () => string): RequestListener {
  return (request, response) => {
    const reason = request.httpVersionMajor === 1 ? hostRefusal(request) : 'This server speaks HTTP/1.1.'
    if (reason === undefined) listener(request, response)
    else refuse(response, reason, newRequestId())
  }
}

function hostRefusal({ rawHeaders, httpVersionMinor }: IncomingMessage): string | undefined {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  // HTTP/1.0 knows no Host header, and health checks still speak it.
  const wanted = httpVersionMinor === 0 ? hosts <= 1 : hosts === 1
  return wanted ? undefined : 'A request names its host once.'
}

function refuse(response: ServerResponse, detail: string, requestId: string): void {
  const { status, body } = problemReply(new Fault('unreadable-body', detail), requestId)
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'Content-Type': problemType,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Keywright-Request-Id': requestId,
    Connection: 'close',
  })
  response.end(text)
}
