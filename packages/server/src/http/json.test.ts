/** The strict reader: it agrees with `JSON.parse` on everything it lets pass, and refuses the rest with a pointer that tells no secret. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { depthMax, findBadText, parseJson, pointerNameLengthMax } from './json.ts'

const secret = 'kws_live_i5oio3cGfGOz_jsmzunrLUAzAohws7UofgvqvVZRIQQKJMT5Bos7LJOo09OI2I'

function nested(depth: number): string {
  return `${'[{"a":'.repeat(depth / 2)}0${'}]'.repeat(depth / 2)}`
}

const readable = [
  '{}',
  '[]',
  'null',
  '"text"',
  ' {"a" : [1, -2.5, 1e3, true, null], "b": {"a": "a:b,{[\\"]}"}}\r\n\t',
  '{"":"","\\"":"\\\\"}',
  '{"a":{"a":1},"b":{"a":2}}',
  '[{"a":1},{"a":1}]',
  '{"a":"\\u0061","\\u0062":"b"}',
  '{"ä":"ö€😀"}',
  '{"0":0,"00":1,"-0":2}',
  '9007199254740991',
  '-9007199254740991',
  '-0',
  '1e-400',
  '0.1234567890123456789',
  '"\\ud800 and \\u0000"',
  nested(depthMax),
]
for (const text of readable) {
  test(`reads what JSON.parse reads: ${text.slice(0, 60)}`, () => {
    assert.deepEqual(parseJson(Buffer.from(text)), { ok: true, value: JSON.parse(text) })
  })
}

type Refused = { title: string; body: string | readonly number[]; reason: string; pointer?: string }

const refused: Refused[] = [
  { title: 'nothing', body: '', reason: 'syntax' },
  { title: 'white space alone', body: ' \n', reason: 'syntax' },
  { title: 'an open object', body: '{"a":1', reason: 'syntax' },
  { title: 'an open string', body: '{"a', reason: 'syntax' },
  { title: 'a string that ends in a backslash', body: '"a\\', reason: 'syntax' },
  { title: 'two values', body: '{} {}', reason: 'syntax' },
  { title: 'a trailing comma', body: '{"a":1,}', reason: 'syntax' },
  { title: 'a comment', body: '{"a":1/* */}', reason: 'syntax' },
  { title: 'single quotes', body: "{'a':1}", reason: 'syntax' },
  { title: 'NaN', body: '{"a":NaN}', reason: 'syntax' },
  { title: 'a leading zero', body: '01', reason: 'syntax' },
  { title: 'an exchanged bracket', body: '[{]}', reason: 'syntax' },
  {
    title: 'a closing bracket before many open ones',
    body: `${']'.repeat(1000)}${'['.repeat(1000)}`,
    reason: 'syntax',
  },
  { title: 'a raw NUL in a string', body: '"\u0000"', reason: 'syntax' },
  { title: 'a raw line end in a string', body: '"\n"', reason: 'syntax' },
  { title: 'a no-break space', body: '\u00a0{}', reason: 'syntax' },
  { title: 'a byte order mark', body: '\ufeff{}', reason: 'syntax' },
  { title: 'UTF-16', body: [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00], reason: 'not_utf8' },
  { title: 'Latin-1', body: [0x22, 0xe4, 0x22], reason: 'not_utf8' },
  { title: 'an overlong slash', body: [0x22, 0xc0, 0xaf, 0x22], reason: 'not_utf8' },
  { title: 'an encoded surrogate', body: [0x22, 0xed, 0xa0, 0x80, 0x22], reason: 'not_utf8' },
  { title: 'a sequence that is cut off', body: [0x22, 0xe2, 0x82], reason: 'not_utf8' },
  { title: 'an equal name', body: '{"a":1,"b":2,"a":1}', reason: 'duplicate_member', pointer: '/a' },
  { title: 'an equal name after unescaping', body: '{"a":1,"\\u0061":2}', reason: 'duplicate_member', pointer: '/a' },
  { title: 'an equal empty name', body: '{"":1,"":2}', reason: 'duplicate_member', pointer: '/' },
  { title: 'an equal name with a quote', body: '{"\\"":1,"\\u0022":2}', reason: 'duplicate_member', pointer: '/"' },
  {
    title: 'an equal __proto__',
    body: '{"__proto__":1,"__proto__":2}',
    reason: 'duplicate_member',
    pointer: '/__proto__',
  },
  {
    title: 'an equal name deep inside',
    body: '{"a":[0,{"x":"}],"},{"b/~":{"c":"{","d":[],"c":[1,2]}}]}',
    reason: 'duplicate_member',
    pointer: '/a/2/b~1~0/c',
  },
  {
    title: 'an equal name inside a member that the second one replaces',
    body: '{"a":{"b":1,"b":2},"a":1}',
    reason: 'duplicate_member',
    pointer: '/a/b',
  },
  {
    title: 'an equal name with a number out of range',
    body: '{"a":1e400,"a":1}',
    reason: 'duplicate_member',
    pointer: '/a',
  },
  { title: 'infinity', body: '1e400', reason: 'number_out_of_range', pointer: '' },
  { title: 'negative infinity', body: '{"cost":-1e400}', reason: 'number_out_of_range', pointer: '/cost' },
  { title: '2^53', body: '[0,[9007199254740992]]', reason: 'number_out_of_range', pointer: '/1/0' },
  { title: '2^53 + 1', body: '{"a":{"b":9007199254740993}}', reason: 'number_out_of_range', pointer: '/a/b' },
  { title: 'an integer with an exponent', body: '{"a":1e16}', reason: 'number_out_of_range', pointer: '/a' },
  { title: 'ten thousand digits', body: '1'.repeat(10_000), reason: 'number_out_of_range', pointer: '' },
  { title: 'depth 33 of arrays', body: '['.repeat(33) + ']'.repeat(33), reason: 'too_deep' },
  { title: 'depth 34 of both', body: nested(34), reason: 'too_deep' },
  { title: 'ten million open brackets', body: '['.repeat(10_000_000), reason: 'too_deep' },
  { title: 'a million open objects', body: '{"a":'.repeat(1_000_000), reason: 'too_deep' },
]
for (const { title, body, reason, pointer } of refused) {
  test(`${title}: ${reason}`, () => {
    const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body)
    assert.deepEqual(parseJson(bytes), pointer === undefined ? { ok: false, reason } : { ok: false, reason, pointer })
  })
}

