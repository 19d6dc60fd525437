/**
 * The tree against the vectors of transparency-dev/merkle and against RFC 6962's own recursive definition, written here a
 * second time in the plainest way.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  append,
  consistencyProof,
  emptyFrontier,
  type Frontier,
  inclusionProof,
  leafHash,
  nodeHash,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts'

interface Vectors {
  readonly hashes: {
    readonly leaf_inputs: readonly string[]
    readonly root_hashes: readonly string[]
    readonly empty_root: string
    readonly empty_leaf: string
    readonly leaf_of_L123456: string
    readonly node_of_N123_N456: string
  }
  readonly inclusion: readonly {
    readonly name: string
    readonly leafIdx: number | string
    readonly treeSize: number | string
    readonly root: string
    readonly leafHash: string
    readonly proof: readonly string[]
    readonly wantErr: boolean
  }[]
  readonly consistency: readonly {
    readonly name: string
    readonly size1: number | string
    readonly size2: number | string
    readonly root1: string
    readonly root2: string
    readonly proof: readonly string[]
    readonly wantErr: boolean
  }[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('./vectors/merkle.json', import.meta.url), 'utf8'))

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const unhex = (text: string) => Buffer.from(text, 'hex')
const unbase64 = (text: string) => Buffer.from(text, 'base64')
const ascii = (text: string) => Buffer.from(text, 'ascii')

const frontierOf = (leaves: readonly Uint8Array[]) => leaves.reduce<Frontier>(append, emptyFrontier)

const leavesOf = (count: number) => Array.from({ length: count }, (_, index) => leafHash(ascii(`entry ${index}`)))

/** MTH of RFC 6962, 2.1, word for word. */
function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves
  if (only === undefined) return createHash('sha256').digest()
  if (leaves.length === 1) return only
  const split = splitOf(leaves.length)
  return nodeHash(treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split)))
}

/** PATH of RFC 6962, 2.1.1. */
function path(index: number, leaves: readonly Uint8Array[]): readonly Uint8Array[] {
  if (leaves.length === 1) return []
  const split = splitOf(leaves.length)
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)]
  return index < split ? [...path(index, left), treeHash(right)] : [...path(index - split, right), treeHash(left)]
}

/** SUBPROOF of RFC 6962, 2.1.2. */
function subproof(size: number, leaves: readonly Uint8Array[], whole: boolean): readonly Uint8Array[] {
  if (size === leaves.length) return whole ? [] : [treeHash(leaves)]
  const split = splitOf(leaves.length)
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)]
  return size <= split
    ? [...subproof(size, left, whole), treeHash(right)]
    : [...subproof(size - split, right, false), treeHash(left)]
}

function splitOf(size: number): number {
  return 2 ** Math.floor(Math.log2(size - 1))
}

/** The list with one bit of its one hash turned. */
function withBitTurned(proof: readonly Uint8Array[], at: number, bit: number): readonly Uint8Array[] {
  return proof.map((hash, index) => {
    if (index !== at) return hash
    const turned = Uint8Array.from(hash)
    turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    return turned
  })
}

describe('hashes (RFC 6962, 2.1)', () => {
  const { hashes } = vectors

  test('the published leaf, node and empty hashes come out', () => {
    assert.equal(hex(rootOf(emptyFrontier)), hashes.empty_root)
    assert.equal(hex(leafHash(new Uint8Array())), hashes.empty_leaf)
    assert.equal(hex(leafHash(ascii('L123456'))), hashes.leaf_of_L123456)
    assert.equal(hex(nodeHash(ascii('N123'), ascii('N456'))), hashes.node_of_N123_N456)
  })

  test('the roots of the certificate-transparency trees of 0 to 8 leaves come out', () => {
    assert.equal(hashes.root_hashes.length, 9)
    for (const [size, root] of hashes.root_hashes.entries()) {
      const leaves = hashes.leaf_inputs.slice(0, size).map((input) => leafHash(unhex(input)))
      assert.equal(hex(rootOf(frontierOf(leaves))), root, `size ${size}`)
    }
  })
})

describe('published proofs', () => {
  test('each inclusion vector is accepted or refused as it says', () => {
    assert.ok(vectors.inclusion.length > 90)
    for (const vector of vectors.inclusion) {
      const accepted = verifyInclusion({
        index: Number(vector.leafIdx),
        size: Number(vector.treeSize),
        leafHash: unbase64(vector.leafHash),
        root: unbase64(vector.root),
        proof: vector.proof.map(unbase64),
      })
      assert.equal(accepted, !vector.wantErr, vector.name)
    }
  })

  test('each consistency vector is accepted or refused as it says', () => {
    assert.ok(vectors.consistency.length > 90)
    for (const vector of vectors.consistency) {
      const accepted = verifyConsistency({
        sizeOld: Number(vector.size1),
        rootOld: unbase64(vector.root1),
        sizeNew: Number(vector.size2),
        rootNew: unbase64(vector.root2),
        proof: vector.proof.map(unbase64),
      })
      assert.equal(accepted, !vector.wantErr, vector.name)
    }
  })
})

