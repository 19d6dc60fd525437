/**
 * Answers that need no waiting and no composing: the verdict `ok` of `judgeKnown` as a text prepared once per credential and api, joined with the two
 * numbers that change. The lane and the batch give them; everything else goes the ordinary way.
 */
import { presentDecision } from '../domain/verify/answer.ts'
import type { Caller } from '../domain/access/caller.ts'
import type { VerifyRequest } from '../domain/verify/decision.ts'
import type { Facts } from '../domain/verify/facts.ts'
import type { ProveDeps } from '../domain/verify/prove.ts'
import { judgeKnown, type KnownOk } from '../domain/verify/verify.ts'

const asOfBegins = '"as_of":{"seq":'

export class KnownAnswers {
  /** Texts up to the numbers, by api; they go with the facts that they were made of. */
  readonly #prepared = new WeakMap<Facts, Map<string, string>>()

  /** The whole answer as JSON in ASCII, or `undefined` where the ordinary way must decide. Without effect. */
  textOf(deps: ProveDeps, caller: Caller, request: VerifyRequest): string | undefined {
    if (request.explain === true || request.min_seq !== undefined) return undefined
    const known = judgeKnown(deps, caller, request)
    if (known === undefined) return undefined
    return `${this.#headOf(known)}${known.asOf.seq},"age_ms":${known.asOf.age_ms}}}`
  }

  #headOf(known: KnownOk): string {
    const name = known.api?.record.id ?? ''
    let texts = this.#prepared.get(known.facts)
    if (texts === undefined) {
      texts = new Map()
      this.#prepared.set(known.facts, texts)
    }
    let text = texts.get(name)
    if (text === undefined) {
      const whole = asciiJson(presentDecision({ code: 'ok', proven: known.describe(), asOf: { seq: 0, age_ms: 0 } }))
      text = whole.slice(0, whole.lastIndexOf(asOfBegins) + asOfBegins.length)
      texts.set(name, text)
    }
    return text
  }
}

/** JSON in ASCII alone, so that its length in characters is its length in bytes. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
