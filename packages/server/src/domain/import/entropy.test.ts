/**
 * The estimate errs downwards for what people make up, and not at all for what a generator drew. Random texts come from
 * SHA-256 of the run's number, so that they are spread evenly and each run of this file sees the same ones.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { estimateEntropyBits } from './entropy.ts'

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const enoughBits = 128

/** `length` bytes that look random. */
function bytesOf(seed: number, length: number): Buffer {
  const blocks: Buffer[] = []
  for (let block = 0; block * 32 < length; block++)
    blocks.push(createHash('sha256').update(`${seed} ${block}`).digest())
  return Buffer.concat(blocks).subarray(0, length)
}

/** `length` evenly drawn characters of an alphabet. */
function drawn(seed: number, length: number, alphabet: string): string {
  const usable = 256 - (256 % alphabet.length)
  const even = Array.from(bytesOf(seed, length * 8)).filter((byte) => byte < usable)
  return even
    .slice(0, length)
    .map((byte) => alphabet.charAt(byte % alphabet.length))
    .join('')
}

const estimate = (text: string) => estimateEntropyBits(text)

describe('what a generator drew counts in full', () => {
  const seeds = Array.from({ length: 500 }, (_, seed) => seed)
  const generators: readonly (readonly [string, (seed: number) => string])[] = [
    ['22 base62 characters', (seed) => drawn(seed, 22, base62)],
    ['32 hex digits', (seed) => bytesOf(seed, 16).toString('hex')],
    ['32 upper-case hex digits', (seed) => bytesOf(seed, 16).toString('hex').toUpperCase()],
    ['64 hex digits', (seed) => bytesOf(seed, 32).toString('hex')],
    ['32 bytes of base64', (seed) => bytesOf(seed, 32).toString('base64')],
    ['32 bytes of base64url', (seed) => bytesOf(seed, 32).toString('base64url')],
    ['30 characters of base36', (seed) => drawn(seed, 30, base62.toLowerCase().slice(0, 36))],
    ['28 characters of base32', (seed) => drawn(seed, 28, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')],
    ['22 base62 characters behind a label', (seed) => `acme_live_${drawn(seed, 22, base62)}`],
  ]
  for (const [name, generate] of generators) {
    test(`${name} are worth 128 bits`, () => {
      for (const seed of seeds) {
        const text = generate(seed)
        assert.ok(estimate(text) >= enoughBits, `${text}: ${estimate(text)}`)
      }
    })
  }

  test('but never more than was drawn, bar rounding up to base62', () => {
    for (const seed of seeds.slice(0, 200)) {
      assert.ok(estimate(bytesOf(seed, 16).toString('hex')) <= 128)
      assert.ok(estimate(drawn(seed, 22, base62)) <= 22 * Math.log2(62) + 1e-9)
      assert.ok(estimate(`acme_live_${drawn(seed, 16, base62)}`) < 96)
    }
  })
})

describe('UUIDs count what their version leaves to chance', () => {
  const random = '5b947b35-1cb1-444c-a5a9-f1f2dd07067c'
  const cases: readonly (readonly [string, string, number])[] = [
    ['version 4', random, 122],
    ['version 4 in capitals', random.toUpperCase(), 122],
    ['version 4 behind a label', `key_${random}`, 122],
    ['the same twice', `${random}:${random}`, 122],
    ['version 7', '0193a5f2-7c1e-7b3d-9e4f-2a6c8d1b5e70', 74],
    ['version 1', 'c232ab00-9414-11ec-b3c8-9f6bdeced846', 0],
    ['version 5', '2ed6657d-e927-568b-95e1-2665a8aea6a2', 0],
  ]
  for (const [name, text, bits] of cases) test(name, () => assert.equal(estimate(text), bits))

  test('and none of it when the digits are no chance', () => {
    assert.ok(estimate('00000000-0000-4000-8000-000000000000') < 40)
  })
})

describe('what people make up is far below', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['', 0],
    ['a', 8],
    ['password123', 30],
    ['a'.repeat(64), 20],
    ['aB3$'.repeat(30), 50],
    ['0'.repeat(60), 20],
    ['01'.repeat(60), 20],
    ['0123456789abcdef0123456789abcdef', 30],
    ['deadbeefdeadbeefdeadbeefdeadbeef', 50],
    ['abcdefghijklmnopqrstuvwxyz0123456789', 30],
    ['qwertyuiopasdfghjklzxcvbnm1234567890', 50],
    ['summer-2024-backend', 40],
    ['summer-2024-winter-2025-autumn-2026-spring-2027', 100],
    ['acme-prod-backend-key-0001', 40],
    ['AcmeProdBackendKeyForTheOrdersServiceVersion2', 100],
    ['ACME_PROD_BACKEND_KEY_FOR_THE_ORDERS_SERVICE_2', 40],
    ['P@ssw0rd!P@ssw0rd!P@ssw0rd!2024', 50],
    ['myS3cr3tK3yF0rTh3Pr0ducti0nServ1ce', 90],
    ['MyCompanyApiKey1MyCompanyApiKey2', 80],
    ['test1234test1234test1234test1234', 50],
    ['correct horse battery staple is a famous password', 90],
    ['internalreportingservicecredential', 110],
    ['zusammenfassungderjahresberichte', 110],
    ['customer-00000000000000000000000000042', 40],
    ['2024-01-01T00:00:00.000Z-service-account-42', 120],
    [Buffer.from('acme-prod-backend-key-0001').toString('base64'), 40],
    [Buffer.from('acme-prod-backend-key-0001').toString('hex'), 40],
    [Buffer.from(Buffer.from('acme-prod-backend-key-0001').toString('hex')).toString('base64'), 40],
  ]
  for (const [text, bitsMax] of cases) {
    test(`${JSON.stringify(text.slice(0, 50))} is worth ${bitsMax} bits at most`, () => {
      assert.ok(estimate(text) <= bitsMax, String(estimate(text)))
    })
  }
})

describe('properties', () => {
  const words = [
    'acme',
    'prod',
    'orders',
    'backend',
    'secret',
    'key',
    'Summer',
    'Berlin',
    'token',
    'STAGING',
    'invoice',
  ]

  test('it is a finite number from 0 up to the count of the characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const bits = estimate(text)
        assert.ok(bits >= 0 && bits <= text.length * Math.log2(62 + new Set(text).size), `${bits}`)
      }),
    )
  })

  test('repeating a text adds next to nothing', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 2, max: 6 }), (seed, times) => {
        const text = drawn(seed, 16, base62)
        assert.ok(estimate(text.repeat(times)) < enoughBits, text)
      }),
    )
  })

  test('words, years and counters never make a strong credential', () => {
    const part = fc.oneof(
      fc.constantFrom(...words),
      fc.integer({ min: 1990, max: 2030 }).map(String),
      fc.integer({ min: 1, max: 99 }).map((number) => String(number).padStart(4, '0')),
    )
    const parts = fc.array(part, { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(parts, fc.constantFrom('-', '_', '.', '', ' '), (list, separator) => {
        assert.ok(
          estimate(list.join(separator)) < enoughBits,
          `${list.join(separator)}: ${estimate(list.join(separator))}`,
        )
      }),
      { numRuns: 300 },
    )
  })

  test('only the first 256 characters count, so it always ends soon', () => {
    const text = drawn(1, 256, base62)
    assert.equal(estimate(text + 'x'.repeat(1_000_000)), estimate(text))
  })
})
