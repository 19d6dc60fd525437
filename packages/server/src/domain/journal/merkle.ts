/**
 * The Merkle tree of RFC 6962 (RFC 9162, section 2.1) over SHA-256, and nothing else: no storage, no signature, no idea
 * of what a leaf says.
 *
 *   leaf hash   SHA-256(0x00 || entry)
 *   node hash   SHA-256(0x01 || left || right)
 *   empty tree  SHA-256("")
 *
 * A `Frontier` is all that is needed to go on appending: the roots of the perfect subtrees that tile the tree from left
 * to right, one for each set bit of its size. It is at most 53 hashes, so it fits beside the head of a journal.
 *
 * Sizes and indexes are safe integers and may exceed 2^32, hence arithmetic instead of bitwise operators.
 */
import { createHash } from 'node:crypto'

/** The roots of the perfect subtrees of a tree with `size` leaves, the largest (leftmost) first. */
export interface Frontier {
  readonly size: number
  readonly hashes: readonly Uint8Array[]
}

/** A claim that `leafHash` stands at `index` (from 0) in the tree of `size` leaves and root `root`. */
export interface InclusionClaim {
  readonly index: number
  readonly size: number
  readonly leafHash: Uint8Array
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** A claim that the tree (`sizeOld`, `rootOld`) is a prefix of the tree (`sizeNew`, `rootNew`). */
export interface ConsistencyClaim {
  readonly sizeOld: number
  readonly rootOld: Uint8Array
  readonly sizeNew: number
  readonly rootNew: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** Bytes of a SHA-256 hash. */
const hashBytes = 32

const leafPrefix = Uint8Array.of(0)
const nodePrefix = Uint8Array.of(1)

export const emptyFrontier: Frontier = Object.freeze({
  size: 0,
  hashes: Object.freeze([]),
})

/** Hash of one entry as a leaf (RFC 9162, 2.1.1). */
export function leafHash(entry: Uint8Array): Uint8Array {
  return createHash('sha256').update(leafPrefix).update(entry).digest()
}

/** Hash of an inner node over its two children (RFC 9162, 2.1.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return createHash('sha256').update(nodePrefix).update(left).update(right).digest()
}

/**
 * The frontier with one leaf more; the given one stays as it is. Costs one node hash on average.
 * Throws when the frontier is not one: its number of hashes must be the number of set bits of its size.
 */
export function append(frontier: Frontier, leaf: Uint8Array): Frontier {
  assertFrontier(frontier)
  assertHash(leaf)
  const hashes = [...frontier.hashes]
  let carried = leaf
  for (let size = frontier.size; isOdd(size); size = half(size)) carried = nodeHash(popHash(hashes), carried)
  hashes.push(carried)
  return { size: frontier.size + 1, hashes }
}

/** The root hash of the tree that a frontier stands for; of the empty tree, SHA-256 of nothing. */
export function rootOf(frontier: Frontier): Uint8Array {
  assertFrontier(frontier)
  const hashes = [...frontier.hashes]
  if (hashes.length === 0) return createHash('sha256').digest()
  let root = popHash(hashes)
  while (hashes.length > 0) root = nodeHash(popHash(hashes), root)
  return root
}

/**
 * The audit path of the leaf at `index` in the tree over `leaves` (hashes of leaves), nearest sibling first
 * (RFC 9162, 2.1.3.1). Throws a RangeError when there is no such leaf.
 */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): readonly Uint8Array[] {
  if (!isCount(index) || index >= leaves.length) throw new RangeError('no leaf at this index')
  const proof: Uint8Array[] = []
  let begin = 0
  let end = leaves.length
  while (end - begin > 1) {
    const middle = begin + splitOf(end - begin)
    if (index < middle) {
      proof.push(rootOfRange(leaves, middle, end))
      end = middle
    } else {
      proof.push(rootOfRange(leaves, begin, middle))
      begin = middle
    }
  }
  return proof.reverse()
}

/**
 * The proof that the tree over the first `sizeOld` of `leaves` is a prefix of the tree over all of them
 * (RFC 9162, 2.1.4.1). Throws a RangeError unless 0 < `sizeOld` <= the number of leaves; of the empty tree there is
 * nothing to prove.
 */
export function consistencyProof(leaves: readonly Uint8Array[], sizeOld: number): readonly Uint8Array[] {
  if (!isCount(sizeOld) || sizeOld === 0 || sizeOld > leaves.length) throw new RangeError('no such earlier tree')
  const proof: Uint8Array[] = []
  let begin = 0
  let end = leaves.length
  // Walks down to the last subtree of the old tree that is also a subtree of the new one.
  while (sizeOld < end) {
    const middle = begin + splitOf(end - begin)
    if (sizeOld <= middle) {
      proof.push(rootOfRange(leaves, middle, end))
      end = middle
    } else {
      proof.push(rootOfRange(leaves, begin, middle))
      begin = middle
    }
  }
  if (begin > 0) proof.push(rootOfRange(leaves, begin, end))
  return proof.reverse()
}

/**
 * Whether a claim of inclusion holds (RFC 9162, 2.1.3.2). A proof of another length than the one right length, a hash of
 * another length than 32 bytes and an index outside of the tree are refused, not thrown: claims come from outside.
 */
export function verifyInclusion(claim: InclusionClaim): boolean {
  const { index, size, proof } = claim
  if (!isCount(index) || !isCount(size) || index >= size) return false
  if (!isHash(claim.leafHash) || !proof.every(isHash)) return false
  let node = index
  let last = size - 1
  let hash = claim.leafHash
  for (const sibling of proof) {
    if (last === 0) return false
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash)
      // A node without a right sibling is its own parent, so it rises until it is a right child.
      while (!isOdd(node) && node !== 0) {
        node = half(node)
        last = half(last)
      }
    } else {
      hash = nodeHash(hash, sibling)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && sameBytes(hash, claim.root)
}

/**
 * Whether a claim of consistency holds (RFC 9162, 2.1.4.2). The empty tree is a prefix of everything, which proves
 * nothing, so an old size of 0 is refused. Equal sizes need equal roots and an empty proof.
 */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  const { sizeOld, sizeNew, rootOld, rootNew, proof } = claim
  if (!isCount(sizeOld) || !isCount(sizeNew) || sizeOld === 0 || sizeOld > sizeNew) return false
  if (sizeOld === sizeNew) return proof.length === 0 && sameBytes(rootOld, rootNew)
  if (!isHash(rootOld) || !proof.every(isHash)) return false
  // A perfect old tree is a node of the new one, and its root is known, so the proof leaves it out.
  const path = isPowerOfTwo(sizeOld) ? [rootOld, ...proof] : proof
  const [first, ...siblings] = path
  if (first === undefined) return false
  let node = sizeOld - 1
  let last = sizeNew - 1
  while (isOdd(node)) {
    node = half(node)
    last = half(last)
  }
  let hashOld = first
  let hashNew = first
  for (const sibling of siblings) {
    if (last === 0) return false
    if (isOdd(node) || node === last) {
      hashOld = nodeHash(sibling, hashOld)
      hashNew = nodeHash(sibling, hashNew)
      while (!isOdd(node) && node !== 0) {
        node = half(node)
        last = half(last)
      }
    } else {
      hashNew = nodeHash(hashNew, sibling)
    }
    node = half(node)
    last = half(last)
  }
  return last === 0 && sameBytes(hashOld, rootOld) && sameBytes(hashNew, rootNew)
}

