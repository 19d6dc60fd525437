/**
 * Faults as problem documents.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fault, type FaultCode, faultTitles, invalidField, invalidParameter } from '../model/fault.ts'
import { DatabaseFull, DatabaseLost } from '../ports/database.ts'
import { faultOf, problemReply, statuses, writeSocketProblem } from './problem.ts'

const codes = Object.keys(faultTitles) as FaultCode[]

describe('a problem document (RFC 9457)', () => {
  for (const code of codes) {
    it(`says ${code} with its type, title, status and the request’s id, and no instance`, () => {
      const reply = problemReply(new Fault(code, 'What is wrong.', { note: 'for the log alone' }), 'id-1')
      assert.equal(reply.type, 'application/problem+json')
      assert.equal(reply.status, statuses[code])
      assert.deepEqual(reply.body, {
        type: `https://keywright.dev/problems/${code}`,
        title: faultTitles[code],
        status: statuses[code],
        detail: 'What is wrong.',
        request_id: 'id-1',
      })
    })
  }

  it('names the field or the parameter at fault', () => {
    const field = problemReply(invalidField('/grants/0/scopes/1', 'This api has no such scope.'), 'id').body as {
      errors: unknown
    }
    assert.deepEqual(field.errors, [{ pointer: '/grants/0/scopes/1', detail: 'This api has no such scope.' }])
    const parameter = problemReply(invalidParameter('page_size', 'Too large.'), 'id').body as { errors: unknown }
    assert.deepEqual(parameter.errors, [{ parameter: 'page_size', detail: 'Too large.' }])
  })

  it('comes with the headers that its status asks for', () => {
    const challenge = problemReply(new Fault('unauthenticated', 'x'), 'id').headers?.['www-authenticate']
    assert.match(challenge ?? '', /^Bearer /)
    assert.equal(
      problemReply(new Fault('method-not-allowed', 'x', { allow: ['GET', 'HEAD'] }), 'id').headers?.['allow'],
      'GET, HEAD',
    )
    assert.equal(
      problemReply(new Fault('too-many-requests', 'x', { retryAfterSeconds: 7 }), 'id').headers?.['retry-after'],
      '7',
    )
  })
})

describe('an error that is no fault', () => {
  for (const error of [new DatabaseLost('connection to db.internal reset'), new DatabaseFull('SQLITE_FULL')]) {
    it(`is 503 with Retry-After for ${error.name}, and its own words stay in the log`, () => {
      const fault = faultOf(error)
      const reply = problemReply(fault, 'id')
      assert.equal(reply.status, 503)
      assert.match(reply.headers?.['retry-after'] ?? '', /^[1-9]\d*$/)
      assert.equal(fault.note, error.message)
      assert.ok(!JSON.stringify(reply).includes(error.message))
    })
  }

  for (const error of [
    new Error('secret kws_live_x'),
    new TypeError('kws_live_x is not a function'),
    'kws_live_x',
    undefined,
  ]) {
    it(`is 500 without a word of itself (${typeof error})`, () => {
      const reply = problemReply(faultOf(error), 'id-2')
      assert.equal(reply.status, 500)
      assert.ok(!JSON.stringify(reply).includes('kws_'))
      assert.equal((reply.body as { request_id: string }).request_id, 'id-2')
    })
  }
})

describe('a problem for a connection without a readable request', () => {
  for (const [code, status] of [
    ['ERR_HTTP_REQUEST_TIMEOUT', 408],
    ['HPE_HEADER_OVERFLOW', 431],
    ['HPE_INVALID_METHOD', 400],
    [undefined, 400],
    ['__proto__', 400],
  ] as const) {
    it(`is a whole response with status ${status} for ${code ?? 'any other error'}`, () => {
      const [head = '', text = ''] = writeSocketProblem(code, 'id-3').split('\r\n\r\n')
      assert.ok(head.startsWith(`HTTP/1.1 ${status} `), head)
      assert.match(head, /\r\nConnection: close$/)
      assert.match(head, new RegExp(`\\r\\nContent-Length: ${Buffer.byteLength(text)}\\r\\n`))
      const body = JSON.parse(text) as { status: number; request_id: string }
      assert.equal(body.status, status)
      assert.equal(body.request_id, 'id-3')
    })
  }
})
