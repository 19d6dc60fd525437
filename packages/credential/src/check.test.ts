/** The check against the vectors of `vectors/crc32.json`, and what each of its readers refuses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { base62Alphabet } from './base62.ts'
import { checkDigits, checkOf, crc32, crc32OfDigits, notBase62, readCheck } from './check.ts'
import vectors from './vectors/crc32.json' with { type: 'json' }

type CheckValue = { inputUtf8?: string; inputHex?: string; crc32Hex: string; base62: string }

const digit = fc.constantFrom(...base62Alphabet)
const digits = fc.string({ unit: digit, maxLength: 80 })

/** The bytes of a vector as a text with one char code a byte. */
function textOf(value: CheckValue): string {
  return (
    value.inputUtf8 ?? (value.inputHex ?? '').replace(/../g, (hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  )
}

for (const value of vectors.checkValues as CheckValue[]) {
  test(`crc32 checkValues ${JSON.stringify(value.inputUtf8 ?? value.inputHex)}`, () => {
    assert.equal(crc32(textOf(value)), Number.parseInt(value.crc32Hex, 16))
    assert.equal(checkOf(textOf(value)), value.base62)
  })
}

for (const vector of vectors.designVector) {
  test(`crc32 designVector ${vector.kind} ${vector.environment}`, () => {
    assert.equal(crc32(vector.checkedPart), Number.parseInt(vector.crc32Hex, 16))
    assert.equal(vector.checkedPart + checkOf(vector.checkedPart), vector.expected)
  })
}

test('the check value of the algorithm is 0xCBF43926 and the largest check is 4gfFC3', () => {
  assert.equal(crc32('123456789'), Number(vectors.algorithm.check))
  assert.equal(readCheck(vectors.maxBase62, 0), 0xffffffff)
})

test('a crc goes on behind a part that was read before', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii' }), fc.string({ unit: 'binary-ascii' }), (before, after) => {
      assert.equal(crc32(after, 0, after.length, crc32(before)), crc32(before + after))
    }),
  )
})

test('the crc over digits is the plain one', () => {
  fc.assert(
    fc.property(digits, fc.nat({ max: 0xffffffff }), (text, crc) => {
      assert.equal(crc32OfDigits(text, 0, text.length, crc), crc32(text, 0, text.length, crc))
    }),
  )
})

test('the crc over digits refuses every other character wherever it stands', () => {
  fc.assert(
    fc.property(digits, fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), digits, (before, other, after) => {
      fc.pre(!base62Alphabet.includes(other))
      const text = before + other + after
      assert.equal(crc32OfDigits(text, 0, text.length, 0), notBase62)
    }),
  )
})

test('a written check reads back as the crc', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii' }), (text) => {
      const check = checkOf(text)
      assert.equal(check.length, checkDigits)
      assert.equal(readCheck(text + check, text.length), crc32(text))
    }),
  )
})

const noChecks = ['', '0', '00000', '00000_', '_00000', '00 000', '00000\u0130', '\u0130ÿ0000', '000\u00b000']
for (const text of noChecks) {
  test(`no check is read from ${JSON.stringify(text)}`, () => {
    assert.equal(readCheck(text, 0), notBase62)
  })
}

test('six digits above the largest crc are read as what they are and equal no crc', () => {
  assert.equal(readCheck('4gfFC4', 0), 0x100000000)
  assert.equal(readCheck('zzzzzz', 0), 62 ** 6 - 1)
})

test('a text outside bytes has no check', () => {
  assert.throws(() => checkOf('kwk_\u0161'), RangeError)
})
