/**
 * Values as they are written on a command line: durations, grants, meta.
 */
import { InvalidArgumentError } from 'commander'

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** `90s`, `15m`, `1h`, `7d`, or a bare number of seconds. */
export function readDuration(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text)
  if (match === null) throw new InvalidArgumentError('Write a duration as 90s, 15m, 1h or 7d.')
  return Number(match[1]) * (secondsOf[match[2] === '' || match[2] === undefined ? 's' : match[2]] ?? 1)
}

export interface GrantText {
  readonly api: string
  readonly scopes: readonly string[]
}

/** `API=scope,scope`, parted at its last `=`, since an API's identifier may hold one. */
export function readGrant(text: string): GrantText {
  const at = text.lastIndexOf('=')
  if (at <= 0) throw new InvalidArgumentError('Write a grant as API=scope,scope.')
  return {
    api: text.slice(0, at),
    scopes: text
      .slice(at + 1)
      .split(',')
      .filter((scope) => scope !== ''),
  }
}

/** `NAME=value`. */
export function readMeta(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('Write meta as NAME=value.')
  return [text.slice(0, at), text.slice(at + 1)]
}

export function readWhole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Write a whole number.')
  return Number(text)
}

/** Collects an option that may be given again and again. */
export function repeated<Item>(
  read: (text: string) => Item,
): (text: string, before: readonly Item[] | undefined) => readonly Item[] {
  return (text, before) => [...(before ?? []), read(text)]
}

export const asText = (text: string): string => text
