/**
 * What the lane answers: the verdict `ok` of `judgeKnown`, from a text prepared once per credential and api and joined with the two numbers that change.
 */
import { presentDecision } from '../domain/verify/answer.ts'
import type { Facts } from '../domain/verify/facts.ts'
import { judgeKnown, type KnownOk } from '../domain/verify/verify.ts'
import { parseAddress } from '../domain/access/networks.ts'
import type { Authority } from './authority.ts'
import type { Lane } from './lane.ts'
import { readVerifyBody } from './verify-body.ts'

const bearer = 'Bearer '
const verifierRoles: ReadonlySet<string> = new Set(['owner', 'admin', 'issuer', 'verifier'])

/** The lane of an authority. Prepared texts go with the facts that they were made of. */
export function verifyLane(authority: Authority): Lane {
  const prepared = new WeakMap<Facts, Map<string, string>>()
  return (request, authorization, body) => {
    if (!authorization.startsWith(bearer)) return undefined
    const source = request.socket.remoteAddress ?? '127.0.0.1'
    const caller = authority.authenticator.known(authorization.slice(bearer.length), source)
    if (caller === undefined || !verifierRoles.has(caller.operator.role)) return undefined
    const question = readVerifyBody(body)
    if (question === undefined || (question.ip !== undefined && parseAddress(question.ip) === undefined))
      return undefined
    const known = judgeKnown(authority.verify, caller, question)
    if (known === undefined) return undefined
    const head = headOf(prepared, known)
    authority.metrics.countVerdict('ok')
    return `${head}${known.asOf.seq},"age_ms":${known.asOf.age_ms}}}`
  }
}

const asOfBegins = '"as_of":{"seq":'

/** The answer up to the numbers. */
function headOf(prepared: WeakMap<Facts, Map<string, string>>, known: KnownOk): string {
  const name = known.api?.record.id ?? ''
  let texts = prepared.get(known.facts)
  if (texts === undefined) {
    texts = new Map()
    prepared.set(known.facts, texts)
  }
  let text = texts.get(name)
  if (text === undefined) {
    const whole = asciiJson(presentDecision({ code: 'ok', proven: known.describe(), asOf: { seq: 0, age_ms: 0 } }))
    text = whole.slice(0, whole.lastIndexOf(asOfBegins) + asOfBegins.length)
    texts.set(name, text)
  }
  return text
}

/** JSON in ASCII alone, so that its length in characters is its length in bytes. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
