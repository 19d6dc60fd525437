/**
 * One request from end to end, as a list of steps; free of the framework.
 */
import { beginReplay } from '../domain/access/replay.ts'
import type { Caller } from '../domain/access/caller.ts'
import type { Authority } from './authority.ts'
import { type Endpoint, etagOf, readIfMatch, type Reply } from './endpoint.ts'
import { faultOf, problemReply, statuses } from './problem.ts'
import { authorize, idempotencyKeyOf, type Incoming, readBody, readQuery, sourceOf, tokenOf } from './request.ts'
import type { Secret } from '../model/secret.ts'

/** Stands for a caller where an endpoint takes no token; handlers of such endpoints never look at it. */
const nobody = undefined as unknown as Caller

/** Answers a request; never throws. */
export async function run(
  authority: Authority,
  endpoint: Endpoint,
  incoming: Incoming,
  requestId: string,
): Promise<Reply> {
  try {
    const source = sourceOf(authority, incoming)
    const token = tokenOf(endpoint, incoming.headers)
    const caller = await authorize(authority, endpoint, token, source, incoming.parameters['slug'])
    const { query, meta } = readQuery(endpoint, incoming.url)
    const body = readBody(endpoint, incoming)
    const context = {
      authority,
      caller: caller ?? nobody,
      parameters: incoming.parameters,
      query,
      meta,
      body,
      ifMatch: endpoint.conditional === true ? readIfMatch(incoming.headers['if-match']) : undefined,
      source,
      headers: incoming.headers,
      method: incoming.method,
    }
    const idempotencyKey = idempotencyKeyOf(endpoint, incoming.headers)
    if (idempotencyKey === undefined || caller === undefined) return await endpoint.handle(context)
    return await runOnce(authority, endpoint, incoming, { ...context, caller }, token, idempotencyKey)
  } catch (error) {
    return failed(authority, endpoint.path, error, requestId)
  }
}

type RunContext = Parameters<Endpoint['handle']>[0]

/** Answers a call with an `Idempotency-Key`: as before where it was made before, else so that it can be told again. */
async function runOnce(
  authority: Authority,
  endpoint: Endpoint,
  incoming: Incoming,
  context: RunContext,
  token: Secret,
  idempotencyKey: string,
): Promise<Reply> {
  const begun = await beginReplay(authority, {
    tenant: context.caller.tenant,
    token,
    operatorId: context.caller.operator.id,
    method: incoming.method,
    path: incoming.url,
    idempotencyKey,
    body: incoming.body?.toString('latin1') ?? '',
  })
  if ('replay' in begun) {
    const status = Number(Object.keys(endpoint.answers)[0])
    return {
      status,
      body: begun.replay,
      headers: { ...etagHeader(endpoint, begun.replay), 'idempotent-replay': 'true' },
    }
  }
  try {
    return await endpoint.handle({ ...context, caller: { ...context.caller, keep: begun.keep } })
  } finally {
    begun.done()
  }
}

/** The ETag that the first answer had: that of everything but a batch. */
function etagHeader(endpoint: Endpoint, answer: unknown): Readonly<Record<string, string>> {
  const single = endpoint.batch !== true && typeof answer === 'object' && answer !== null && 'seq' in answer
  return single && typeof answer.seq === 'number' ? { etag: etagOf(answer.seq) } : {}
}

/** An error as the problem that the caller sees, with what the operator may know in the log. */
export function failed(authority: Pick<Authority, 'log'>, route: string, error: unknown, requestId: string): Reply {
  const fault = faultOf(error)
  if (fault.code === 'internal') {
    const name = error instanceof Error ? error.name : 'unknown'
    const place =
      error instanceof Error ? (error.stack?.split('\n').slice(1, 4).join(' ').replaceAll(/\s+/g, ' ') ?? '') : ''
    authority.log.error('request.failed', { request_id: requestId, route, error: `${name} ${place}` })
  } else if (fault.note !== undefined) {
    authority.log.warn('request.refused', {
      request_id: requestId,
      route,
      status: statuses[fault.code],
      note: fault.note,
    })
  }
  return problemReply(fault, requestId)
}
