/** The texts of imported slow hashes: published ones are read, everything else is refused with its reason. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { SlowHashValue } from '../../ports/slow-hash.ts'
import { bcryptBytesMax, exceedsBcrypt, parseSlowHash, writeSlowHash } from './slow-hash-text.ts'

interface Vectors {
  readonly bcrypt: { readonly cases: readonly { readonly hash: string }[] }
  readonly argon2id: { readonly cases: readonly { readonly hash: string }[] }
  readonly refused: { readonly cases: readonly { readonly text: string; readonly reason: string }[] }
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('./vectors/slow-hash.json', import.meta.url), 'utf8'))
const published = [...vectors.bcrypt.cases, ...vectors.argon2id.cases].map(({ hash }) => hash)

function read(text: string): SlowHashValue {
  const value = parseSlowHash(text)
  return typeof value === 'string' ? assert.fail(`${value}: ${text}`) : value
}

/** Every text with one character replaced by one that could stand there. */
function* neighbours(text: string): Generator<string> {
  for (const [at, character] of Array.from(text).entries()) {
    for (const other of 'aB0./+$,=2') {
      if (other !== character) yield text.slice(0, at) + other + text.slice(at + 1)
    }
  }
}

describe('published hashes', () => {
  for (const hash of published) {
    test(`${hash.slice(0, 32)}… is read, and written as it was`, () => assert.equal(writeSlowHash(read(hash)), hash))
  }

  test('come out in their parts', () => {
    const bcrypt = read('$2y$14$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')
    assert.ok(bcrypt.kind === 'bcrypt')
    assert.deepEqual([bcrypt.variant, bcrypt.cost, bcrypt.salt.length, bcrypt.hash.length], ['2y', 14, 16, 23])
    assert.equal(Buffer.from(bcrypt.salt).toString('hex'), '10410410410410410410410410410410')
    const argon2id = read('$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4')
    assert.ok(argon2id.kind === 'argon2id')
    assert.deepEqual([argon2id.memoryKib, argon2id.passes, argon2id.parallelism], [256, 2, 1])
    assert.equal(Buffer.from(argon2id.salt).toString(), 'somesalt')
  })
})

describe('refused texts', () => {
  for (const { text, reason } of vectors.refused.cases) {
    test(`${JSON.stringify(text)} for ${reason}`, () => assert.equal(parseSlowHash(text), reason))
  }

  test('a text of any length is read in bounded time', () => {
    assert.equal(parseSlowHash(`$2b$${'0'.repeat(1_000_000)}`), 'malformed')
  })
})

describe('properties', () => {
  const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength })
  const bcrypt = fc.record({
    kind: fc.constant('bcrypt' as const),
    variant: fc.constantFrom('2a' as const, '2b' as const, '2y' as const),
    cost: fc.integer({ min: 4, max: 14 }),
    salt: bytes(16, 16),
    hash: bytes(23, 23),
  })
  const argon2id = fc.record({
    kind: fc.constant('argon2id' as const),
    memoryKib: fc.integer({ min: 32, max: 65_536 }),
    passes: fc.integer({ min: 1, max: 4 }),
    parallelism: fc.integer({ min: 1, max: 4 }),
    salt: bytes(8, 64),
    hash: bytes(16, 64),
  })

  test('every value within the limits survives writing and reading', () => {
    fc.assert(
      fc.property(fc.oneof(bcrypt, argon2id), (value) => {
        assert.deepEqual({ ...read(writeSlowHash(value)) }, { ...value })
      }),
    )
  })

  test('each hash has one spelling: a changed text is refused or is another hash', () => {
    for (const hash of published) {
      for (const other of neighbours(hash)) {
        const value = parseSlowHash(other)
        if (typeof value !== 'string') assert.equal(writeSlowHash(value), other)
      }
    }
  })

  test('any text at all is read or refused, never thrown at', () => {
    const start = fc.constantFrom('', '$2', '$2b$10$', '$argon2', '$argon2id$v=19$m=256,t=2,p=1$')
    fc.assert(
      fc.property(start, fc.string({ unit: 'binary' }), (head, tail) => {
        const value = parseSlowHash(head + tail)
        assert.ok(typeof value === 'string' || writeSlowHash(value) === head + tail)
      }),
    )
  })
})

test('what bcrypt overlooks is counted in bytes', () => {
  assert.equal(exceedsBcrypt('x'.repeat(bcryptBytesMax)), false)
  assert.equal(exceedsBcrypt('x'.repeat(bcryptBytesMax + 1)), true)
  assert.equal(exceedsBcrypt('é'.repeat(bcryptBytesMax / 2)), false)
  assert.equal(exceedsBcrypt('é'.repeat(bcryptBytesMax / 2 + 1)), true)
})
