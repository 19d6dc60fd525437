/** Signed notes against the vectors of golang.org/x/mod/sumdb/note, and properties of the strict parser. */
import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type NoteVerifier,
  noteBytesMax,
  noteSigner,
  noteVerifier,
  openNote,
  parseNote,
  parseVerifierKey,
  signNote,
  writeVerifierKey,
} from './note.ts'

interface Vectors {
  readonly text: string
  readonly peter: { readonly vkey: string; readonly seed_base64: string; readonly signature_line: string }
  readonly enoch: { readonly vkey: string; readonly signature_line: string }
  readonly bad_vkeys: readonly string[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('./vectors/note.json', import.meta.url), 'utf8'))
const { text } = vectors
const peterLine = vectors.peter.signature_line
const enochLine = vectors.enoch.signature_line

function known(vkey: string): NoteVerifier {
  const verifier = parseVerifierKey(vkey)
  return verifier === 'malformed' ? assert.fail('the vector is no verifier key') : verifier
}

const peter = known(vectors.peter.vkey)
const enoch = known(vectors.enoch.vkey)

/** RFC 8410: the PKCS #8 frame around an Ed25519 seed. */
const pkcs8 = Buffer.concat([
  Buffer.from('302e020100300506032b657004220420', 'hex'),
  Buffer.from(vectors.peter.seed_base64, 'base64'),
])
const peterSigner = noteSigner('PeterNeumann', createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))

function opened(message: string | Uint8Array, verifiers: readonly NoteVerifier[]) {
  const note = openNote(message, verifiers)
  return typeof note === 'string' ? assert.fail(note) : note
}

describe('verifier keys', () => {
  test('the published ones are read, and written as they were', () => {
    for (const { vkey } of [vectors.peter, vectors.enoch]) assert.equal(writeVerifierKey(known(vkey)), vkey)
    assert.equal(peter.name, 'PeterNeumann')
    assert.equal(peter.keyId, 'c74f20a3')
  })

  test('every part of one and every change of one character is refused', () => {
    const { vkey } = vectors.peter
    for (let begin = 0; begin < vkey.length; begin++) {
      for (let end = begin; end <= vkey.length; end++) {
        if (begin === 0 && end === vkey.length) continue
        assert.equal(parseVerifierKey(vkey.slice(begin, end)), 'malformed', `${begin} to ${end}`)
      }
      const next = String.fromCharCode(vkey.charCodeAt(begin) + 1)
      assert.equal(parseVerifierKey(vkey.slice(0, begin) + next + vkey.slice(begin + 1)), 'malformed', `at ${begin}`)
    }
  })

  test('a key of another length or algorithm is refused, though its id be right', () => {
    for (const vkey of vectors.bad_vkeys) assert.equal(parseVerifierKey(vkey), 'malformed', vkey)
  })

  test('only Ed25519 keys and names without space or plus are taken', () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    assert.throws(() => noteVerifier('a', ec.publicKey), TypeError)
    assert.throws(() => noteSigner('a', ec.privateKey), TypeError)
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    assert.throws(() => noteSigner('a', publicKey), TypeError)
    for (const name of ['', 'a b', 'a+b', 'a\u00a0b', 'a\u2003b', 'a\nb', 'a\u0001b', '\ud800']) {
      assert.throws(() => noteSigner(name, privateKey), RangeError, JSON.stringify(name))
      assert.throws(() => noteVerifier(name, publicKey), RangeError, JSON.stringify(name))
    }
  })
})

describe('signing', () => {
  test('gives the published note', () => {
    assert.equal(peterSigner.keyId, peter.keyId)
    assert.equal(signNote(text, [peterSigner]), `${text}\n${peterLine}`)
  })

  test('keeps signatures of others and replaces those by the same key', () => {
    const both = opened(`${text}\n${enochLine}${peterLine}`, [peter, enoch])
    assert.equal(signNote(text, [peterSigner], both.verified), `${text}\n${enochLine}${peterLine}`)
    const stale = { name: 'PeterNeumann', keyId: 'c74f20a3', signature: Uint8Array.of(4) }
    assert.equal(signNote(text, [peterSigner], [stale]), `${text}\n${peterLine}`)
  })

  test('refuses what could not be read back', () => {
    for (const bad of ['abc', '', 'a\tb\n', 'a\r\n', '\ud800\n']) assert.throws(() => signNote(bad, [peterSigner]))
    assert.throws(() => signNote(text, []))
    assert.throws(() => signNote(text, [], [{ name: 'a b', keyId: '00000000', signature: Uint8Array.of(1) }]))
    assert.throws(() => signNote(text, [], [{ name: 'a', keyId: '00000000', signature: new Uint8Array() }]))
  })
})

