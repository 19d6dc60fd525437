/** The pool against published vectors of bcrypt and argon2id, and against the contract of its port. */
import assert from 'node:assert/strict'
import { argon2Sync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { decodeBase64, hashSync } from 'bcryptjs'
import type { Random } from '../../ports/random.ts'
import type { Argon2idHash, BcryptHash, SlowHashValue } from '../../ports/slow-hash.ts'
import { createSlowHash } from './pool.ts'

interface Case {
  readonly hash: string
  readonly presented: string
}

interface Vectors {
  readonly bcrypt: { readonly cases: readonly Case[] }
  readonly argon2id: { readonly cases: readonly Case[] }
  readonly argon2id_rfc9106: {
    readonly memory_kib: number
    readonly passes: number
    readonly parallelism: number
    readonly message_hex: string
    readonly salt_hex: string
    readonly secret_hex: string
    readonly associated_data_hex: string
    readonly tag_hex: string
  }
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../domain/import/vectors/slow-hash.json', import.meta.url), 'utf8'),
)

/** Reads a text that is known to be right. */
function readHash(text: string): SlowHashValue {
  const [, scheme = '', first = '', second = '', salt = '', hash = ''] = text.split('$')
  if (scheme === 'argon2id') {
    const [memoryKib = 0, passes = 0, parallelism = 0] = Array.from(second.matchAll(/[0-9]+/g), Number)
    return { kind: 'argon2id', memoryKib, passes, parallelism, salt: bytesOf(salt), hash: bytesOf(hash) }
  }
  const variant = scheme === '2a' || scheme === '2b' || scheme === '2y' ? scheme : assert.fail(scheme)
  return {
    kind: 'bcrypt',
    variant,
    cost: Number(first),
    salt: Uint8Array.from(decodeBase64(second.slice(0, 22), 16)),
    hash: Uint8Array.from(decodeBase64(second.slice(22), 23)),
  }
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, 'base64'))
}

/** Every salt is another, and known. */
function countingRandom(): Random {
  let calls = 0
  return { bytes: (n) => new Uint8Array(n).fill(++calls) }
}

const random = countingRandom()
const slowHash = createSlowHash({ random })
after(() => slowHash.close())

const cheapBcrypt = readHash(vectors.bcrypt.cases[0]?.hash ?? assert.fail())
const cheapArgon2id: Argon2idHash = {
  kind: 'argon2id',
  memoryKib: 32,
  passes: 1,
  parallelism: 1,
  salt: new Uint8Array(8),
  hash: new Uint8Array(16),
}

describe('published hashes', () => {
  for (const { hash, presented } of [...vectors.bcrypt.cases, ...vectors.argon2id.cases]) {
    test(`${hash.slice(0, 40)}… matches its text and no other`, async () => {
      const expected = readHash(hash)
      assert.equal(await slowHash.verify(expected, presented), 'match')
      assert.equal(await slowHash.verify(expected, `!${presented}`), 'mismatch')
    })
  }

  test('Node computes argon2id as RFC 9106, 5.3 has it', () => {
    const vector = vectors.argon2id_rfc9106
    const tag = argon2Sync('argon2id', {
      message: Buffer.from(vector.message_hex, 'hex'),
      nonce: Buffer.from(vector.salt_hex, 'hex'),
      secret: Buffer.from(vector.secret_hex, 'hex'),
      associatedData: Buffer.from(vector.associated_data_hex, 'hex'),
      memory: vector.memory_kib,
      passes: vector.passes,
      parallelism: vector.parallelism,
      tagLength: 32,
    })
    assert.equal(tag.toString('hex'), vector.tag_hex)
  })
})

describe('bcrypt keeps its own semantics', () => {
  const hashed = (text: string, variant: BcryptHash['variant']) =>
    readHash(hashSync(text, `$${variant}$04$CCCCCCCCCCCCCCCCCCCCC.`))

  for (const variant of ['2a', '2b', '2y'] as const) {
    test(`${variant} verifies, beyond ASCII too`, async () => {
      assert.equal(await slowHash.verify(hashed('clé-ключ-🔑', variant), 'clé-ключ-🔑'), 'match')
      assert.equal(await slowHash.verify(hashed('clé-ключ-🔑', variant), 'clé-ключ-🔒'), 'mismatch')
    })
  }

  test('only the first 72 bytes count', async () => {
    const expected = hashed('x'.repeat(100), '2b')
    assert.equal(await slowHash.verify(expected, 'x'.repeat(72)), 'match')
    assert.equal(await slowHash.verify(expected, `${'x'.repeat(72)}y`), 'match')
    assert.equal(await slowHash.verify(expected, 'x'.repeat(71)), 'mismatch')
  })

  test('a text with NUL never matches, though the key schedule would take it for the same', async () => {
    const expected = hashed('a', '2b')
    assert.equal(await slowHash.verify(expected, 'a'), 'match')
    assert.equal(await slowHash.verify(expected, 'a\0a'), 'mismatch')
    assert.equal(await slowHash.verify(expected, 'a\0'), 'mismatch')
  })
})