test('a body of ten megabytes is read', () => {
  const large: Record<string, string> = { quotes: '"'.repeat(2_500_000), letters: 'a'.repeat(5_000_000) }
  const reading = parseJson(Buffer.from(JSON.stringify(large)))
  assert.ok(reading.ok)
  assert.deepEqual(reading.value, large)
})

test('a smaller depth can be asked for, and no larger one', () => {
  assert.equal(parseJson(Buffer.from('[[1]]'), { depthMax: 2 }).ok, true)
  assert.deepEqual(parseJson(Buffer.from('[[[1]]]'), { depthMax: 2 }), { ok: false, reason: 'too_deep' })
  assert.deepEqual(parseJson(Buffer.from('['.repeat(33)), { depthMax: 1000 }), { ok: false, reason: 'too_deep' })
})

test('__proto__ and constructor are own properties and change no prototype', () => {
  const reading = parseJson(
    Buffer.from('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
  )
  assert.ok(reading.ok)
  const value = reading.value as object
  assert.equal(Object.getPrototypeOf(value), Object.prototype)
  assert.deepEqual(Object.getOwnPropertyNames(value), ['__proto__', 'constructor'])
  assert.equal('polluted' in value, false)
  assert.equal('polluted' in {}, false)
})

test('whatever the bytes are, it agrees with JSON.parse or names a reason', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '"\\u0061"',
    '\\',
    '1',
    '1e999',
    'true',
    ' ',
    'é',
    '\u0000',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const text = parts.join('')
      const reading = parseJson(Buffer.from(text))
      if (reading.ok) assert.deepEqual(reading.value, JSON.parse(text))
      else if (reading.reason === 'syntax') assert.throws(() => JSON.parse(text), SyntaxError)
      else assert.doesNotThrow(() => JSON.parse(text))
    }),
    { numRuns: 5000 },
  )
})

