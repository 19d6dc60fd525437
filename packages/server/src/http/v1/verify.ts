/**
 * `/v1/verify` and `/v1/verify/batch`: is this caller allowed?
 */
import { type Static, Type } from 'typebox'
import { decide, decideAll, presentDecision } from '../../domain/verify/answer.ts'
import { codes, type Decision, type VerifyRequest } from '../../domain/verify/decision.ts'
import { credentialLengthMax } from '../../domain/verify/prove.ts'
import type { Caller } from '../../domain/access/caller.ts'
import type { Authority } from '../authority.ts'
import { knownAnswer } from '../known-answers.ts'
import { type Endpoint, endpoint, type Reply } from '../endpoint.ts'
import { AsOf, Environment, ScopeName, Shape } from '../schemas.ts'
import { invalidField } from '../../model/fault.ts'
import { parseAddress } from '../../domain/access/networks.ts'

const verifiers = ['owner', 'admin', 'issuer', 'verifier'] as const

export const VerifyBody = Shape({
  credential: Type.String({ maxLength: credentialLengthMax }),
  api: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
  scopes: Type.Optional(Type.Array(ScopeName, { maxItems: 200 })),
  scopes_any: Type.Optional(Type.Array(ScopeName, { maxItems: 200 })),
  environment: Type.Optional(Environment),
  ip: Type.Optional(Type.String({ minLength: 2, maxLength: 45 })),
  user_agent: Type.Optional(Type.String({ maxLength: 1_000 })),
  request_id: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  cost: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  min_seq: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  explain: Type.Optional(Type.Boolean()),
})

export const itemsMax = 1_000

const Verdict = Type.Object(
  { valid: Type.Boolean(), code: Type.Enum([...codes]), as_of: AsOf },
  { description: 'The verdict. Whoever has not proven possession learns `unknown` and nothing else.' },
)

/** A request as the domain takes it. */
export function readVerify(body: Static<typeof VerifyBody>, pointer = ''): VerifyRequest {
  const { credential, api, scopes, scopes_any, environment, ip, min_seq, explain } = body
  if (ip !== undefined && parseAddress(ip) === undefined) throw invalidField(`${pointer}/ip`, 'This is no IP address.')
  const request: { -readonly [Field in keyof VerifyRequest]: VerifyRequest[Field] } = { credential }
  if (api !== undefined) request.api = api
  if (scopes !== undefined) request.scopes = scopes
  if (scopes_any !== undefined) request.scopes_any = scopes_any
  if (environment !== undefined) request.environment = environment
  if (ip !== undefined) request.ip = ip
  if (min_seq !== undefined) request.min_seq = min_seq
  if (explain !== undefined) request.explain = explain
  return request
}

/** The verdict comes with 200; only what the node cannot know comes with 503. */
export function verdictReply(decision: Decision): Reply {
  const stale = decision.code === 'stale'
  return { status: stale ? 503 : 200, body: presentDecision(decision), headers: stale ? { 'retry-after': '1' } : {} }
}

/** The answers in order, as one text: those that are known already from their prepared texts, the others decided together. */
async function batchText(authority: Authority, caller: Caller, requests: readonly VerifyRequest[]): Promise<string> {
  const texts = requests.map((request) => knownAnswer(authority.verify, caller, request))
  const open = requests.filter((_request, index) => texts[index] === undefined)
  for (let known = requests.length - open.length; known > 0; known -= 1) authority.metrics.countVerdict('ok')
  const decided = open.length === 0 ? [] : await decideAll(authority.verify, caller, open)
  let next = 0
  const results = texts.map((text) => text ?? JSON.stringify(presentDecision(decided[next++] as Decision)))
  return `{"results":[${results.join(',')}]}`
}

export const verifyEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/v1/verify',
    tag: 'Verify',
    summary: 'Verify a credential',
    description:
      'The verdict is in the body and comes with 200; 4xx means that the verifier itself erred; 503 with the code `stale` means that this node cannot know. Order: possession, state, validity, binding, use, environment, audience, network, scope, charge. `explain: true` reports every step.',
    roles: verifiers,
    body: VerifyBody,
    example: {
      credential: 'kws_live_…',
      api: 'https://api.example.com/orders',
      scopes: ['orders:read'],
      ip: '10.1.2.3',
    },
    answers: { 200: Verdict, 503: Verdict },
    handle: async ({ authority, caller, body }) =>
      verdictReply(await decide(authority.verify, caller, readVerify(body))),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/verify/batch',
    tag: 'Verify',
    summary: 'Verify up to 1,000 credentials, answered in order',
    roles: verifiers,
    example: { items: [{ credential: 'kws_live_…', api: 'https://api.example.com/orders' }] },
    body: Shape({ items: Type.Array(VerifyBody, { maxItems: itemsMax }) }),
    answers: { 200: Type.Object({ results: Type.Array(Verdict) }) },
    handle: async ({ authority, caller, body }) => {
      const requests = body.items.map((item, index) => readVerify(item, `/items/${index}`))
      return { status: 200, type: 'application/json', body: await batchText(authority, caller, requests) }
    },
  }),
]