describe('the frontier', () => {
  test('gives the root of the recursive definition at every size', () => {
    const leaves = leavesOf(70)
    let frontier = emptyFrontier
    for (const [index, leaf] of leaves.entries()) {
      frontier = append(frontier, leaf)
      assert.equal(hex(rootOf(frontier)), hex(treeHash(leaves.slice(0, index + 1))), `size ${index + 1}`)
    }
  })

  test('is left as it was by an append', () => {
    const before = frontierOf(leavesOf(5))
    const copy = { size: before.size, hashes: before.hashes.map(hex) }
    append(before, leafHash(ascii('more')))
    assert.deepEqual({ size: before.size, hashes: before.hashes.map(hex) }, copy)
    assert.deepEqual(emptyFrontier, { size: 0, hashes: [] })
  })

  test('counts beyond 2^32 leaves', () => {
    const hash = leafHash(ascii('x'))
    const size = 2 ** 40 + 2 ** 32 + 1
    const next = append({ size, hashes: [hash, hash, hash] }, hash)
    assert.equal(next.size, size + 1)
    assert.deepEqual(next.hashes, [hash, hash, nodeHash(hash, hash)])
  })

  test('is refused when its hashes do not tile its size', () => {
    const hash = leafHash(ascii('x'))
    assert.throws(() => append({ size: 3, hashes: [hash] }, hash))
    assert.throws(() => rootOf({ size: 4, hashes: [hash, hash] }))
    assert.throws(() => append({ size: -1, hashes: [] }, hash), RangeError)
    assert.throws(() => append(emptyFrontier, hash.subarray(1)), RangeError)
  })
})

describe('proofs', () => {
  test('inclusion proofs are those of the recursive definition, and verify', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), (size, seed) => {
        const leaves = leavesOf(size)
        const index = seed % size
        const proof = inclusionProof(leaves, index)
        assert.deepEqual(proof.map(hex), path(index, leaves).map(hex))
        const leaf = leaves[index] ?? assert.fail()
        const claim = {
          index,
          size,
          leafHash: leaf,
          root: treeHash(leaves),
          proof,
        }
        assert.equal(verifyInclusion(claim), true)
        for (let other = 0; other < size; other++) {
          assert.equal(verifyInclusion({ ...claim, index: other }), other === index)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('consistency proofs are those of the recursive definition, and verify', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(), (sizeNew, seed) => {
        const leaves = leavesOf(sizeNew)
        const sizeOld = 1 + (seed % sizeNew)
        const proof = consistencyProof(leaves, sizeOld)
        assert.deepEqual(proof.map(hex), subproof(sizeOld, leaves, true).map(hex))
        const [rootOld, rootNew] = [treeHash(leaves.slice(0, sizeOld)), treeHash(leaves)]
        assert.equal(verifyConsistency({ sizeOld, rootOld, sizeNew, rootNew, proof }), true)
      }),
      { numRuns: 60 },
    )
  })

  test('one turned bit, one hash more or one hash less is refused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 40 }), fc.nat(), fc.nat({ max: 255 }), (size, seed, bit) => {
        const leaves = leavesOf(size)
        const root = treeHash(leaves)
        const index = seed % size
        const leaf = leaves[index] ?? assert.fail()
        const inclusion = inclusionProof(leaves, index)
        const sizeOld = 1 + (seed % (size - 1))
        const rootOld = treeHash(leaves.slice(0, sizeOld))
        const consistency = consistencyProof(leaves, sizeOld)
        for (const bad of spoiled(inclusion, seed, bit)) {
          assert.equal(
            verifyInclusion({
              index,
              size,
              leafHash: leaf,
              root,
              proof: bad,
            }),
            false,
          )
        }
        for (const bad of spoiled(consistency, seed, bit)) {
          assert.equal(
            verifyConsistency({
              sizeOld,
              rootOld,
              sizeNew: size,
              rootNew: root,
              proof: bad,
            }),
            false,
          )
        }
      }),
      { numRuns: 60 },
    )
  })

  test('a rewritten past has no proof of consistency', () => {
    const leaves = leavesOf(13)
    const rewritten = leaves.with(2, leafHash(ascii('forged')))
    for (let sizeOld = 3; sizeOld < 13; sizeOld++) {
      const claim = {
        sizeOld,
        rootOld: treeHash(leaves.slice(0, sizeOld)),
        sizeNew: 13,
        rootNew: treeHash(rewritten),
        proof: consistencyProof(rewritten, sizeOld),
      }
      assert.equal(verifyConsistency(claim), false, `from ${sizeOld}`)
    }
  })

  test('there is no proof for a leaf or an earlier tree that is not there', () => {
    const leaves = leavesOf(4)
    for (const index of [-1, 4, 0.5, Number.NaN]) assert.throws(() => inclusionProof(leaves, index), RangeError)
    for (const size of [0, -1, 5, 1.5, Number.NaN]) assert.throws(() => consistencyProof(leaves, size), RangeError)
  })
})

function spoiled(proof: readonly Uint8Array[], seed: number, bit: number): readonly (readonly Uint8Array[])[] {
  const longer = [...proof, leafHash(new Uint8Array())]
  if (proof.length === 0) return [longer]
  return [longer, proof.slice(1), proof.slice(0, -1), withBitTurned(proof, seed % proof.length, bit)]
}
