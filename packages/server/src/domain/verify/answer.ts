/**
 * Verification as the entrances call it: with the floor under `unknown`, the slowing of sources that keep failing, and the wire's shape.
 */
import { headOf } from '@keywright/credential/credential'
import { DatabaseLost } from '../../ports/database.ts'
import { writeInstantOrNull } from '../../model/instant.ts'
import type { Caller } from '../access/caller.ts'
import type { Throttle } from '../access/throttle.ts'
import type { Code, Decision, VerifyRequest } from './decision.ts'
import { judge } from './verify.ts'
import type { ProveDeps } from './prove.ts'

export interface VerifyDeps extends ProveDeps {
  readonly throttle: Throttle
  /** Milliseconds before which nobody learns that a credential is unknown: above the p99 of a cold look-up. */
  readonly unknownFloorMilliseconds: number
  /** Counts verdicts, for the metrics. */
  readonly count: (code: Code) => void
}

/** What a source that keeps failing waits for each further failure. */
export const slowedMilliseconds = 1_000
/** Failures that wait at the same time; beyond that the floor alone holds, so that waiting never exhausts the server. */
const waitingMax = 10_000

const waiting = new WeakMap<Throttle, { count: number }>()

/** A decision that was waited for as it must be. Never throws for a lost database: what cannot be known is `stale`. */
export async function decide(deps: VerifyDeps, caller: Caller, request: VerifyRequest): Promise<Decision> {
  const began = deps.clock.monotonic()
  const decision = await judgeOrStale(deps, caller, request)
  deps.count(decision.code)
  if (decision.code === 'unknown') await holdBack(deps, began, [request])
  return decision
}

/** Many decisions, in order; the floor is under all of them together. */
export async function decideAll(
  deps: VerifyDeps,
  caller: Caller,
  requests: readonly VerifyRequest[],
): Promise<readonly Decision[]> {
  const began = deps.clock.monotonic()
  const decisions = await Promise.all(requests.map((request) => judgeOrStale(deps, caller, request)))
  for (const { code } of decisions) deps.count(code)
  const failed = requests.filter((_request, index) => decisions[index]?.code === 'unknown')
  if (failed.length > 0) await holdBack(deps, began, failed)
  return decisions
}

async function judgeOrStale(deps: VerifyDeps, caller: Caller, request: VerifyRequest): Promise<Decision> {
  try {
    return await judge(deps, caller, request)
  } catch (error) {
    if (error instanceof DatabaseLost) return { code: 'stale', asOf: deps.listener.asOf(caller.tenant) }
    throw error
  }
}

/** Counts the failures and waits: for the floor, or longer for a source that keeps failing. The verifier itself is never slowed for all its calls. */
async function holdBack(deps: VerifyDeps, began: number, failed: readonly VerifyRequest[]): Promise<void> {
  let milliseconds = deps.unknownFloorMilliseconds
  for (const request of failed) {
    const head = headOf(request.credential)
    // Without an address, only guesses at one credential are slowed: the sources behind a verifier cannot be told apart.
    const source = request.ip ?? (head === undefined ? undefined : '')
    if (source === undefined) continue
    const slowed =
      request.ip === undefined ? deps.throttle.waitSecondsOnKey(source, head) : deps.throttle.waitSeconds(source, head)
    if (slowed > 0) milliseconds = slowedMilliseconds
    deps.throttle.fail(source, head)
  }
  const queue = waiting.get(deps.throttle) ?? { count: 0 }
  waiting.set(deps.throttle, queue)
  if (queue.count >= waitingMax) milliseconds = deps.unknownFloorMilliseconds
  const left = began + milliseconds - deps.clock.monotonic()
  if (left <= 0) return
  queue.count += 1
  await deps.clock.sleep(Math.ceil(left)).finally(() => {
    queue.count -= 1
  })
}

/** A decision as the wire shows it. */
export function presentDecision(decision: Decision) {
  const { code, proven, asOf, missingScopes, stale, checks } = decision
  return {
    valid: code === 'ok',
    code,
    ...(proven === undefined
      ? {}
      : {
          kind: proven.kind,
          key_id: proven.keyId,
          consumer_id: proven.consumerId,
          environment: proven.environment,
          scopes: proven.scopes,
          secret: proven.secret,
          expires_at: writeInstantOrNull(proven.expiresAt),
          meta: proven.meta,
          on_stale: proven.onStale,
          max_staleness_seconds: proven.maxStalenessSeconds,
        }),
    ...(missingScopes === undefined ? {} : { missing_scopes: missingScopes }),
    ...(stale === undefined ? {} : { stale }),
    ...(checks === undefined ? {} : { checks }),
    as_of: asOf,
  }
}
