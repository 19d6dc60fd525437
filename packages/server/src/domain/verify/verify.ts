/**
 * The one function that owns the order of verification, on every entrance:
 *
 *   possession → key, consumer and api state → version state, not_before, expiry → binding → use → environment → audience → networks → scopes → charge
 *
 * Its steps only compute. A decision comes back, never an exception, except where the verifier itself erred or the database is gone.
 */
import { Fault } from '../../model/fault.ts'
import type { ApiId, Instant } from '../../model/ids.ts'
import type { KeyUse } from '../../model/records.ts'
import { type Caller, seesApi, seesConsumer, seesEnvironment } from '../access/caller.ts'
import { permits } from '../access/networks.ts'
import { findApi } from '../apis/apis.ts'
import { statusAt } from '../keys/versions.ts'
import type { Loaded } from '../records/rows.ts'
import type { AsOf } from '../feed/follower.ts'
import type { Check, CheckName, Code, Decision, Proven, VerifyRequest } from './decision.ts'
import type { Facts, RememberedOk } from './facts.ts'
import { type ProveDeps, prove, provenBefore, type Unproven } from './prove.ts'

/** How long a caller waits at most for a node that is behind its `min_seq`. */
export const minSeqWaitMilliseconds = 1_000
/** Freshness of an answer about a credential that no key says otherwise of. */
export const maxStalenessSecondsDefault = 10

/** The roles that get an explanation even where nothing was proven. */
const explainedTo: readonly string[] = ['owner', 'admin', 'issuer']

/** Judges one credential. Synchronous where everything is known already. */
export function judge(deps: ProveDeps, caller: Caller, request: VerifyRequest): Decision | Promise<Decision> {
  if (request.min_seq !== undefined) return judgeAtLeast(deps, caller, request, request.min_seq)
  const api = request.api === undefined ? undefined : knownApi(deps, caller, request.api)
  if (request.api !== undefined && api === undefined) return judgeColdApi(deps, caller, request, request.api)
  return judgeAt(deps, caller, request, api)
}

async function judgeAtLeast(deps: ProveDeps, caller: Caller, request: VerifyRequest, seq: number): Promise<Decision> {
  if (!(await deps.listener.reached(caller.tenant, seq, minSeqWaitMilliseconds))) {
    return { code: 'stale', asOf: deps.listener.asOf(caller.tenant) }
  }
  const { min_seq: _reached, ...rest } = request
  return await judge(deps, caller, rest)
}

async function judgeColdApi(deps: ProveDeps, caller: Caller, request: VerifyRequest, name: string): Promise<Decision> {
  const api = (await findApi(deps.store, caller.tenant, name)) ?? 'no_such_api'
  return await judgeAt(deps, caller, request, api)
}

/** An api that is in memory already, by id or by identifier. */
function knownApi(deps: ProveDeps, caller: Caller, name: string): Loaded<'apis'> | undefined {
  const api = deps.store.knownApi(caller.tenant, name)
  return api?.tenant === caller.tenant ? api : undefined
}

type NamedApi = Loaded<'apis'> | 'no_such_api' | undefined

function judgeAt(deps: ProveDeps, caller: Caller, request: VerifyRequest, api: NamedApi): Decision | Promise<Decision> {
  refuseForeignApi(caller, api)
  const proven = prove(deps, caller.tenant, request.credential)
  return proven instanceof Promise
    ? proven.then((facts) => conclude(deps, caller, request, api, facts))
    : conclude(deps, caller, request, api, proven)
}

/** A narrowed verifier that names another api erred itself; one that names no api at all learns the verdict. */
function refuseForeignApi(caller: Caller, api: NamedApi): void {
  if (api === undefined || caller.operator.narrowing.apis === null) return
  if (api === 'no_such_api' || !seesApi(caller, api.record.id)) {
    throw new Fault('forbidden', 'This operator is narrowed to other apis.')
  }
}

