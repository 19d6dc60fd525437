/** Checkpoints against those that a public log has signed, and properties of their one written form. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type Checkpoint,
  openCheckpoint,
  parseCheckpointText,
  signCheckpoint,
  writeCheckpointText,
} from './checkpoint.ts'
import { noteSigner, noteVerifier, parseVerifierKey, signNote } from './note.ts'

interface Vectors {
  readonly vkey: string
  readonly origin: string
  readonly checkpoints: readonly {
    readonly size: number
    readonly root: string
    readonly signature_lines: readonly string[]
    readonly unverified: number
  }[]
  readonly malformed_texts: readonly { readonly name: string; readonly text: string }[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('./vectors/checkpoint.json', import.meta.url), 'utf8'))
const { origin } = vectors
const publicLog = parseVerifierKey(vectors.vkey)
const verifiers = publicLog === 'malformed' ? assert.fail() : [publicLog]

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const own = 'keys.example/journal'
const signer = noteSigner(own, privateKey)
const ownVerifiers = [noteVerifier(own, publicKey)]
const sample: Checkpoint = { origin: own, size: 7, root: new Uint8Array(32).fill(7), extensions: [] }

describe('checkpoints of a public log', () => {
  for (const vector of vectors.checkpoints) {
    const message = `${origin}\n${vector.size}\n${vector.root}\n\n${vector.signature_lines.join('')}`

    test(`of ${vector.size} leaves opens`, () => {
      const opened = openCheckpoint(message, origin, verifiers)
      assert.ok(typeof opened !== 'string', String(opened))
      assert.equal(opened.size, vector.size)
      assert.equal(Buffer.from(opened.root).toString('base64'), vector.root)
      assert.deepEqual(opened.extensions, [])
      assert.equal(opened.verified.length, 1)
      assert.equal(opened.unverified.length, vector.unverified)
    })

    test(`of ${vector.size} leaves is refused once a part of it is changed`, () => {
      const larger = message.replace(String(vector.size), String(vector.size + 1))
      assert.equal(openCheckpoint(larger, origin, verifiers), 'bad_signature')
      assert.equal(openCheckpoint(message.replace(origin, 'other'), 'other', verifiers), 'bad_signature')
      assert.equal(openCheckpoint(message, 'other', verifiers), 'wrong_origin')
      assert.equal(openCheckpoint(message, origin, ownVerifiers), 'no_known_signature')
    })
  }
})

describe('the written form', () => {
  for (const { name, text } of vectors.malformed_texts) {
    test(`is refused: ${name}`, () => assert.equal(parseCheckpointText(text), 'malformed'))
  }

  const root = Buffer.from(sample.root).toString('base64')
  const others: readonly (readonly [string, string])[] = [
    ['a leading zero', `o\n07\n${root}\n`],
    ['a plus sign', `o\n+7\n${root}\n`],
    ['an exponent', `o\n1e3\n${root}\n`],
    ['a size past 2^53', `o\n9007199254740993\n${root}\n`],
    ['a root without padding', `o\n7\n${root.slice(0, -1)}\n`],
    ['a root with stray bits', `o\n7\n${root.replace('c=', 'd=')}\n`],
    ['a carriage return', `o\r\n7\r\n${root}\r\n`],
  ]
  for (const [name, text] of others) {
    test(`is refused: ${name}`, () => assert.equal(parseCheckpointText(text), 'malformed'))
  }

  test('that is right but for its form is refused with its signature good', () => {
    const message = signNote('keys.example/journal\nseven\nroot\n', [signer])
    assert.equal(openCheckpoint(message, own, ownVerifiers), 'malformed_checkpoint')
  })

  test('is not given to what has none', () => {
    const bad: readonly Checkpoint[] = [
      { ...sample, origin: '' },
      { ...sample, origin: 'a\nb' },
      { ...sample, size: -1 },
      { ...sample, size: 1.5 },
      { ...sample, size: 2 ** 53 },
      { ...sample, root: new Uint8Array(31) },
      { ...sample, extensions: [''] },
      { ...sample, extensions: ['a\nb'] },
      { ...sample, extensions: ['a\tb'] },
    ]
    for (const checkpoint of bad) assert.throws(() => signCheckpoint(checkpoint, [signer]), RangeError)
  })
})

test('what is signed is opened again, extension lines too', () => {
  const line = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((value) => !/\p{Cc}/u.test(value))
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.array(line, { maxLength: 3 }),
      (size, root, extensions) => {
        const checkpoint = { origin: own, size, root, extensions }
        assert.deepEqual(parseCheckpointText(writeCheckpointText(checkpoint)), checkpoint)
        const opened = openCheckpoint(signCheckpoint(checkpoint, [signer]), own, ownVerifiers)
        assert.ok(typeof opened !== 'string', String(opened))
        const { verified, unverified, ...rest } = opened
        assert.deepEqual(rest, checkpoint)
        assert.deepEqual([verified.length, unverified.length], [1, 0])
      },
    ),
  )
})
