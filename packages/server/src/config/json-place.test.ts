/** Where a text stops being JSON: at the character that a person would point at. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { placeOfFault } from './json-place.ts'

const cases: readonly (readonly [string, string, number, number])[] = [
  ['nothing', '', 1, 1],
  ['a text that ends early', '{"a": "b",\n  "c": 1', 2, 9],
  ['a string that ends early', '{"a": "b",\n  "c": "post', 2, 8],
  ['a name without quotes', '{\n  listen: 1}', 2, 3],
  ['a missing comma', '{"a": 1 "b": 2}', 1, 9],
  ['a comma too many', '{"a": 1,}', 1, 9],
  ['a comma too many in a list', '[1,\n]', 2, 1],
  ['a missing value', '{"a":, "b": 1}', 1, 6],
  ['the wrong bracket', '{"a": [1}', 1, 9],
  ['something behind the end', '{}\n{}', 2, 1],
  ['an escape that is none', '["\\x"]', 1, 2],
  ['a word that is none', '[nul]', 1, 2],
]

for (const [what, text, line, column] of cases) {
  test(`${what} is at line ${line}, column ${column}`, () => assert.deepEqual(placeOfFault(text), { line, column }))
}

test('half of any JSON is at fault nowhere before its last token, and never behind its end', () => {
  fc.assert(
    fc.property(fc.object(), fc.nat(), (value, cut) => {
      const whole = JSON.stringify([value])
      const half = whole.slice(0, cut % whole.length)
      const { line, column } = placeOfFault(half)
      assert.equal(line, 1)
      assert.ok(column <= half.length + 1)
      // What stands before the fault is the beginning of some JSON: the same text goes on without a fault there.
      assert.ok(placeOfFault(whole).column >= column)
    }),
  )
})
