/**
 * Answers that need no waiting and no composing: the verdict `ok` of `judgeKnown` as a text prepared once per credential and api, joined with the two
 * numbers that change. The lane and the batch give them; everything else goes the ordinary way.
 */
import { presentDecision } from '../domain/verify/answer.ts'
import type { Caller } from '../domain/access/caller.ts'
import type { Proven, VerifyRequest } from '../domain/verify/decision.ts'
import type { ProveDeps } from '../domain/verify/prove.ts'
import { judgeKnown } from '../domain/verify/verify.ts'

const asOfBegins = '"as_of":{"seq":'

/** The whole answer as JSON in ASCII, or `undefined` where the ordinary way must decide. Without effect. */
export function knownAnswer(deps: ProveDeps, caller: Caller, request: VerifyRequest): string | undefined {
  if (request.explain === true || request.min_seq !== undefined) return undefined
  const known = judgeKnown(deps, caller, request)
  if (known === undefined) return undefined
  const { ok, asOf } = known
  ok.rendering ??= headOf(ok.proven)
  return `${ok.rendering}${asOf.seq},"age_ms":${asOf.age_ms}}}`
}

/** The answer up to the numbers, which come last. */
function headOf(proven: Proven): string {
  const whole = asciiJson(presentDecision({ code: 'ok', proven, asOf: { seq: 0, age_ms: 0 } }))
  return whole.slice(0, whole.lastIndexOf(asOfBegins) + asOfBegins.length)
}

/** JSON in ASCII alone, so that its length in characters is its length in bytes. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
