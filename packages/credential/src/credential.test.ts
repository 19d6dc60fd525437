/** Reading and writing credentials: vectors first, then that nothing has a second spelling and no reason or head tells a secret. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { base62Alphabet } from './base62.ts'
import { checkOf } from './check.ts'
import {
  type Credential,
  credentialLengthMax,
  defaultPrefixes,
  headOf,
  parseCredential,
  type Prefixes,
  type PrefixWords,
  prefixesOf,
  sealedDigitsMax,
  sealedDigitsMin,
  writeCredential,
} from './credential.ts'
import vectors from './vectors/crc32.json' with { type: 'json' }

const id = 'i5oio3cGfGOz'
const random = 'jsmzunrLUAzAohws7UofgvqvVZRIQQKJMT5Bos7LJOo'
const key: Credential = { kind: 'key', environment: 'live', id }
const secret: Credential = { kind: 'secret', environment: 'live', id, random }
const operator: Credential = { kind: 'operator', id, random }
const token: Credential = { kind: 'token', sealed: 'S'.repeat(100) }
const words: PrefixWords = defaultPrefixes.words
const acmeWords: PrefixWords = {
  key: 'k',
  secret: 'AcmeSecret2',
  operator: 'op',
  token: 'tok',
  live: 'prod',
  test: 'x',
}
const acme = usable(prefixesOf(acmeWords))

const digit = fc.constantFrom(...base62Alphabet)
const ids = fc.string({ unit: digit, minLength: 12, maxLength: 12 })
const randoms = fc.string({ unit: digit, minLength: 43, maxLength: 43 })
const environments = fc.constantFrom('live' as const, 'test' as const)
const plain = { noNullPrototype: true }
const credentials: fc.Arbitrary<Credential> = fc.oneof(
  fc.record({ kind: fc.constant('key' as const), environment: environments, id: ids }, plain),
  fc.record({ kind: fc.constant('secret' as const), environment: environments, id: ids, random: randoms }, plain),
  fc.record({ kind: fc.constant('operator' as const), id: ids, random: randoms }, plain),
  fc.record(
    {
      kind: fc.constant('token' as const),
      sealed: fc.string({ unit: digit, minLength: sealedDigitsMin, maxLength: sealedDigitsMax }),
    },
    plain,
  ),
)

function usable(prefixes: ReturnType<typeof prefixesOf>): Prefixes {
  assert.ok(typeof prefixes !== 'string', `words refused: ${String(prefixes)}`)
  return prefixes
}

function checked(text: string): string {
  return text + checkOf(text)
}

for (const vector of vectors.designVector) {
  test(`crc32 designVector ${vector.kind} ${vector.environment} is read and written`, () => {
    const read = parseCredential(vector.expected)
    assert.deepEqual(read, { ...(vector.kind === 'key' ? key : secret), environment: vector.environment })
    assert.equal(writeCredential(read as Credential), vector.expected)
  })
}

test('every credential is read back as it was written, under any words', () => {
  fc.assert(
    fc.property(credentials, fc.constantFrom(defaultPrefixes, acme), (credential, prefixes) => {
      const text = writeCredential(credential, prefixes)
      assert.ok(text.length <= credentialLengthMax)
      assert.deepEqual(parseCredential(text, prefixes), credential)
    }),
  )
})

test('every change of one character is refused', () => {
  fc.assert(
    fc.property(
      credentials,
      fc.nat(),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      (credential, at, other) => {
        const text = writeCredential(credential)
        const index = at % text.length
        fc.pre(text[index] !== other)
        assert.equal(typeof parseCredential(text.slice(0, index) + other + text.slice(index + 1)), 'string')
      },
    ),
    { numRuns: 1000 },
  )
})

test('every single digit of the vector, replaced by every other character of ASCII, is refused', () => {
  const text = writeCredential(secret)
  for (let index = 0; index < text.length; index += 1) {
    for (let code = 0; code < 128; code += 1) {
      const other = String.fromCharCode(code)
      if (other === text[index]) continue
      assert.equal(
        typeof parseCredential(text.slice(0, index) + other + text.slice(index + 1)),
        'string',
        `${index} ${code}`,
      )
    }
  }
})

test('what is read is exactly what would be written: no text has a second spelling', () => {
  const pieces = fc.constantFrom('kws', 'kwk', 'kwa', 'kwt', '_', 'live', 'test', 'LIVE', id, random, ' ', '\n', '00')
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
      const text = checked(parts.join(''))
      const read = parseCredential(text)
      if (typeof read !== 'string') assert.equal(writeCredential(read), text)
    }),
    { numRuns: 2000 },
  )
})

const whole = writeCredential(secret)
const refusals: { title: string; text: string; reason: string }[] = [
  { title: 'the empty text', text: '', reason: 'unknown_prefix' },
  { title: 'a foreign credential', text: 'ghp_16C7e42F292c6912E7710c838347Ae178B4a', reason: 'unknown_prefix' },
  { title: 'a JWT', text: 'eyJhbGciOiJFUzI1NiJ9.e30.AA', reason: 'unknown_prefix' },
  { title: 'a prefix without its separator', text: 'kws', reason: 'unknown_prefix' },
  { title: 'a prefix that begins like ours', text: 'kwss_live_', reason: 'unknown_prefix' },
  { title: 'a prefix in capitals', text: whole.toUpperCase(), reason: 'unknown_prefix' },
  { title: 'a leading space', text: ` ${whole}`, reason: 'unknown_prefix' },
  { title: 'a byte order mark', text: `\ufeff${whole}`, reason: 'unknown_prefix' },
  { title: 'a trailing space', text: `${whole} `, reason: 'malformed' },
  { title: 'a trailing line end', text: `${whole}\n`, reason: 'malformed' },
  { title: 'a prefix alone', text: 'kws_', reason: 'malformed' },
  { title: 'an unknown environment', text: checked(`kws_prod_${id}_${random}`), reason: 'malformed' },
  { title: 'an environment where none belongs', text: checked(`kwa_live_${id}_${random}`), reason: 'malformed' },
  { title: 'a secret without environment', text: checked(`kws_${id}_${random}`), reason: 'malformed' },
  { title: 'an id that is one digit short', text: checked(`kws_live_${id.slice(1)}_${random}`), reason: 'malformed' },
  { title: 'a separator at the wrong place', text: checked(`kws_live_${id.slice(1)}_0${random}`), reason: 'malformed' },
  { title: 'a digit in the place of a separator', text: checked(`kws_live_${id}0${random}`), reason: 'malformed' },
  { title: 'a random part that is one digit long', text: checked(`kws_live_${id}_${random}0`), reason: 'malformed' },
  { title: 'a hyphen in the id', text: checked(`kws_live_-${id.slice(1)}_${random}`), reason: 'malformed' },
  { title: 'a separator in the random part', text: checked(`kws_live_${id}__${random.slice(1)}`), reason: 'malformed' },
  { title: 'a character beyond bytes in the id', text: `kws_live_\u0161${whole.slice(10)}`, reason: 'malformed' },
  {
    title: 'a character whose low byte is a digit',
    text: whole.slice(0, -1) + String.fromCharCode(0x0149),
    reason: 'malformed',
  },
  { title: 'a hyphen in the check', text: `${whole.slice(0, -1)}-`, reason: 'malformed' },
  { title: 'a key with a random part', text: checked(`kwk_live_${id}_${random}`), reason: 'malformed' },
  { title: 'a key without its check', text: `kwk_live_${id}`, reason: 'malformed' },
  { title: 'a token of 59 digits', text: checked(`kwt_${'a'.repeat(59)}`), reason: 'malformed' },
  { title: 'a token of 601 digits', text: checked(`kwt_${'a'.repeat(601)}`), reason: 'malformed' },
  { title: 'ten million characters', text: 'kws_'.repeat(2_500_000), reason: 'malformed' },
  { title: 'another last digit', text: `${whole.slice(0, -1)}J`, reason: 'check_failed' },
  { title: 'a check above every crc', text: `${whole.slice(0, -6)}zzzzzz`, reason: 'check_failed' },
  { title: 'live turned into test', text: whole.replace('live', 'test'), reason: 'check_failed' },
]
for (const { title, text, reason } of refusals) {
  test(`${title} is ${reason}`, () => {
    assert.equal(parseCredential(text), reason)
  })
}

test('a token of 60 and one of 600 digits is read', () => {
  for (const length of [sealedDigitsMin, sealedDigitsMax]) {
    const sealed = 'z'.repeat(length)
    assert.deepEqual(parseCredential(checked(`kwt_${sealed}`)), { kind: 'token', sealed })
  }
})

const brokenParts: Credential[] = [
  { kind: 'key', environment: 'live', id: 'short' },
  { kind: 'key', environment: 'live', id: 'with_a_line_' },
  { kind: 'secret', environment: 'test', id, random: `${random}0` },
  { kind: 'operator', id, random: '' },
  { kind: 'token', sealed: 'S'.repeat(59) },
]
for (const credential of brokenParts) {
  test(`a ${credential.kind} with a part of a wrong shape is not written, and the error shows no part`, () => {
    assert.throws(
      () => writeCredential(credential),
      (error: Error) => error instanceof TypeError && !/short|with_a|jsmz|SSS/.test(error.message),
    )
  })
}

test('F-16 prefix lost: a word with the separator in it is refused instead of cut', () => {
  for (const secretWord of ['sk_live', '_sk', 'sk_', '_']) {
    assert.equal(prefixesOf({ ...words, secret: secretWord }), 'word_malformed')
  }
})

test('F-16 prefix lost: every usable word comes through a write and a read whole', () => {
  const word = fc.string({ unit: digit, minLength: 1, maxLength: 16 })
  fc.assert(
    fc.property(fc.uniqueArray(word, { minLength: 6, maxLength: 6 }), credentials, (six, credential) => {
      const [key = '', secret = '', operator = '', token = '', live = '', test = ''] = six
      const own = { key, secret, operator, token, live, test }
      const prefixes = usable(prefixesOf(own))
      const text = writeCredential(credential, prefixes)
      assert.equal(text.split('_')[0], own[credential.kind])
      assert.deepEqual(parseCredential(text, prefixes), credential)
    }),
  )
})

const unusable: { title: string; own: PrefixWords; reason: string }[] = [
  { title: 'an empty word', own: { ...words, key: '' }, reason: 'word_malformed' },
  { title: 'a word of 17 characters', own: { ...words, key: 'k'.repeat(17) }, reason: 'word_malformed' },
  { title: 'a word with a hyphen', own: { ...words, live: 'li-ve' }, reason: 'word_malformed' },
  { title: 'a word beyond ASCII', own: { ...words, test: 'pr\u00fcf' }, reason: 'word_malformed' },
  { title: 'one word for two kinds', own: { ...words, key: 'kws' }, reason: 'word_ambiguous' },
  { title: 'one word for both environments', own: { ...words, test: 'live' }, reason: 'word_ambiguous' },
]
for (const { title, own, reason } of unusable) {
  test(`${title} is ${reason}`, () => {
    assert.equal(prefixesOf(own), reason)
  })
}

test('F-18 a new setting kills no old credential: former words are still read, and the new ones written', () => {
  const moved = usable(prefixesOf(acmeWords, words))
  assert.deepEqual(parseCredential(whole, moved), secret)
  assert.equal(writeCredential(secret, moved), writeCredential(secret, acme))
  assert.equal(parseCredential(whole, acme), 'unknown_prefix')
})

test('former words that meant something else are refused', () => {
  assert.equal(prefixesOf({ ...words, key: 'kws', secret: 'kwk' }, words), 'word_ambiguous')
})

const heads: { title: string; text: string; head: string | undefined }[] = [
  { title: 'a key', text: writeCredential(key), head: `kwk_live_${id}` },
  { title: 'a secret', text: whole, head: `kws_live_${id}` },
  { title: 'an operator token', text: writeCredential(operator), head: `kwa_${id}` },
  { title: 'an opaque token', text: writeCredential(token), head: 'kwt_' },
  { title: 'a secret with a damaged end', text: `${whole.slice(0, 40)}…`, head: `kws_live_${id}` },
  { title: 'a key with a wrong check', text: `kwk_live_${id}000000`, head: undefined },
  { title: 'a key whose id was left out before a random part', text: `kwk_live_${random}`, head: undefined },
  { title: 'a secret whose id was left out', text: `kws_live_${random}`, head: undefined },
  { title: 'a secret with random part and id exchanged', text: `kws_live_${random}_${id}`, head: undefined },
  { title: 'an id with a hyphen', text: `kws_live_-${id.slice(1)}_${random}`, head: undefined },
  { title: 'a secret that ends in its id', text: `kws_live_${id}`, head: undefined },
  { title: 'a foreign credential', text: 'ghp_16C7e42F292c6912E7710c838347Ae178B4a', head: undefined },
  { title: 'the empty text', text: '', head: undefined },
]
for (const { title, text, head } of heads) {
  test(`the head of ${title} is ${head === undefined ? 'none' : 'its public part'}`, () => {
    assert.equal(headOf(text), head)
  })
}

test('no head holds more than the words and the id, and no reason holds any part', () => {
  fc.assert(
    fc.property(credentials, fc.nat({ max: 700 }), (credential, length) => {
      const text = writeCredential(credential).slice(0, length)
      const idOfIt = credential.kind === 'token' ? '' : credential.id
      const allowed = [
        'kwt_',
        `kwa_${idOfIt}`,
        `kwk_live_${idOfIt}`,
        `kwk_test_${idOfIt}`,
        `kws_live_${idOfIt}`,
        `kws_test_${idOfIt}`,
      ]
      assert.ok([undefined, ...allowed].includes(headOf(text)))
      const read = parseCredential(text)
      if (typeof read === 'string') assert.ok(['unknown_prefix', 'malformed', 'check_failed'].includes(read))
    }),
  )
})
