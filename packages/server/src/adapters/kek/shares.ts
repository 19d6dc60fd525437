/**
 * A KEK in shares: any `threshold` of them make it again, fewer tell nothing (Shamir's scheme over GF(256)).
 *
 *   share   kwe_<KEK id 16>_<threshold>_<hex of share 66>_<check 6>
 *
 * The check catches typing errors; which share is wrong beyond that shows when the KEK that comes out does not have the id.
 */
import { checkOf } from '@keywright/credential/check'
import { combine, split } from 'shamir-secret-sharing'
import { kekIdOf, kekText, readKekText } from './local.ts'

export const sharesMax = 20

/** Why shares make no KEK. A sentence for the person who holds them; it repeats none of them. */
export class SharesUnusable extends Error {
  override readonly name = 'SharesUnusable'
}

const form = /^kwe_([0-9a-f]{16})_([1-9]\d?)_([0-9a-f]{66})_([0-9A-Za-z]{6})$/

/** Splits the text of a KEK into shares. */
export async function splitKek(
  text: string,
  place: string,
  shares: number,
  threshold: number,
): Promise<readonly string[]> {
  const bytes = readKekText(text, place)
  const parts = await split(new Uint8Array(bytes), shares, threshold)
  const id = kekIdOf(bytes)
  return parts.map((part) => {
    const checked = `kwe_${id}_${threshold}_${Buffer.from(part).toString('hex')}`
    return `${checked}_${checkOf(checked)}`
  })
}

/** The text of the KEK that these shares make, and its id. */
export async function joinShares(lines: readonly string[]): Promise<{ readonly id: string; readonly text: string }> {
  const shares = lines.map(readShare)
  const [first] = shares
  if (first === undefined) throw new SharesUnusable('No share was given: one to a line on standard input.')
  const foreign = shares.findIndex((share) => share.id !== first.id || share.threshold !== first.threshold)
  if (foreign >= 0)
    throw new SharesUnusable(`Share ${foreign + 1} is of another KEK, or of another splitting, than share 1.`)
  const different = new Map(shares.map((share) => [share.hex, share]))
  if (different.size < first.threshold) {
    throw new SharesUnusable(`It takes ${first.threshold} different shares; ${different.size} were given.`)
  }
  const bytes = await combine([...different.values()].map(({ hex }) => new Uint8Array(Buffer.from(hex, 'hex'))))
  if (kekIdOf(bytes) !== first.id)
    throw new SharesUnusable('These shares do not make the KEK that they name; one of them is not genuine.')
  return { id: first.id, text: kekText(bytes) }
}

function readShare(
  line: string,
  index: number,
): { readonly id: string; readonly threshold: number; readonly hex: string } {
  const match = form.exec(line)
  if (match === null) throw new SharesUnusable(`Share ${index + 1} does not have the form of a share.`)
  const [, id = '', threshold = '', hex = '', check] = match
  if (checkOf(line.slice(0, line.lastIndexOf('_'))) !== check)
    throw new SharesUnusable(`Share ${index + 1} has a typing error.`)
  return { id, threshold: Number(threshold), hex }
}
