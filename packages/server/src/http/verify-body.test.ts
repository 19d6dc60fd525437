/** The fast reader against the ordinary one: what it accepts means the same to both, and all else it leaves alone. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Value } from 'typebox/value'
import { parseJson } from './json.ts'
import { VerifyBody } from './v1/verify.ts'
import { readVerifyBatch, readVerifyBody } from './verify-body.ts'

function ordinary(text: string): unknown {
  const reading = parseJson(Buffer.from(text))
  assert.ok(reading.ok, text)
  assert.ok(Value.Check(VerifyBody, reading.value), text)
  return reading.value
}

/** Bodies near enough to the grammar that many are accepted, and wrong in every way a person could think of. */
const space = fc.constantFrom('', '', '', '', ' ', '  ', '\n')
const text = fc.oneof(
  fc.constantFrom('', 'a', 'orders:read', '127.0.0.1', 'a b', 'x'.repeat(46), 'y'.repeat(501), '\\u0061', 'é', 'a\\"b'),
  fc.string({ maxLength: 6 }).filter((value) => !value.includes('"')),
)
const quoted = text.map((value) => `"${value}"`)
const list = fc.array(quoted, { maxLength: 3 }).map((items) => `[${items.join(', ')}]`)
const broken = fc.constantFrom('1', 'null', 'true', '{}', '[[]]', '["a",]', '[,]', '"', '')
const anyValue = fc.oneof(quoted, list, broken)
const plain = fc.constantFrom('"a"', '"10.0.0.1"', '"orders:read"')
const fitting = (name: string) =>
  name === 'scopes' ? fc.oneof(list, fc.constant('["a", "b"]')) : fc.oneof(plain, quoted)
const member = fc
  .constantFrom('credential', 'api', 'scopes', 'ip', 'ip', 'environment', 'x', '')
  .chain((name) =>
    fc.tuple(
      space,
      fc.constant(name),
      space,
      fc.oneof({ weight: 9, arbitrary: fitting(name) }, { weight: 1, arbitrary: anyValue }),
    ),
  )
  .map(([before, name, between, value]) => `${before}"${name}"${between}:${value}`)
const bodies = fc
  .tuple(
    fc.array(member, { maxLength: 3 }),
    fc.nat({ max: 3 }),
    fc.oneof({ weight: 9, arbitrary: fc.constant(',') }, { weight: 1, arbitrary: fc.constantFrom(',,', '', ', ,') }),
    fc.oneof({ weight: 9, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom('}', 'x', ' ', ',') }),
  )
  .map(([members, at, comma, rest]) => `{${members.toSpliced(at, 0, '"credential":"kws"').join(comma)}}${rest}`)

test('whatever it accepts, the ordinary reader and the schema accept with the same meaning', () => {
  let accepted = 0
  fc.assert(
    fc.property(bodies, (body) => {
      const request = readVerifyBody(body)
      if (request === undefined) return
      accepted += 1
      assert.deepEqual({ ...request }, ordinary(body))
    }),
    { numRuns: 5_000 },
  )
  assert.ok(accepted > 100, `only ${accepted} bodies were accepted`)
})

test('an ordinary body of any order of members is accepted', () => {
  const scope = fc.stringMatching(/^[a-z]{1,20}$/)
  const request = fc.record(
    { credential: scope, api: scope, scopes: fc.array(scope), ip: fc.ipV4().filter((ip) => ip.length <= 45) },
    { requiredKeys: ['credential'] },
  )
  fc.assert(
    fc.property(request, fc.boolean(), (one, isSpaced) => {
      const body = JSON.stringify(Object.fromEntries(Object.entries(one).reverse()))
      const read = readVerifyBody(isSpaced ? body.replaceAll('":', '" : ') : body)
      assert.deepEqual({ ...read }, { ...one })
    }),
  )
})

describe('is left to the ordinary reader', () => {
  for (const [why, body] of [
    ['no credential', '{"api":"a"}'],
    ['an empty object', '{}'],
    ['a duplicate', '{"credential":"a","credential":"a"}'],
    ['a duplicate list', '{"credential":"a","scopes":[],"scopes":[]}'],
    ['an unknown member', '{"credential":"a","explain":"true"}'],
    ['an inherited name', '{"credential":"a","__proto__":"b"}'],
    ['a number', '{"credential":1}'],
    ['null', '{"credential":"a","api":null}'],
    ['an escape', '{"credential":"\\u0061"}'],
    ['an escape in a name', '{"\\u0063redential":"a"}'],
    ['text beyond ASCII', '{"credential":"é"}'],
    ['a control character', '{"credential":"a\tb"}'],
    ['a byte order mark', '\ufeff{"credential":"a"}'],
    ['a trailing comma', '{"credential":"a",}'],
    ['more text', '{"credential":"a"}{}'],
    ['a cut text', '{"credential":"a"'],
    ['an open list', '{"credential":"a","scopes":["b"'],
    ['a scope with a space', '{"credential":"a","scopes":["b c"]}'],
    ['an empty scope', '{"credential":"a","scopes":[""]}'],
    ['an empty api', '{"credential":"a","api":""}'],
    ['a long credential', `{"credential":"${'a'.repeat(4_097)}"}`],
    ['201 scopes', JSON.stringify({ credential: 'a', scopes: Array.from({ length: 201 }, () => 'b') })],
    ['nothing', ''],
  ] as const) {
    test(why, () => assert.equal(readVerifyBody(body), undefined))
  }
})

describe('a batch', () => {
  const wrapped = (items: string) => `{"items":[${items}]}`

  test('is read as its items are read one by one', () => {
    let accepted = 0
    fc.assert(
      fc.property(fc.array(bodies, { minLength: 1, maxLength: 4 }), (items) => {
        const requests = readVerifyBatch(wrapped(items.join(',')), 1_000)
        const alone = items.map(readVerifyBody)
        if (requests === undefined) return
        accepted += 1
        assert.deepEqual(requests, alone)
      }),
      { numRuns: 5_000 },
    )
    assert.ok(accepted > 50, `only ${accepted} were accepted`)
  })

  const item = '{"credential":"kws","ip":"10.0.0.1"}'
  test('may have spaces where JSON has them', () => {
    assert.equal(readVerifyBatch(` { "items" : [ ${item} , ${item} ] } `, 1_000)?.length, 2)
  })

  const refused: readonly (readonly [string, string])[] = [
    ['no items', wrapped('')],
    ['one item too many', wrapped([item, item, item].join(','))],
    ['a comma at the end', wrapped(`${item},`)],
    ['a member beside items', `{"items":[${item}],"x":1}`],
    ['items twice', `{"items":[${item}],"items":[${item}]}`],
    ['something behind it', `${wrapped(item)}x`],
    ['an item that is no object', wrapped(`${item},"kws"`)],
    ['an unknown member within', wrapped('{"credential":"kws","explain":true}')],
    ['an end that is missing', `{"items":[${item}`],
  ]
  for (const [what, body] of refused) {
    test(`with ${what} is left to the ordinary reader`, () => assert.equal(readVerifyBatch(body, 2), undefined))
  }
})