/** Root of the subtree over `leaves[begin..end)`, which is never empty here. */
function rootOfRange(leaves: readonly Uint8Array[], begin: number, end: number): Uint8Array {
  let frontier = emptyFrontier
  for (let index = begin; index < end; index++) {
    const leaf = leaves[index]
    if (leaf === undefined) throw new RangeError('no leaf at this index')
    frontier = append(frontier, leaf)
  }
  return rootOf(frontier)
}

/** The largest power of two below `size`, which is where RFC 9162, 2.1.1 splits a tree of two leaves and more. */
function splitOf(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}

function popHash(hashes: Uint8Array[]): Uint8Array {
  const hash = hashes.pop()
  if (hash === undefined) throw new Error('the frontier lacks a hash')
  return hash
}

function assertFrontier(frontier: Frontier): void {
  let bits = 0
  if (!isCount(frontier.size)) throw new RangeError('the size of a frontier is a safe integer')
  for (let rest = frontier.size; rest > 0; rest = half(rest)) if (isOdd(rest)) bits++
  if (bits !== frontier.hashes.length) throw new Error('the frontier does not have one hash for each bit of its size')
}

function assertHash(hash: Uint8Array): void {
  if (!isHash(hash)) throw new RangeError('a hash has 32 bytes')
}

function isHash(hash: Uint8Array): boolean {
  return hash.length === hashBytes
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function isOdd(value: number): boolean {
  return value % 2 === 1
}

function half(value: number): number {
  return Math.floor(value / 2)
}

function isPowerOfTwo(value: number): boolean {
  let rest = value
  while (rest > 1 && !isOdd(rest)) rest = half(rest)
  return rest === 1
}

/** Roots are public, so no constant time is needed. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