function conclude(
  deps: ProveDeps,
  caller: Caller,
  request: VerifyRequest,
  api: NamedApi,
  proven: Facts | Unproven,
): Decision {
  const asOf = deps.listener.asOf(caller.tenant)
  const unseen = typeof proven !== 'string' && !withinNarrowing(caller, proven)
  if (typeof proven === 'string' || unseen) {
    if (asOf.age_ms > maxStalenessSecondsDefault * 1000) return { code: 'stale', asOf }
    const reason = typeof proven === 'string' ? proven : 'never_issued'
    const explained = request.explain === true && explainedTo.includes(caller.operator.role)
    return {
      code: 'unknown',
      asOf,
      ...(explained ? { checks: [{ check: 'possession', ok: false, code: 'unknown', reason }] } : {}),
    }
  }
  const question = questionOf(caller, request, api, proven, deps.clock.now())
  const { record } = proven.key
  const tooOld = asOf.age_ms > record.max_staleness_seconds * 1000
  if (tooOld && record.on_stale === 'refuse') return { code: 'stale', asOf }
  const code = verdict(question)
  const missing = code === 'insufficient_scope' ? missingScopes(question) : undefined
  return {
    code,
    proven: describe(question),
    asOf,
    ...(missing === undefined ? {} : { missingScopes: missing }),
    ...(tooOld ? { stale: true } : {}),
    ...(request.explain === true ? { checks: explain(question) } : {}),
  }
}

/** A good verdict that was found without waiting. */
export interface KnownOk {
  readonly ok: RememberedOk
  readonly asOf: AsOf
}

/**
 * The verdict `ok` where everything is in memory and fresh, else `undefined`, without any effect: the caller then asks `judge`. It is the same order
 * and the same steps; their outcome is remembered with the facts for as long as only time could change it.
 */
export function judgeKnown(deps: ProveDeps, caller: Caller, request: VerifyRequest): KnownOk | undefined {
  if (caller.operator.narrowing.apis !== null || request.scopes_any !== undefined) return undefined
  const facts = provenBefore(deps, caller.tenant, request.credential)
  if (facts === undefined || !withinNarrowing(caller, facts)) return undefined
  const asOf = deps.listener.asOf(caller.tenant)
  if (asOf.age_ms > facts.key.record.max_staleness_seconds * 1000) return undefined
  const now = deps.clock.now()
  const remembered = facts.oks.get(request.api ?? '')
  if (remembered !== undefined && stillHolds(remembered, request, now)) return { ok: remembered, asOf }
  const api = request.api === undefined ? undefined : knownApi(deps, caller, request.api)
  if (request.api !== undefined && api === undefined) return undefined
  const question = questionOf(caller, request, api, facts, now)
  if (verdict(question) !== 'ok') return undefined
  const ok = rememberedOk(question)
  // What depends on the address that is asked about is judged each time.
  if (facts.key.record.networks === null) facts.oks.set(request.api ?? '', ok)
  return { ok, asOf }
}

function rememberedOk(question: Question): RememberedOk {
  const proven = describe(question)
  return { proven, since: question.now, until: proven.expiresAt ?? Number.MAX_SAFE_INTEGER, rendering: undefined }
}

/** Whether an earlier `ok` answers this request too. A clock that was set back asks anew. */
function stillHolds({ proven, since, until }: RememberedOk, request: VerifyRequest, now: Instant): boolean {
  if (now < since || now >= until) return false
  if (request.environment !== undefined && request.environment !== proven.environment) return false
  const { scopes } = request
  if (scopes === undefined) return true
  for (let index = 0; index < scopes.length; index += 1) if (!proven.scopes.includes(scopes[index] ?? '')) return false
  return true
}

function withinNarrowing(caller: Caller, facts: Facts): boolean {
  const { consumer_id, environment } = facts.key.record
  return seesConsumer(caller, consumer_id) && seesEnvironment(caller, environment)
}

/** Everything that the steps look at. */
interface Question {
  readonly request: VerifyRequest
  readonly facts: Facts
  readonly use: KeyUse
  readonly api: NamedApi
  /** Whether an audience was asked for or follows from the verifier's narrowing, and the key has a grant there. */
  readonly audienceHolds: boolean
  /** The scopes granted at the audience, or at any api. */
  readonly scopes: readonly string[]
  readonly now: Instant
}

function questionOf(caller: Caller, request: VerifyRequest, api: NamedApi, facts: Facts, now: Instant): Question {
  const narrowed = caller.operator.narrowing.apis
  const audience = audienceOf(facts, api, narrowed)
  return { request, facts, use: 'bearer', api, audienceHolds: audience.holds, scopes: audience.scopes, now }
}

interface Audience {
  readonly holds: boolean
  readonly scopes: readonly string[]
}

function audienceOf({ grants }: Facts, api: NamedApi, narrowed: readonly ApiId[] | null): Audience {
  const heard =
    api === undefined
      ? grants.filter(
          ({ api: { record } }) => record.state === 'enabled' && (narrowed === null || narrowed.includes(record.id)),
        )
      : grants.filter((grant) => api !== 'no_such_api' && grant.api.record.id === api.record.id)
  const holds = heard.length > 0 || (api === undefined && narrowed === null)
  return { holds, scopes: [...new Set(heard.flatMap((grant) => grant.scopes))] }
}

