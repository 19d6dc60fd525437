/** Base62 digits and their sampling: every digit equally likely, and a broken source is noticed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { base62Alphabet, digitValues, isBase62, notDigit, randomBase62 } from './base62.ts'

/** A source that yields the given bytes over and over. */
function repeating(bytes: readonly number[]): (count: number) => Uint8Array {
  let next = 0
  return (count) => Uint8Array.from({ length: count }, () => bytes[next++ % bytes.length] as number)
}

test('the alphabet has 62 different digits, and each has its place as value', () => {
  assert.equal(new Set(base62Alphabet).size, 62)
  for (let code = 0; code < 128; code += 1) {
    const place = base62Alphabet.indexOf(String.fromCharCode(code))
    assert.equal(digitValues[code], place < 0 ? notDigit : place)
  }
})

test('a text is base62 exactly when each of its characters is in the alphabet', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...base62Alphabet, '_', '-', ' ', '\u0130', '\ud800') }), (text) => {
      assert.equal(
        isBase62(text),
        text.split('').every((character) => base62Alphabet.includes(character)),
      )
    }),
  )
})

test('over all bytes each digit comes equally often, since the last eight bytes are drawn again', () => {
  const everyByte = Array.from({ length: 256 }, (_, byte) => byte)
  const counts = new Map<string, number>()
  for (const digit of randomBase62(repeating(everyByte), 248)) counts.set(digit, (counts.get(digit) ?? 0) + 1)
  assert.equal(counts.size, 62)
  assert.deepEqual(new Set(counts.values()), new Set([4]))
})

test('as many digits come back as asked for, whatever the source yields', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 247 }), { minLength: 1 }), fc.nat({ max: 200 }), (bytes, digits) => {
      const text = randomBase62(repeating(bytes), digits)
      assert.equal(text.length, digits)
      assert.ok(isBase62(text))
    }),
  )
})

test('bytes that are drawn again leave no gap and no trace', () => {
  assert.equal(randomBase62(repeating([255, 248, 61, 250, 0, 62]), 6), 'z00z00')
})

test('a source without usable bytes ends in an error, not in a loop', () => {
  assert.throws(() => randomBase62(repeating([255]), 43), /no usable bytes/)
})

test('a source that returns too few or too many bytes is refused', () => {
  assert.throws(() => randomBase62(() => new Uint8Array(0), 43), /another number of bytes/)
  assert.throws(() => randomBase62((count) => new Uint8Array(count + 1), 43), /another number of bytes/)
})
