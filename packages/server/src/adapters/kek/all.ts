/**
 * Every KEK provider, chosen by the scheme of its name: `file:PATH`, `env:NAME`.
 */
import type { Kek } from '../../ports/kek.ts'
import { environmentKek, type FileKekOptions, fileKek, KekUnusable } from './local.ts'

/** `make`: write a fresh file where there is none, at the first start of a new database. */
export interface KekOptions extends FileKekOptions {
  /** Values of the environment variables that `env:` names. */
  readonly environment: (name: string) => string | undefined
}

/** Opens the named KEKs; the first seals. */
export function openKeks(places: readonly string[], options: KekOptions): readonly [Kek, ...Kek[]] {
  const [first, ...others] = places.map((place, index) =>
    openKek(place, { ...options, make: options.make && index === 0 }),
  )
  if (first === undefined) throw new KekUnusable('No KEK is named. Give one by --kek file:PATH.')
  return [first, ...others]
}

function openKek(place: string, options: KekOptions): Kek {
  const at = place.indexOf(':')
  const scheme = place.slice(0, at)
  const rest = place.slice(at + 1)
  if (scheme === 'file' && rest !== '') return fileKek(rest, options)
  if (scheme === 'env' && rest !== '') return environmentKek(rest, options.environment(rest), options.random)
  throw new KekUnusable(
    `A KEK is named file:PATH or env:NAME; ${scheme === '' ? 'this one has no scheme' : `there is no scheme ${scheme}`}.`,
  )
}