describe('making a hash', () => {
  test('gives one that its text matches, at the stated cost', async () => {
    const made = await slowHash.make('summer-2024')
    assert.ok(typeof made !== 'string', String(made))
    const { kind, memoryKib, passes, parallelism, salt, hash } = made
    assert.deepEqual([kind, memoryKib, passes, parallelism], ['argon2id', 19_456, 2, 1])
    assert.deepEqual([salt.length, hash.length], [16, 32])
    assert.equal(await slowHash.verify(made, 'summer-2024'), 'match')
    assert.equal(await slowHash.verify(made, 'summer-2025'), 'mismatch')
  })

  test('takes a fresh salt each time', async () => {
    const [first, second] = [await slowHash.make('same'), await slowHash.make('same')]
    assert.ok(typeof first !== 'string' && typeof second !== 'string')
    assert.notDeepEqual(first.salt, second.salt)
    assert.notDeepEqual(first.hash, second.hash)
  })
})

test('a dummy is spent at the cost of either kind', async () => {
  assert.equal(await slowHash.dummy({ kind: 'bcrypt', cost: 5 }, 'anything'), 'spent')
  assert.equal(
    await slowHash.dummy({ kind: 'argon2id', memoryKib: 256, passes: 2, parallelism: 2 }, 'anything'),
    'spent',
  )
})

test("the caller's event loop turns while a hash is computed", async () => {
  let turns = 0
  let isDone = false
  const turn = () => {
    turns++
    if (!isDone) setImmediate(turn)
  }
  setImmediate(turn)
  await slowHash.dummy({ kind: 'bcrypt', cost: 10 }, 'anything')
  isDone = true
  assert.ok(turns > 10, `${turns} turns`)
})

describe('limits', () => {
  test('one job more than threads and places is answered busy, and the others are answered', async () => {
    const small = createSlowHash({ random, workersMax: 1, queueMax: 2 })
    const jobs = Array.from({ length: 3 }, () => small.verify(cheapBcrypt, 'U*U'))
    assert.equal(await small.verify(cheapBcrypt, 'U*U'), 'busy')
    assert.equal(await small.dummy({ kind: 'bcrypt', cost: 4 }, 'U*U'), 'busy')
    assert.equal(await small.make('U*U'), 'busy')
    assert.deepEqual(await Promise.all(jobs), ['match', 'match', 'match'])
    assert.equal(await small.verify(cheapBcrypt, 'U*U'), 'match')
    await small.close()
  })

  test('by default two are computed and 64 wait', async () => {
    const pool = createSlowHash({ random })
    const jobs = Array.from({ length: 66 }, () => pool.verify(cheapArgon2id, 'x'))
    assert.equal(await pool.verify(cheapArgon2id, 'x'), 'busy')
    assert.deepEqual(new Set(await Promise.all(jobs)), new Set(['mismatch']))
    await pool.close()
  })

  test('limits that are none are refused at once', () => {
    for (const workersMax of [0, -1, 1.5]) assert.throws(() => createSlowHash({ random, workersMax }), RangeError)
    assert.throws(() => createSlowHash({ random, queueMax: -1 }), RangeError)
  })
})

describe('failure', () => {
  test('closing gives up what runs and waits, and everything after', async () => {
    const pool = createSlowHash({ random, workersMax: 1 })
    const jobs = [pool.dummy({ kind: 'bcrypt', cost: 14 }, 'x'), pool.verify(cheapBcrypt, 'U*U'), pool.make('x')]
    await pool.close()
    assert.deepEqual(await Promise.all(jobs), ['unavailable', 'unavailable', 'unavailable'])
    assert.equal(await pool.verify(cheapBcrypt, 'U*U'), 'unavailable')
    assert.equal(await pool.make('x'), 'unavailable')
    await pool.close()
  })

  test('what cannot be computed is unavailable, and the thread goes on', async () => {
    const pool = createSlowHash({ random, workersMax: 1 })
    assert.equal(await pool.verify({ ...cheapArgon2id, memoryKib: 1 }, 'x'), 'unavailable')
    assert.equal(await pool.verify(cheapArgon2id, 'x'), 'mismatch')
    await pool.close()
  })

  test('threads that die take their own job along and no other waits for ever', async () => {
    const workerUrl = new URL('data:text/javascript,process.exit(1)')
    const pool = createSlowHash({ random, workersMax: 2, workerUrl })
    const jobs = Array.from({ length: 5 }, () => pool.verify(cheapBcrypt, 'U*U'))
    assert.deepEqual(new Set(await Promise.all(jobs)), new Set(['unavailable']))
    await pool.close()
  })

  test('so do threads that cannot start', async () => {
    for (const workerUrl of [
      new URL('./no-such-worker.ts', import.meta.url),
      new URL('https://example.com/worker.js'),
    ]) {
      const pool = createSlowHash({ random, workersMax: 2, workerUrl })
      const jobs = Array.from({ length: 3 }, () => pool.make('x'))
      assert.deepEqual(await Promise.all(jobs), ['unavailable', 'unavailable', 'unavailable'])
      await pool.close()
    }
  })
})
