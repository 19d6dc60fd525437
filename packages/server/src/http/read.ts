/**
 * From what the schemas let through to what the domain takes: defaults, instants, networks, calendars. What a schema cannot say is checked here.
 */
import { parseNetworks } from '../domain/access/networks.ts'
import { type PageQuery, pageSizeDefault } from '../domain/records/page.ts'
import { invalidField } from '../model/fault.ts'
import type { Instant } from '../model/ids.ts'
import { readInstant } from '../model/instant.ts'
import type { Credits, Limit, Networks, Quota } from '../model/records.ts'

export function readPage(query: { readonly page_size?: number; readonly cursor?: string }): PageQuery {
  return { pageSize: query.page_size ?? pageSizeDefault, cursor: query.cursor }
}

/** An optional instant: absent and `null` both mean none. */
export function readInstantField(text: string | null | undefined, pointer: string): Instant | null {
  if (text === undefined || text === null) return null
  const instant = readInstant(text)
  if (instant === undefined) throw invalidField(pointer, 'This is no instant: write it as 2026-11-25T09:00:00Z.')
  return instant
}

export function readNetworks(
  lists: { readonly in?: string[]; readonly not_in?: string[] } | null | undefined,
  pointer = '/networks',
): Networks | null {
  if (lists === undefined || lists === null) return null
  const read = parseNetworks(lists)
  if ('reason' in read) {
    throw invalidField(
      pointer + read.pointer,
      `This is no network in canonical form, such as 10.0.0.0/8 (${read.reason}).`,
    )
  }
  if (lists.in !== undefined && lists.in.length === 0)
    throw invalidField(`${pointer}/in`, 'An empty list would let nobody in. Leave it out to let everybody in.')
  return { in: lists.in ?? [], not_in: lists.not_in ?? [] }
}

type LimitInput = Pick<Limit, 'name' | 'limit' | 'window_seconds'> & {
  readonly [Field in 'algorithm' | 'burst' | 'applies_to' | 'accuracy' | 'on_bus_loss']?: Limit[Field] | undefined
}

export function readLimits(inputs: readonly LimitInput[], pointer = '/limits'): Limit[] {
  return inputs.map((input, index) => {
    const algorithm = input.algorithm ?? 'window'
    if (algorithm === 'window' && input.burst !== undefined && input.burst !== null) {
      throw invalidField(
        `${pointer}/${index}/burst`,
        'Only a bucket takes a burst; a window never admits more than its limit.',
      )
    }
    return {
      name: input.name,
      limit: input.limit,
      window_seconds: input.window_seconds,
      algorithm,
      burst: input.burst ?? null,
      applies_to: input.applies_to ?? ['verify'],
      accuracy: input.accuracy ?? 'strict',
      on_bus_loss: input.on_bus_loss ?? 'local',
    }
  })
}

type QuotaInput = Pick<Quota, 'name' | 'limit' | 'period'> & {
  readonly anchor_day?: number | null | undefined
  readonly time_zone?: string | undefined
}

export function readQuotas(inputs: readonly QuotaInput[], pointer = '/quotas'): Quota[] {
  return inputs.map((input, index) => {
    if (input.anchor_day !== undefined && input.anchor_day !== null && input.period !== 'month') {
      throw invalidField(`${pointer}/${index}/anchor_day`, 'Only a monthly quota takes an anchor_day.')
    }
    const time_zone = readTimeZone(input.time_zone, `${pointer}/${index}/time_zone`)
    return {
      name: input.name,
      limit: input.limit,
      period: input.period,
      anchor_day: input.anchor_day ?? null,
      time_zone,
    }
  })
}

type CreditsInput = {
  readonly remaining: number | null
  readonly refill?: { readonly amount: number; readonly every: Quota['period']; readonly time_zone?: string } | null
} | null

export function readCredits(input: CreditsInput | undefined, pointer = '/credits'): Credits | null {
  if (input === undefined || input === null) return null
  const refill = input.refill ?? null
  // Credits without a number are unlimited; a refill would turn them into one.
  if (input.remaining === null && refill !== null)
    throw invalidField(`${pointer}/refill`, 'Unlimited credits cannot be refilled.')
  return {
    remaining: input.remaining,
    refill:
      refill === null
        ? null
        : {
            amount: refill.amount,
            every: refill.every,
            time_zone: readTimeZone(refill.time_zone, `${pointer}/refill/time_zone`),
          },
  }
}

function readTimeZone(zone: string | undefined, pointer: string): string {
  if (zone === undefined) return 'UTC'
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone === '' ? 'UTC' : zone
  } catch {
    throw invalidField(pointer, 'There is no such IANA time zone.')
  }
}

/** The given fields of an input without those that are absent. */
export function present<Fields extends object>(
  fields: Fields,
): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Fields]?: Exclude<Fields[Name], undefined>
  }
}
