/**
 * `keywright kek escrow` and `recover`: the KEK in the hands of several people, and back.
 */
import { existsSync, readFileSync } from 'node:fs'
import { joinShares, sharesMax, splitKek } from '../adapters/kek/shares.ts'
import { writePrivateFile } from '../adapters/system/files.ts'
import { type Config, Misconfigured } from '../config/read.ts'

/** Shares of the first KEK that is named. */
export async function escrow(config: Config, shares: number, threshold: number): Promise<readonly string[]> {
  if (threshold < 2 || threshold > shares || shares > sharesMax) {
    throw new Misconfigured(`It takes 2 to ${sharesMax} shares, and a threshold from 2 to their number.`)
  }
  const place = config.kek[0] ?? ''
  return await splitKek(textOf(config, place), place, shares, threshold)
}

function textOf(config: Config, place: string): string {
  const name = place.slice(place.indexOf(':') + 1)
  const text = place.startsWith('env:')
    ? config.variable(name)
    : existsSync(name)
      ? readFileSync(name, 'utf8')
      : undefined
  if (text === undefined) throw new Misconfigured(`There is no KEK at ${place}. Name it by --kek.`)
  return text.trim()
}

/** Writes the KEK that the shares make to a new file; its id. */
export async function recover(shares: readonly string[], file: string): Promise<string> {
  const { id, text } = await joinShares(shares)
  if (existsSync(file))
    throw new Misconfigured(`${file} exists already, and a KEK is never overwritten. Name a new file.`)
  writePrivateFile(file, `${text}\n`, { fresh: true })
  return id
}
