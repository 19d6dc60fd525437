/**
 * Random bytes from the operating system's generator, drawn in blocks since each call costs. What was handed out is wiped from the block.
 */
import { randomFillSync } from 'node:crypto'
import type { Random } from '../../ports/random.ts'

const blockBytes = 4_096

function pooled(): Random {
  const block = Buffer.alloc(blockBytes)
  let used = blockBytes
  return {
    bytes: (n) => {
      if (n > blockBytes / 4) return randomFillSync(new Uint8Array(n))
      if (used + n > blockBytes) {
        randomFillSync(block)
        used = 0
      }
      const bytes = new Uint8Array(block.subarray(used, used + n))
      block.fill(0, used, used + n)
      used += n
      return bytes
    },
  }
}

export const systemRandom: Random = pooled()
