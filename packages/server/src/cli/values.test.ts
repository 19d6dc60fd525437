/** Values of the command line: what each means, and what is refused with a sentence. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { InvalidArgumentError } from 'commander'
import fc from 'fast-check'
import { readDuration, readGrant, readMeta, readWhole, repeated } from './values.ts'

describe('durations', () => {
  for (const [text, seconds] of [
    ['0', 0],
    ['90', 90],
    ['90s', 90],
    ['15m', 900],
    ['1h', 3_600],
    ['7d', 604_800],
  ] as const) {
    test(`${text} is ${seconds} seconds`, () => assert.equal(readDuration(text), seconds))
  }

  for (const text of [
    '',
    's',
    '-1',
    '+1',
    '1.5h',
    '1w',
    '1H',
    ' 1',
    '1 h',
    '1h30m',
    '1e3',
    '0x10',
    '1234567890',
    '١',
  ]) {
    test(`${JSON.stringify(text)} is refused`, () => assert.throws(() => readDuration(text), InvalidArgumentError))
  }
})

describe('grants', () => {
  test('part at the last equals sign, since an identifier may hold one', () => {
    assert.deepEqual(readGrant('https://a.example/?v=1=read,write'), {
      api: 'https://a.example/?v=1',
      scopes: ['read', 'write'],
    })
  })

  test('may name no scope, and empty ones are left out', () => {
    assert.deepEqual(readGrant('api='), { api: 'api', scopes: [] })
    assert.deepEqual(readGrant('api=,read,'), { api: 'api', scopes: ['read'] })
  })

  for (const text of ['', 'api', '=read']) {
    test(`${JSON.stringify(text)} is refused`, () => assert.throws(() => readGrant(text), InvalidArgumentError))
  }

  test('come out as they were written', () => {
    const scope = fc.stringMatching(/^[a-z:.]{1,10}$/)
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.array(scope), (api, scopes) => {
        assert.deepEqual(readGrant(`${api}=${scopes.join(',')}`), { api, scopes })
      }),
    )
  })
})

describe('meta', () => {
  test('parts at the first equals sign, since a value may hold more', () => {
    assert.deepEqual(readMeta('query=a=b'), ['query', 'a=b'])
    assert.deepEqual(readMeta('empty='), ['empty', ''])
  })

  for (const text of ['', 'name', '=value']) {
    test(`${JSON.stringify(text)} is refused`, () => assert.throws(() => readMeta(text), InvalidArgumentError))
  }
})

test('whole numbers are decimal digits alone, and every accepted one is exact', () => {
  assert.equal(readWhole('007'), 7)
  assert.ok(Number.isSafeInteger(readWhole('9'.repeat(15))))
  for (const text of ['', '-1', '1.0', '1e3', ' 1', '1'.repeat(16)]) {
    assert.throws(() => readWhole(text), InvalidArgumentError, text)
  }
})

test('a repeated option collects its values in order and leaves the earlier list as it was', () => {
  const collect = repeated(readWhole)
  const first = collect('1', undefined)
  assert.deepEqual(collect('2', first), [1, 2])
  assert.deepEqual(first, [1])
})
