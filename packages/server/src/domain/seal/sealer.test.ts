/** Sealing: what opens, what does not, and the turn of a subkey after 2^31 seals. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { TenantId } from '../../model/ids.ts'
import { dekOf, openSealed, Sealer } from './sealer.ts'
import { macOf, purposes, sameMac, sealsPerGeneration, TenantKeys } from './tenant-keys.ts'

const random = { bytes: (count: number) => new Uint8Array(randomBytes(count)) }
const tenant = 'ten_aaaaaaaaaaaa' as TenantId
const deks = new Map([
  [1, random.bytes(32)],
  [2, random.bytes(32)],
])
const keys = new TenantKeys(tenant, deks)

describe('sealing', () => {
  test('opens for the same purpose and context, and for no other', () => {
    const part = fc.oneof(fc.string({ maxLength: 8 }), fc.nat())
    const context = fc.array(part, { maxLength: 4 })
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), context, context, (text, own, other) => {
        const sealed = new Sealer(keys, random, 0).seal('digest', text, own)
        assert.equal(openSealed(keys, 'digest', sealed, own), text)
        assert.equal(openSealed(keys, 'replay', sealed, own), undefined)
        const same = JSON.stringify(own.map(String)) === JSON.stringify(other.map(String))
        assert.equal(openSealed(keys, 'digest', sealed, other), same ? text : undefined)
      }),
    )
  })

  test('parts of a context do not run together', () => {
    const sealed = new Sealer(keys, random, 0).seal('digest', 'x', ['ab', 'c'])
    for (const other of [['a', 'bc'], ['abc'], ['ab', 'c', ''], ['ab1:c'], ['c', 'ab']]) {
      assert.equal(openSealed(keys, 'digest', sealed, other), undefined, JSON.stringify(other))
    }
  })

  test('turns to a new generation at 2^31 seals, and both open', () => {
    const sealer = new Sealer(keys, random, sealsPerGeneration - 1)
    const last = sealer.seal('digest', 'last', ['a'])
    const first = sealer.seal('digest', 'first', ['a'])
    assert.equal(sealsPerGeneration, 2 ** 31)
    assert.equal(sealer.seals, sealsPerGeneration + 1)
    assert.match(last, /^v1\.2\.0\./)
    assert.match(first, /^v1\.2\.1\./)
    assert.equal(openSealed(keys, 'digest', last, ['a']), 'last')
    assert.equal(openSealed(keys, 'digest', first, ['a']), 'first')
    assert.equal(openSealed(keys, 'digest', first.replace('v1.2.1.', 'v1.2.0.'), ['a']), undefined)
  })

  test('seals under the newest DEK and opens under the older ones', () => {
    const older = new Sealer(new TenantKeys(tenant, new Map([...deks].slice(0, 1))), random, 0).seal('digest', 'x', [])
    assert.equal(dekOf(older), 1)
    assert.equal(openSealed(keys, 'digest', older, []), 'x')
    assert.equal(dekOf(new Sealer(keys, random, 0).seal('digest', 'x', [])), 2)
  })

  test('opens under no other tenant, nor where the DEK is gone', () => {
    const sealed = new Sealer(keys, random, 0).seal('digest', 'x', [])
    assert.equal(openSealed(new TenantKeys('ten_bbbbbbbbbbbb' as TenantId, deks), 'digest', sealed, []), undefined)
    assert.equal(openSealed(new TenantKeys(tenant, new Map([...deks].slice(0, 1))), 'digest', sealed, []), undefined)
  })

  test('is refused with any bit turned, and in any other form', () => {
    const sealed = new Sealer(keys, random, 0).seal('digest', 'some text', ['a'])
    const [head, data] = [sealed.slice(0, sealed.lastIndexOf('.') + 1), sealed.slice(sealed.lastIndexOf('.') + 1)]
    const bytes = Buffer.from(data, 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const turned = Buffer.from(bytes)
      turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.equal(openSealed(keys, 'digest', head + turned.toString('base64url'), ['a']), undefined, `bit ${bit}`)
    }
    for (const text of ['', 'v1', 'v1.2.0', `${head}`, `${sealed}.x`, sealed.replace('v1', 'v2'), `${head}AAAA`]) {
      assert.equal(openSealed(keys, 'digest', text, ['a']), undefined, text)
    }
  })
})

describe('subkeys', () => {
  test('are 32 bytes and differ by version, purpose, generation and tenant', () => {
    const other = new TenantKeys('ten_bbbbbbbbbbbb' as TenantId, deks)
    const seen = new Set<string>()
    let made = 0
    for (const owner of [keys, other]) {
      for (const version of [1, 2]) {
        for (const purpose of purposes) {
          for (const generation of [0, 1]) {
            const subkey = owner.subkey(version, purpose, generation)?.export() ?? assert.fail()
            assert.equal(subkey.length, 32)
            seen.add(subkey.toString('hex'))
            made += 1
          }
        }
      }
    }
    assert.equal(seen.size, made)
    assert.equal(keys.subkey(3, 'row'), undefined)
    assert.equal(keys.mac(3, 'row', []), undefined)
  })

  test('no two lists of parts share a MAC', () => {
    const subkey = keys.subkey(1, 'row') ?? assert.fail()
    const parts = fc.array(fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('1:a', '1:', ':', '11')), {
      maxLength: 4,
    })
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other)
        assert.equal(sameMac(macOf(subkey, one), macOf(subkey, other)), same)
      }),
    )
    assert.notEqual(macOf(subkey, ['ab']), macOf(subkey, ['a', 'b']))
    assert.equal(sameMac('ab', 'abc'), false)
  })
})
