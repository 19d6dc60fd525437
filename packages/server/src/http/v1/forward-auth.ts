/**
 * `/v1/forward-auth`: the question of nginx `auth_request`, Traefik, Caddy and Envoy. The caller's own credential is in `Authorization` or `X-API-Key`;
 * the verifier's token is in `Keywright-Verifier-Token`. Every identity header is set in every good answer, empty ones too, so that a client's own
 * cannot survive behind a proxy that copies them.
 */
import { type Static, Type } from 'typebox'
import { headOf } from '@keywright/credential/credential'
import { decide } from '../../domain/verify/answer.ts'
import type { Code, Decision, VerifyRequest } from '../../domain/verify/decision.ts'
import { type Context, type Endpoint, endpoint, type Reply } from '../endpoint.ts'
import { Environment, ScopeName, Shape } from '../schemas.ts'

const Query = Shape({
  api: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
  scope: Type.Optional(Type.Array(ScopeName, { maxItems: 50 })),
  environment: Type.Optional(Environment),
  limit_status: Type.Optional(Type.Enum([403, 429])),
})

const unauthorized: readonly Code[] = ['unknown', 'disabled', 'revoked', 'expired', 'not_yet_valid']
const overLimit: readonly Code[] = ['rate_limited', 'quota_exceeded', 'credits_exhausted']

/** The credential that the client sent, `undefined` for none, `ambiguous` for two different ones. */
export function clientCredential(headers: Context<unknown, unknown>['headers']): string | undefined | 'ambiguous' {
  const bearer = /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  const apiKey = headers['x-api-key']
  const other = Array.isArray(apiKey) ? apiKey.join(', ') : apiKey
  if (headers.authorization !== undefined && bearer === undefined && other === undefined) return undefined
  if (bearer !== undefined && other !== undefined && bearer !== other) return 'ambiguous'
  return bearer ?? other
}

async function answer({
  authority,
  caller,
  headers,
  query,
  source,
}: Context<undefined, Static<typeof Query>>): Promise<Reply> {
  const credential = clientCredential(headers)
  if (credential === undefined || credential === 'ambiguous') return refusal('unknown', 401, query)
  const request: VerifyRequest = {
    credential,
    ip: source,
    ...(query.api === undefined ? {} : { api: query.api }),
    ...(query.scope === undefined ? {} : { scopes: query.scope }),
    ...(query.environment === undefined ? {} : { environment: query.environment }),
  }
  const decision = await decide(authority.verify, caller, request)
  if (decision.code === 'ok') return admitted(decision)
  if (decision.code !== 'unknown') return refusal(decision.code, statusOf(decision.code, query), query)
  const wait = authority.verify.throttle.waitSeconds(source, headOf(credential))
  return wait > 0
    ? {
        ...refusal('unknown', statusOf('rate_limited', query), query),
        headers: { ...emptyIdentity, 'keywright-code': 'unknown', 'retry-after': String(wait) },
      }
    : refusal('unknown', 401, query)
}

function statusOf(code: Code, query: Static<typeof Query>): number {
  if (unauthorized.includes(code)) return 401
  if (overLimit.includes(code)) return query.limit_status ?? 429
  return code === 'stale' ? 503 : 403
}

const emptyIdentity = {
  'keywright-key-id': '',
  'keywright-consumer-id': '',
  'keywright-environment': '',
  'keywright-scopes': '',
  'cache-control': 'no-store',
}

function admitted({ proven }: Decision): Reply {
  return {
    status: 200,
    headers: {
      ...emptyIdentity,
      'keywright-code': 'ok',
      'keywright-key-id': proven?.keyId ?? '',
      'keywright-consumer-id': proven?.consumerId ?? '',
      'keywright-environment': proven?.environment ?? '',
      'keywright-scopes': proven?.scopes.join(' ') ?? '',
    },
  }
}

function refusal(code: Code, status: number, query: Static<typeof Query>): Reply {
  const challenge =
    code === 'insufficient_scope' ? ` error="insufficient_scope", scope="${(query.scope ?? []).join(' ')}"` : ''
  return {
    status,
    headers: {
      ...emptyIdentity,
      'keywright-code': code,
      ...(status === 401 || code === 'insufficient_scope'
        ? { 'www-authenticate': `Bearer realm="keywright"${challenge === '' ? '' : `,${challenge}`}` }
        : {}),
      ...(status === 503 ? { 'retry-after': '1' } : {}),
    },
  }
}

const definition = {
  method: 'ANY',
  tag: 'Verify',
  summary: 'Answer a proxy that asks whether to let a request through',
  description:
    'The client’s credential is in `Authorization: Bearer` or `X-API-Key`, the verifier’s token in `Keywright-Verifier-Token`. 200 with identity headers; 401, 403, 429 or 503 otherwise, with the verdict in `Keywright-Code`.',
  roles: ['owner', 'admin', 'issuer', 'verifier'],
  query: Query,
  requestHeaders: {
    Authorization: 'The client’s credential, as `Bearer …`.',
    'X-API-Key': 'The client’s credential, where it is not in `Authorization`.',
    'X-Forwarded-For': 'The client’s address, from a proxy that `--trusted-proxies` names.',
  },
  answers: { 200: null, 401: null, 403: null, 429: null, 503: null },
  handle: answer,
} as const

export const forwardAuthEndpoints: readonly Endpoint[] = [
  endpoint({ ...definition, path: '/v1/forward-auth' }),
  endpoint({ ...definition, path: '/v1/forward-auth/*' }),
]