describe('opening', () => {
  const both = `${text}\n${peterLine}${enochLine}`

  test('verifies known signatures and passes over unknown ones', () => {
    const one = opened(both, [peter])
    assert.equal(one.text, text)
    assert.deepEqual(
      one.verified.map(({ name }) => name),
      ['PeterNeumann'],
    )
    assert.deepEqual(
      one.unverified.map(({ name }) => name),
      ['EnochRoot'],
    )
    const two = opened(Buffer.from(both), [peter, enoch])
    assert.deepEqual(
      two.verified.map(({ name }) => name),
      ['PeterNeumann', 'EnochRoot'],
    )
    assert.deepEqual(two.unverified, [])
  })

  test('needs one known signature', () => {
    assert.equal(openNote(both, []), 'no_known_signature')
    const { publicKey } = generateKeyPairSync('ed25519')
    // The same name with another key is another key.
    assert.equal(openNote(`${text}\n${peterLine}`, [noteVerifier('PeterNeumann', publicKey)]), 'no_known_signature')
    // The same id under another name too.
    const misnamed = peterLine.replace('PeterNeumann', 'CarmenSandiego')
    assert.equal(openNote(`${text}\n${misnamed}`, [peter]), 'no_known_signature')
  })

  test('refuses the note when a known key did not sign it', () => {
    const longer = `${peterLine.slice(0, 60)}ABCD${peterLine.slice(60)}`
    assert.equal(openNote(`${text}\n${longer}`, [peter]), 'bad_signature')
    assert.equal(openNote(`${text}\n${enochLine}${longer}`, [peter, enoch]), 'bad_signature')
    assert.equal(openNote(`${text.replace('answer', 'Answer')}\n${peterLine}`, [peter]), 'bad_signature')
  })

  test('counts the same signature once', () => {
    const odd = `${enochLine.slice(0, 60)}ABCD${enochLine.slice(60)}`
    const note = opened(`${text}\n${peterLine}${peterLine}${enochLine}${enochLine}${odd}`, [peter])
    assert.equal(note.verified.length, 1)
    assert.equal(note.unverified.length, 2)
  })

  test('refuses an ambiguous key once it is named', () => {
    assert.equal(openNote(`${text}\n${enochLine}`, [enoch, peter, enoch]), 'ambiguous_key')
    assert.equal(opened(`${text}\n${peterLine}`, [enoch, peter, enoch]).verified.length, 1)
  })

  test('takes 16 signatures and more, and has limits', () => {
    assert.equal(opened(`${text}\n${peterLine.repeat(100)}`, [peter]).verified.length, 1)
    assert.equal(openNote(`${text}\n${peterLine.repeat(101)}`, [peter]), 'too_large')
    assert.equal(openNote(`${'a'.repeat(noteBytesMax)}\n\n${peterLine}`, [peter]), 'too_large')
    assert.equal(openNote(`${'é'.repeat(noteBytesMax / 2)}\n\n${peterLine}`, [peter]), 'too_large')
  })

  const malformed: readonly (readonly [string, string | Uint8Array])[] = [
    ['no signature', text],
    ['an empty list of signatures', `${text}\n`],
    ['no final newline', `${text}\n${peterLine.slice(0, -1)}`],
    ['a control character', `\u0001${text}\n${peterLine}`],
    ['a carriage return', `${text}\n${peterLine.replace('\n', '\r\n')}`],
    ['bytes that are not UTF-8', Buffer.concat([Uint8Array.of(0xff), Buffer.from(`${text}\n${peterLine}`)])],
    ['a lone surrogate', `\ud800${text}\n${peterLine}`],
    ['a name with a space', `${text}\n${peterLine.replace('PeterNeumann', 'Bad Name')}`],
    ['a name with a plus', `${text}\n${peterLine.replace('PeterNeumann', 'Bad+Name')}`],
    ['no name', `${text}\n${peterLine.replace('PeterNeumann', '')}`],
    ['a hyphen for the dash', `${text}\n${peterLine.replace('—', '-')}`],
    ['a line after the signatures', `${text}\n${peterLine}Unexpected line.\n`],
    ['a signature of the key id alone', `${text}\n— PeterNeumann x08gow==\n`],
    ['base64 without padding', `${text}\n${peterLine.replace('=', '')}`],
    ['base64 with stray bits', `${text}\n${peterLine.replace('AM=', 'AN=')}`],
    ['base64url', `${text}\n${peterLine.replace('/', '_')}`],
  ]
  for (const [name, message] of malformed) {
    test(`refuses ${name}`, () => assert.equal(openNote(message, [peter]), 'malformed'))
  }

  test('a byte order mark belongs to the text, so it breaks the signature', () => {
    assert.equal(openNote(Buffer.from(`\ufeff${text}\n${peterLine}`), [peter]), 'bad_signature')
  })
})

describe('properties', () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 30 }).map((value) => value.replace(/\p{Cc}/gu, ''))
  const texts = fc.array(line, { minLength: 1, maxLength: 6 }).map((lines) => `${lines.join('\n')}\n`)

  test('what is signed is read back, empty lines and all', () => {
    fc.assert(
      fc.property(texts, (signed) => {
        const note = opened(Buffer.from(signNote(signed, [peterSigner])), [peter])
        assert.equal(note.text, signed)
      }),
    )
  })

  test('no message with one byte changed is accepted as the same note', () => {
    const message = Buffer.from(`${text}\n${peterLine}`)
    fc.assert(
      fc.property(fc.nat({ max: message.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(message)
        changed[at] = (changed[at] ?? 0) ^ change
        assert.equal(typeof openNote(changed, [peter]), 'string')
      }),
      { numRuns: 300 },
    )
  })

  test('any text at all is read or refused, never thrown at', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (message) => void parseNote(message)))
    fc.assert(fc.property(fc.uint8Array(), (message) => void parseNote(message)))
    fc.assert(fc.property(fc.string(), (vkey) => void parseVerifierKey(vkey)))
  })
})