test('every value that JSON can write without loss is read back', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const text = JSON.stringify(value)
      const sound = !/e\+/.test(text) && !/\d{16}/.test(text)
      const reading = parseJson(Buffer.from(text))
      if (sound) assert.deepEqual(reading, { ok: true, value: JSON.parse(text) })
      else if (!reading.ok) assert.equal(reading.reason, 'number_out_of_range')
    }),
  )
})

test('a second member of the same name is found wherever it is put and however it is escaped', () => {
  const name = fc.string({ unit: 'grapheme', maxLength: 5 })
  const names = fc.uniqueArray(name, { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(names, fc.nat(), fc.boolean(), (unique, at, unescaped) => {
      const again = unique[at % unique.length] ?? ''
      const escaped = again.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      const members = unique.map((each) => `${JSON.stringify(each)}:[{}]`)
      assert.equal(parseJson(Buffer.from(`{${members.join()}}`)).ok, true)
      members.push(unescaped ? `${JSON.stringify(again)}:0` : `"${escaped}":0`)
      const reading = parseJson(Buffer.from(`[{"x":1},{${members.join()}}]`))
      assert.ok(!reading.ok)
      assert.equal(reading.reason, 'duplicate_member')
    }),
  )
})

const badTexts: { title: string; value: unknown; pointer: string | undefined }[] = [
  { title: 'good text', value: { a: ['b', 'ä😀', 1, null, true] }, pointer: undefined },
  { title: 'no text at all', value: 7, pointer: undefined },
  { title: 'NUL', value: 'a\0', pointer: '' },
  { title: 'a lone high surrogate', value: { a: ['', 'x\ud83d'] }, pointer: '/a/1' },
  { title: 'a lone low surrogate', value: [{}, { b: '\ude00x' }], pointer: '/1/b' },
  { title: 'surrogates in the wrong order', value: { 'a/b~c': '\ude00\ud83d' }, pointer: '/a~1b~0c' },
  { title: 'NUL in a name', value: { a: 1, 'b\0c': 2 }, pointer: '/b\ufffdc' },
  { title: 'a lone surrogate in a name', value: { a: { '\ud800': 2 } }, pointer: '/a/\ufffd' },
  { title: 'the first of two', value: { a: 'fine', b: '\0', c: '\0' }, pointer: '/b' },
]
for (const { title, value, pointer } of badTexts) {
  test(`bad text, ${title}: ${pointer === undefined ? 'none' : JSON.stringify(pointer)}`, () => {
    assert.equal(findBadText(value), pointer)
  })
}

test('a name is shown up to its limit, and no half character is', () => {
  assert.equal(findBadText({ ['n'.repeat(1000)]: '\0' }), `/${'n'.repeat(pointerNameLengthMax)}`)
  assert.equal(findBadText({ [`${'n'.repeat(63)}😀`]: '\0' }), `/${'n'.repeat(63)}\ufffd`)
})

const secretNames = [secret, `x${secret}`, 'kwk_', 'n'.repeat(60) + secret, `a/kwa_${'0'.repeat(61)}`, 'kwt_aaa']
for (const name of secretNames) {
  test(`a name that could be a credential is not shown: ${name.slice(0, 8)}`, () => {
    assert.equal(findBadText({ [name]: { deeper: '\0' } }), '/…/deeper')
    const quoted = JSON.stringify(name)
    assert.deepEqual(parseJson(Buffer.from(`{"a":{${quoted}:1,${quoted}:2}}`)), {
      ok: false,
      reason: 'duplicate_member',
      pointer: '/a/…',
    })
    assert.deepEqual(parseJson(Buffer.from(`{${quoted}:[1e400]}`)), {
      ok: false,
      reason: 'number_out_of_range',
      pointer: '/…/0',
    })
  })
}

test('no refusal shows a value', () => {
  const bodies = [
    `{"a":"${secret}"`,
    `{"a":"${secret}","a":1}`,
    `["${secret}",1e400]`,
    `${secret}`,
    `{"a":"${secret}" 1}`,
  ]
  for (const body of bodies) {
    const reading = parseJson(Buffer.from(body))
    assert.equal(reading.ok, false)
    assert.doesNotMatch(JSON.stringify(reading), /kws_|jsmz/)
  }
})
