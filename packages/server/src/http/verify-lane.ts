/**
 * What the lane answers: ordinary questions of known verifiers, where the answer is known already.
 */
import { parseAddress } from '../domain/access/networks.ts'
import type { Authority } from './authority.ts'
import type { Lane } from './lane.ts'
import { readVerifyBody } from './verify-body.ts'

const bearer = 'Bearer '
const verifierRoles: ReadonlySet<string> = new Set(['owner', 'admin', 'issuer', 'verifier'])

/** The lane of an authority. */
export function verifyLane(authority: Authority): Lane {
  return (request, authorization, body) => {
    if (!authorization.startsWith(bearer)) return undefined
    const source = request.socket.remoteAddress ?? '127.0.0.1'
    const caller = authority.authenticator.known(authorization.slice(bearer.length), source)
    if (caller === undefined || !verifierRoles.has(caller.operator.role)) return undefined
    const question = readVerifyBody(body)
    if (question === undefined || (question.ip !== undefined && parseAddress(question.ip) === undefined))
      return undefined
    const text = authority.knownAnswers.textOf(authority.verify, caller, question)
    if (text !== undefined) authority.metrics.countVerdict('ok')
    return text
  }
}
