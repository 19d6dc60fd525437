/** Instants in their written form (RFC 3339). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readInstant, writeInstant, writeInstantOrNull } from './instant.ts'

test('what is written is read again, for every millisecond of four-digit years', () => {
  const last = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(1, 0, 1) - 1_830 * 365 * 86_400_000, max: last }), (instant) => {
      fc.pre(new Date(instant).getUTCFullYear() >= 0)
      assert.equal(readInstant(writeInstant(instant)), instant)
    }),
  )
  assert.equal(writeInstant(0), '1970-01-01T00:00:00.000Z')
  assert.equal(writeInstantOrNull(null), null)
  assert.equal(writeInstantOrNull(0), '1970-01-01T00:00:00.000Z')
})

const noon = Date.UTC(2026, 10, 25, 12)
for (const text of [
  '2026-11-25T12:00:00Z',
  '2026-11-25T12:00:00.000000000Z',
  '2026-11-25T13:30:00+01:30',
  '2026-11-24T23:00:00-13:00',
]) {
  test(`${text} is read (RFC 3339, 5.6)`, () => assert.equal(readInstant(text), noon))
}

test('the day is that of the text, whatever day its offset makes it', () => {
  assert.equal(readInstant('2026-03-01T00:30:00+01:00'), Date.UTC(2026, 1, 28, 23, 30))
  assert.equal(readInstant('2028-02-29T23:30:00-01:00'), Date.UTC(2028, 2, 1, 0, 30))
})

for (const text of [
  '',
  '2026-11-25',
  '2026-11-25T12:00Z',
  '2026-11-25T12:00:00',
  '2026-11-25 12:00:00Z',
  '2026-11-25t12:00:00z',
  '2026-11-25T12:00:00.Z',
  '2026-11-25T12:00:00.0000000000Z',
  '2026-11-25T12:00:00+0100',
  '2026-11-25T12:00:00+24:00',
  '2026-11-25T24:00:00Z',
  '2026-11-25T12:60:00Z',
  '2026-11-25T12:00:60Z',
  '2026-13-01T00:00:00Z',
  '2026-00-01T00:00:00Z',
  '2026-02-29T00:00:00Z',
  '2026-02-30T00:00:00Z',
  '2100-02-29T00:00:00Z',
  '2026-04-31T00:00:00Z',
  '+002026-11-25T12:00:00Z',
  '2026-11-25T12:00:00Z\n',
]) {
  test(`${JSON.stringify(text)} is no instant`, () => assert.equal(readInstant(text), undefined))
}