type Step = (question: Question) => { readonly code: Code; readonly reason: string } | undefined

/** The steps after possession, in their order. */
const steps: readonly (readonly [CheckName, Step])[] = [
  [
    'state',
    ({ facts, api }) => {
      const { state } = facts.key.record
      if (state === 'revoked') return { code: 'revoked', reason: 'key' }
      if (state === 'disabled') return { code: 'disabled', reason: 'key' }
      if (facts.consumer.record.state === 'disabled') return { code: 'disabled', reason: 'consumer' }
      const apiDisabled = api !== undefined && api !== 'no_such_api' && api.record.state === 'disabled'
      return apiDisabled ? { code: 'disabled', reason: 'api' } : undefined
    },
  ],
  [
    'validity',
    ({ facts, now }) => {
      const status = statusAt(facts.version, now)
      if (status === 'revoked' || status === 'expired') return { code: status, reason: 'secret' }
      const { not_before, expires_at } = facts.key.record
      if (not_before !== null && now < not_before) return { code: 'not_yet_valid', reason: 'key' }
      return expires_at !== null && now >= expires_at ? { code: 'expired', reason: 'key' } : undefined
    },
  ],
  ['binding', () => undefined],
  [
    'use',
    ({ facts, use }) => (facts.key.record.uses.includes(use) ? undefined : { code: 'use_not_allowed', reason: use }),
  ],
  [
    'environment',
    ({ facts, request }) =>
      request.environment === undefined || request.environment === facts.key.record.environment
        ? undefined
        : { code: 'wrong_environment', reason: facts.key.record.environment },
  ],
  [
    'audience',
    ({ audienceHolds, api }) =>
      audienceHolds
        ? undefined
        : { code: 'wrong_audience', reason: api === 'no_such_api' ? 'no such api' : 'no grant' },
  ],
  [
    'network',
    ({ facts, request }) => {
      const { networks } = facts.key.record
      if (networks === null || permits(networks, request.ip)) return undefined
      return { code: 'network_denied', reason: request.ip === undefined ? 'no ip given' : 'outside' }
    },
  ],
  [
    'scope',
    (question) =>
      missingScopes(question) === undefined ? undefined : { code: 'insufficient_scope', reason: 'not granted' },
  ],
  ['charge', () => undefined],
]

function verdict(question: Question): Code {
  // By index: this runs on each verification, where an iterator would cost more than the steps.
  for (let index = 0; index < steps.length; index += 1) {
    const refusal = steps[index]?.[1](question)
    if (refusal !== undefined) return refusal.code
  }
  return 'ok'
}

/** All steps, none stopping the next, nothing charged. */
function explain(question: Question): readonly Check[] {
  return [
    { check: 'possession', ok: true },
    ...steps.map(([check, step]): Check => {
      const refusal = step(question)
      return refusal === undefined ? { check, ok: true } : { check, ok: false, ...refusal }
    }),
  ]
}

/** The asked scopes that are not granted; of `scopes_any` all of them where not one is. */
function missingScopes({ request, scopes }: Question): readonly string[] | undefined {
  const { scopes: all, scopes_any: any } = request
  if (any === undefined && (all === undefined || all.every((scope) => scopes.includes(scope)))) return undefined
  const missing = all?.filter((scope) => !scopes.includes(scope)) ?? []
  const anyMissing = any !== undefined && any.length > 0 && !any.some((scope) => scopes.includes(scope)) ? any : []
  return missing.length + anyMissing.length === 0 ? undefined : [...new Set([...missing, ...anyMissing])]
}

function describe({ facts, scopes, now }: Question): Proven {
  const { key, version } = facts
  const { record } = key
  const ends = [record.expires_at, version.expires_at, version.state === 'retiring' ? version.until : null]
  const known = ends.filter((end) => end !== null)
  return {
    kind: 'secret',
    keyId: record.id,
    consumerId: record.consumer_id,
    environment: record.environment,
    scopes,
    secret: { version: version.version, state: statusAt(version, now) },
    expiresAt: known.length === 0 ? null : Math.min(...known),
    meta: record.meta,
    onStale: record.on_stale,
    maxStalenessSeconds: record.max_staleness_seconds,
  }
}
