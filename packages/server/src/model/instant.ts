/**
 * Instants as the wire writes them (RFC 3339, UTC, milliseconds). Pure text work: it never asks what time it is.
 */
import type { Instant } from './ids.ts'

const form =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** Writes an instant as RFC 3339 with milliseconds and `Z`. */
export function writeInstant(instant: Instant): string {
  return new Date(instant).toISOString()
}

/** As `writeInstant`, and `null` stays `null`. */
export function writeInstantOrNull(instant: Instant | null): string | null {
  return instant === null ? null : writeInstant(instant)
}

/** Reads RFC 3339 with any offset; `undefined` where it is no instant (the 30th of February included). */
export function readInstant(text: string): Instant | undefined {
  if (!form.test(text)) return undefined
  const instant = Date.parse(text)
  if (!Number.isSafeInteger(instant)) return undefined
  // Date.parse rolls the 30th of February over into March; an instant that does not write its own day is none.
  const day = Number(text.slice(8, 10))
  const daysInMonth = new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate()
  return day <= daysInMonth ? instant : undefined
}
