/**
 * Calls made up from an OpenAPI document: mostly as it says, often with one thing wrong. The same seed makes the same calls.
 */
export interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
}

export interface Operation {
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

/** Stands in made-up values; no refusal may repeat it. */
export const marker = 'kws_live_i5oio3cGfGOz_neverRepeatThisText'

export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** A number from 0 up to 1, by mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }
}

/** Texts that some fields want; whichever fits the schema is taken. */
export type Pool = readonly string[]

const usualTexts: Pool = [
  'orders:read',
  'plan',
  'Europe/Berlin',
  '10.0.0.0/8',
  '10.1.2.3',
  '2031-01-01T00:00:00Z',
  'live',
  'a@example.com',
  'x'.repeat(40),
  'über uns',
  '\u{1f511} key',
]

/** A value that fits the schema, or nearly: not all that the server checks can be said in a schema. */
export function fitting(schema: Schema, dice: Dice, pool: Pool): unknown {
  if (schema.anyOf !== undefined) return fitting(dice.of(schema.anyOf), dice, pool)
  if (schema.enum !== undefined) return dice.of(schema.enum)
  switch (schema.type) {
    case 'string':
      return fittingText(schema, dice, pool)
    case 'integer':
    case 'number': {
      const minimum = schema.minimum ?? 0
      return minimum + dice.below(Math.min(100, (schema.maximum ?? 100) - minimum) + 1)
    }
    case 'boolean':
      return dice.chance(0.5)
    case 'null':
      return null
    case 'array':
      return Array.from({ length: (schema.minItems ?? 0) + dice.below(3) }, () =>
        fitting(schema.items ?? {}, dice, pool),
      )
    case 'object':
      return fittingObject(schema, dice, pool)
    default:
      return { any: 1 }
  }
}

function fittingText(schema: Schema, dice: Dice, pool: Pool): string {
  const form = schema.pattern === undefined ? undefined : new RegExp(schema.pattern)
  const fits = (text: string) =>
    (form?.test(text) ?? true) && text.length >= (schema.minLength ?? 0) && text.length <= (schema.maxLength ?? 1_000)
  const texts = [...pool, ...usualTexts].filter(fits)
  return texts.length > 0 ? dice.of(texts) : 'a'.repeat(Math.max(1, schema.minLength ?? 1))
}

function fittingObject(schema: Schema, dice: Dice, pool: Pool): Record<string, unknown> {
  const made: Record<string, unknown> = {}
  for (const [name, part] of Object.entries(schema.properties ?? {})) {
    if (schema.required?.includes(name) === true || dice.chance(0.3)) made[name] = fitting(part, dice, pool)
  }
  const [free] = Object.values(schema.patternProperties ?? {})
  if (free !== undefined && dice.chance(0.5)) made['plan'] = fitting(free, dice, pool)
  return made
}

const wrongValues: readonly unknown[] = [
  null,
  true,
  -1,
  1.5,
  2 ** 53,
  1e308,
  '',
  ' ',
  'a\0b',
  '\ud800',
  marker,
  'x'.repeat(20_000),
  [],
  {},
  [[[[[1]]]]],
  { [marker]: 1 },
  { __proto__x: 1 },
  JSON.parse('{"__proto__":{"admin":true}}'),
  Array.from({ length: 1_500 }, () => marker),
]

/** The value with one part of it replaced, removed or added. */
export function spoilt(value: unknown, dice: Dice): unknown {
  if (typeof value !== 'object' || value === null || dice.chance(0.1)) return dice.of(wrongValues)
  const names = Object.keys(value)
  const copy: unknown[] | Record<string, unknown> = Array.isArray(value) ? [...value] : { ...value }
  const parts = copy as Record<string, unknown>
  const name = names.length === 0 ? undefined : dice.of(names)
  const leavesOut = dice.chance(0.15) && !Array.isArray(copy)
  if (name === undefined || dice.chance(0.15)) {
    if (Array.isArray(copy)) copy.push(dice.of(wrongValues))
    else parts[dice.of([marker, 'unknown', 'constructor', '', 'a/b~c', 'n'.repeat(300)])] = dice.of(wrongValues)
  } else if (leavesOut) delete parts[name]
  else parts[name] = spoilt(parts[name], dice)
  return copy
}

/** A body as bytes, which may be no JSON at all. */
export function written(value: unknown, dice: Dice): Buffer {
  const text = JSON.stringify(value) ?? ''
  if (!dice.chance(0.05)) return Buffer.from(text)
  return dice.of([
    Buffer.from(text.slice(0, -1)),
    Buffer.from(`{"a":1,"a":"${marker}"}`),
    Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    Buffer.from('['.repeat(5_000)),
    Buffer.from('{"a":1e999}'),
    Buffer.alloc(0),
    Buffer.from(`\ufeff${text}`),
    Buffer.alloc(1_100_000, ' '),
  ])
}

/** A query parameter's text, fitting or not. */
export function queryText(schema: Schema, dice: Dice, pool: Pool): string {
  if (!dice.chance(0.2)) return String(fitting(schema.type === 'array' ? (schema.items ?? {}) : schema, dice, pool))
  return dice.of(['', '-1', '1e9', '999999999999999999999', 'true', marker, '\0', 'ÿ', 'x'.repeat(3_000), '%', 'null'])
}
