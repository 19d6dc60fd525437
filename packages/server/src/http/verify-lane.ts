/**
 * What the lane answers: ordinary questions of known verifiers, where the answer is known already.
 */
import { parseAddress } from '../domain/access/networks.ts'
import type { Caller } from '../domain/access/caller.ts'
import type { VerifyRequest } from '../domain/verify/decision.ts'
import type { Authority } from './authority.ts'
import { batchPath, type Lane } from './lane.ts'
import { itemsMax } from './v1/verify.ts'
import { knownAnswer } from './known-answers.ts'
import { readVerifyBatch, readVerifyBody } from './verify-body.ts'

const bearer = 'Bearer '
const verifierRoles: ReadonlySet<string> = new Set(['owner', 'admin', 'issuer', 'verifier'])

/** The lane of an authority. */
export function verifyLane(authority: Authority): Lane {
  return (request, authorization, body) => {
    if (!authorization.startsWith(bearer)) return undefined
    const source = request.socket.remoteAddress ?? '127.0.0.1'
    const caller = authority.authenticator.known(authorization.slice(bearer.length), source)
    if (caller === undefined || !verifierRoles.has(caller.operator.role)) return undefined
    return request.url === batchPath ? answerBatch(authority, caller, body) : answerOne(authority, caller, body)
  }
}

function answerOne(authority: Authority, caller: Caller, body: string): string | undefined {
  const question = readVerifyBody(body)
  const text = question === undefined ? undefined : textOf(authority, caller, question)
  if (text !== undefined) authority.metrics.countVerdict('ok')
  return text
}

/** All or nothing: a batch with one item that is not known already goes the ordinary way as a whole. */
function answerBatch(authority: Authority, caller: Caller, body: string): string | undefined {
  const questions = readVerifyBatch(body, itemsMax)
  if (questions === undefined) return undefined
  let results = ''
  for (const question of questions) {
    const text = textOf(authority, caller, question)
    if (text === undefined) return undefined
    results += results === '' ? text : `,${text}`
  }
  for (let count = questions.length; count > 0; count -= 1) authority.metrics.countVerdict('ok')
  return `{"results":[${results}]}`
}

function textOf(authority: Authority, caller: Caller, question: VerifyRequest): string | undefined {
  if (question.ip !== undefined && parseAddress(question.ip) === undefined) return undefined
  return knownAnswer(authority.verify, caller, question)
}
