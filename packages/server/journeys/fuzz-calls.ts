/**
 * Calls made from an OpenAPI document by seeded dice: valid ones, and ones with one thing wrong. It sends nothing and judges nothing.
 */
import type { Body, Json } from './harness.ts'

/** Dice that fall alike for the same seed (mulberry32). */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<Item>(list: readonly Item[]): Item {
    const item = list[this.below(list.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }
}

export interface JsonSchema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly enum?: readonly Json[]
  readonly const?: Json
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minimum?: number
  readonly maximum?: number
}

export interface Operation {
  readonly method: string
  readonly path: string
  readonly roles: readonly string[] | undefined
  readonly isForwardAuth: boolean
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: JsonSchema }[]
  readonly body: JsonSchema | undefined
  readonly bodyRequired: boolean
  /** By status; the schema of a JSON answer where there is one. */
  readonly responses: ReadonlyMap<number, object | undefined>
}

interface DocumentOperation {
  readonly security?: readonly unknown[]
  readonly 'x-keywright-roles'?: readonly string[]
  readonly parameters?: Operation['parameters']
  readonly requestBody?: { readonly required?: boolean; readonly content: Record<string, { schema: JsonSchema }> }
  readonly responses: Record<string, { readonly content?: Record<string, { readonly schema: object }> }>
}

/** The operations of an OpenAPI document. */
export function operationsOf(document: Body): readonly Operation[] {
  const paths = document['paths'] as unknown as Record<string, Record<string, DocumentOperation>>
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      roles: operation['x-keywright-roles'],
      isForwardAuth: path.startsWith('/v1/forward-auth'),
      parameters: operation.parameters ?? [],
      body: operation.requestBody?.content['application/json']?.schema,
      bodyRequired: operation.requestBody?.required === true,
      responses: new Map(
        Object.entries(operation.responses).map(([status, { content }]) => [
          Number(status),
          content?.['application/json']?.schema,
        ]),
      ),
    })),
  )
}

/** What the calls know of the server's contents. Grows as things are made. */
export interface World {
  readonly apis: string[]
  readonly apiIds: string[]
  readonly consumers: string[]
  readonly keys: string[]
  readonly operators: string[]
  readonly secrets: string[]
  /** Ids of another tenant, which must be answered as if they had never been. */
  readonly foreign: readonly string[]
  /** Planted where a secret stands or where it does not belong: no answer repeats it. */
  readonly marker: string
}

export interface Call {
  readonly operation: Operation
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | undefined
  /** What was done to it, for messages. */
  readonly wrong: string
  /** Whether it cannot be answered with success. */
  readonly mustFail: boolean
  /** Whether the path leads where the document says. */
  readonly isRouted: boolean
}

const scopeNames = ['orders:read', 'orders:write', 'a']
const texts = [
  'Acme',
  'Ünïcode ✓ 漢字',
  "O'Brien; DROP TABLE keys",
  '%_\\',
  ' ',
  '<script>',
  '__proto__',
  'constructor',
]

/** Values by the name of their field, where a schema cannot say what makes sense. */
function sensible(name: string, world: World, dice: Dice): Json | undefined {
  const unique = dice.below(2 ** 31).toString(36)
  const byName: Record<string, () => Json> = {
    api: () => dice.pick(world.apis),
    apis: () => dice.pick(world.apis),
    consumer_id: () => dice.pick(world.consumers),
    consumers: () => dice.pick(world.consumers),
    expires_at: () =>
      dice.pick(['2031-01-01T00:00:00Z', '2020-01-01T00:00:00Z', '2031-02-30T00:00:00Z', 'x'.repeat(25)]),
    not_before: () => dice.pick(['2021-01-01T00:00:00Z', '2031-01-01T00:00:00+02:00']),
    in: () => dice.pick(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7', '10.0.0.1/8', 'nonsense']),
    not_in: () => dice.pick(['10.9.0.0/16', '::1']),
    ip: () => dice.pick(['10.1.2.3', '2001:db8::1', '::ffff:10.1.2.3', '999.1.1.1']),
    time_zone: () => dice.pick(['UTC', 'Europe/Vienna', 'Mars/Base']),
    identifier: () => `https://api.example.com/${unique}`,
    external_id: () => `ext-${unique}`,
    slug: () => `t${unique}`,
    scopes: () => dice.pick(scopeNames),
    scopes_any: () => dice.pick(scopeNames),
    scope: () => dice.pick(scopeNames),
    credential: () => dice.pick([...world.secrets, world.marker, '', 'kws_live_0']),
    value: () => `${world.marker}${unique}`,
    hash: () => dice.pick(['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', 'x'.repeat(60)]),
    cursor: () => dice.pick(['0', '1', 'abc', '999999999']),
    target: () => dice.pick(['key:x', `consumer:${dice.pick(world.consumers)}`]),
  }
  return Object.hasOwn(byName, name) ? byName[name]?.() : undefined
}

const patterned = ['orders:read', 'plan', 'abc', 'https://api.example.com/x', 'key:x', '12', 'abcdefghijklmnop']

/** A value that fits a schema, and mostly makes sense too. */
export function validValue(schema: JsonSchema, name: string, world: World, dice: Dice): Json {
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return dice.pick(schema.enum)
  if (schema.anyOf !== undefined) return validValue(dice.pick(schema.anyOf), name, world, dice)
  switch (schema.type) {
    case 'object':
      return validObject(schema, world, dice)
    case 'array': {
      const least = schema.minItems ?? 0
      const count = Math.min(least + dice.below(3), schema.maxItems ?? 3)
      return Array.from({ length: count }, () => validValue(schema.items ?? {}, name, world, dice))
    }
    case 'string':
      return validText(schema, name, world, dice)
    case 'integer':
    case 'number': {
      const least = schema.minimum ?? 0
      const most = schema.maximum ?? 1_000
      return dice.chance(0.2) ? dice.pick([least, most]) : Math.min(most, least + dice.below(100))
    }
    case 'boolean':
      return dice.chance(0.5)
    default:
      return null
  }
}

function validObject(schema: JsonSchema, world: World, dice: Dice): Body {
  const value: Body = {}
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const wanted = schema.required?.includes(name) === true || dice.chance(0.25)
    if (wanted) value[name] = validValue(child, name, world, dice)
  }
  const [pattern] = Object.values(schema.patternProperties ?? {})
  if (pattern !== undefined && dice.chance(0.6)) value['plan'] = validValue(pattern, 'plan', world, dice)
  return value
}

function validText(schema: JsonSchema, name: string, world: World, dice: Dice): Json {
  const known = sensible(name, world, dice)
  if (known !== undefined) return known
  if (schema.pattern !== undefined) {
    const form = new RegExp(schema.pattern)
    const found = patterned.filter((text) => form.test(text) && text.length >= (schema.minLength ?? 0))
    return found.length === 0 ? 'abc' : dice.pick(found)
  }
  const least = schema.minLength ?? 0
  if (dice.chance(0.1)) return 'm'.repeat(Math.min(schema.maxLength ?? 500, 500))
  return dice
    .pick(texts)
    .padEnd(least, '_')
    .slice(0, schema.maxLength ?? 100)
}

/** Every object within a value, the value included. */
function objectsIn(value: Json): Body[] {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap(objectsIn)
  return [value, ...Object.values(value).flatMap(objectsIn)]
}

const others = (marker: string): readonly Json[] => [marker, 7, -1.5, true, null, [], {}, [marker], { a: marker }]

type Spoiler = (body: Body, dice: Dice, world: World) => { readonly body: Buffer; readonly mustFail: boolean }

const written = (value: Json, mustFail: boolean) => ({ body: Buffer.from(JSON.stringify(value)), mustFail })

/** Puts `value` at some member that is there, or at a new one; whether it was a new one. */
function put(body: Body, value: Json, dice: Dice): boolean {
  const object = dice.pick(objectsIn(body))
  const names = Object.keys(object)
  const name = names.length === 0 ? 'extra' : dice.pick(names)
  object[name] = value
  return names.length === 0
}

function nest(depth: number, dice: Dice): string {
  return dice.chance(0.5) ? `${'['.repeat(depth)}${']'.repeat(depth)}` : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
}

/** What can be wrong with a body. */
export const spoilers: Readonly<Record<string, Spoiler>> = {
  'wrong type': (body, dice, { marker }) => written(body, put(body, dice.pick(others(marker)), dice)),
  'too long': (body, dice, { marker }) => written(body, put(body, marker.repeat(400), dice)),
  'unknown field': (body, _dice, { marker }) => {
    body['no_such_field'] = marker
    return written(body, true)
  },
  'credential as a name': (body, _dice, { marker }) => {
    body[`kws_live_${marker}`] = 1
    return written(body, true)
  },
  'prototype as a name': (body) => ({
    body: Buffer.from(
      JSON.stringify(body).replace('{', Object.keys(body).length > 0 ? '{"__proto__":{},' : '{"__proto__":{}'),
    ),
    mustFail: true,
  }),
  'a member twice': (body, _dice, { marker }) => {
    const name = Object.keys(body)[0] ?? 'twice'
    const first = Object.keys(body).length > 0 ? JSON.stringify(body).slice(1) : `${JSON.stringify(name)}:1}`
    return { body: Buffer.from(`{${JSON.stringify(name)}:${JSON.stringify(marker)},${first}`), mustFail: true }
  },
  NUL: (body, dice) => {
    put(body, 'a\0b', dice)
    return written(body, true)
  },
  'lone surrogate': (body, dice) => {
    put(body, 'a\ud800b', dice)
    return written(body, true)
  },
  'NUL in a name': (body) => {
    body['a\0b'] = 1
    return written(body, true)
  },
  depth: (body, dice) => {
    put(body, 'DEPTH', dice)
    const text = JSON.stringify(body).replace('"DEPTH"', () => nest(dice.pick([33, 1_000, 20_000]), dice))
    return { body: Buffer.from(text), mustFail: true }
  },
  'huge number': (body, dice) => {
    put(body, 'NUMBER', dice)
    const text = JSON.stringify(body).replace('"NUMBER"', dice.pick(['1e400', '-1e400', '9007199254740993', '1e30']))
    return { body: Buffer.from(text), mustFail: true }
  },
  'a field missing': (body, dice) => {
    const object = dice.pick(objectsIn(body))
    const name = Object.keys(object)[0]
    if (name !== undefined) delete object[name]
    return written(body, false)
  },
  "another tenant's id": (body, dice, { foreign }) => {
    put(body, dice.pick(foreign), dice)
    return written(body, false)
  },
  'cut off': (body) => ({ body: Buffer.from(JSON.stringify(body).slice(0, -1)), mustFail: true }),
  'no object': (_body, dice, { marker }) => written(dice.pick([null, 1, true, marker, [marker]]), true),
  'no UTF-8': (body, dice) => {
    put(body, 'BYTES', dice)
    return { body: Buffer.from(JSON.stringify(body).replace('BYTES', '\xff\xfe'), 'latin1'), mustFail: true }
  },
  'a byte order mark': (body) => ({ body: Buffer.from(`\ufeff${JSON.stringify(body)}`), mustFail: true }),
}

function idFor(path: string, world: World, dice: Dice): string {
  if (path.startsWith('/v1/apis')) return dice.chance(0.5) ? dice.pick(world.apiIds) : dice.pick(world.apis)
  if (path.startsWith('/v1/consumers')) return dice.pick(world.consumers)
  if (path.startsWith('/v1/operators')) return dice.pick(world.operators)
  return dice.pick(world.keys)
}

function pathOf(operation: Operation, world: World, dice: Dice): { path: string; wrong?: string; isRouted: boolean } {
  const bad: readonly (readonly [string, string, boolean])[] = [
    ["another tenant's id", encodeURIComponent(dice.pick(world.foreign)), true],
    ['NUL in the path', 'a%00b', true],
    ['no UTF-8 in the path', '%ED%A0%80', false],
    ['a broken percent sign in the path', '%zz', false],
    ['a long path', 'p'.repeat(2_000), false],
    ['a credential in the path', `kws_live_${world.marker}`, true],
    ['a strange id', encodeURIComponent(dice.pick(texts)), true],
  ]
  const spoilt = operation.path.includes('{id}') && dice.chance(0.15) ? dice.pick(bad) : undefined
  const path = operation.path
    .replace('{id}', () => spoilt?.[1] ?? encodeURIComponent(idFor(operation.path, world, dice)))
    .replace('{version}', () => dice.pick(['1', '2', '0', '-1', '1e3', '99999999999', 'x']))
  const prefix = path.startsWith('/v1/') && dice.chance(0.1) ? '/t/default' : ''
  return { path: prefix + path, ...(spoilt === undefined ? {} : { wrong: spoilt[0] }), isRouted: spoilt?.[2] ?? true }
}

function queryOf(operation: Operation, world: World, dice: Dice): { text: string; wrong?: string; mustFail: boolean } {
  const query = new URLSearchParams()
  for (const { name, schema } of operation.parameters.filter((parameter) => parameter.in === 'query')) {
    if (!dice.chance(0.3)) continue
    const value = validValue(schema, name, world, dice)
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one))
  }
  const good = query.toString()
  if (!dice.chance(0.2)) return { text: good, mustFail: false }
  const { marker } = world
  const first = [...query.keys()][0] ?? 'page_size'
  const [wrong, extra, mustFail] = dice.pick<readonly [string, string, boolean]>([
    ['unknown parameter', `no_such=${marker}`, true],
    ['credential as a parameter', `kws_live_${marker}=1`, true],
    ['parameter twice', `${first}=${marker}&${first}=${marker}`, first !== 'scope'],
    ['long parameter', `${first}=${marker.repeat(200)}`, true],
    ['no number', 'page_size=1e3', true],
    ['huge number', 'page_size=99999999999999999999', true],
    ['NUL in a parameter', `${first}=a%00b`, true],
    ['no UTF-8 in a parameter', `${first}=%ff%fe`, true],
    ['broken percent sign', `${first}=%zz`, true],
    ['meta filter', `meta.plan=${marker}`, false],
    ['bad meta filter', `meta.=${marker}`, true],
    ['prototype as a parameter', `__proto__=${marker}`, true],
  ])
  return { text: [good, extra].filter((part) => part !== '').join('&'), wrong, mustFail }
}

function bodyOf(operation: Operation, world: World, dice: Dice) {
  if (operation.body === undefined) {
    const unwanted = operation.method === 'DELETE' && dice.chance(0.1)
    return {
      body: unwanted ? Buffer.from('{}') : undefined,
      wrong: unwanted ? 'a body' : undefined,
      mustFail: unwanted,
    }
  }
  if (!operation.bodyRequired && dice.chance(0.2)) return { body: undefined, wrong: undefined, mustFail: false }
  const value = validValue(operation.body, '', world, dice) as Body
  if (dice.chance(0.45)) return { body: Buffer.from(JSON.stringify(value)), wrong: undefined, mustFail: false }
  const wrong = dice.pick(Object.keys(spoilers))
  const spoilt = spoilers[wrong]?.(value, dice, world)
  return { body: spoilt?.body, wrong, mustFail: spoilt?.mustFail === true }
}

function headersOf(operation: Operation, world: World, dice: Dice, hasBody: boolean) {
  const headers: Record<string, string> = {}
  const wrong: string[] = []
  let mustFail = false
  if (hasBody) {
    headers['content-type'] = 'application/json'
    if (dice.chance(0.05)) {
      headers['content-type'] = dice.pick(['text/plain', 'application/xml', 'application/json; charset=latin1', 'x'])
      wrong.push('content type')
      mustFail = operation.body !== undefined
    } else if (operation.method === 'PATCH' && dice.chance(0.3))
      headers['content-type'] = 'application/merge-patch+json'
  }
  if (dice.chance(0.15)) {
    headers['if-match'] = dice.pick(['*', '"1"', '"999999"', 'W/"1"', 'nonsense', '', '"1", "2"', world.marker])
    wrong.push('If-Match')
  }
  if (dice.chance(0.15)) {
    headers['idempotency-key'] = dice.pick([
      'same',
      `k${dice.below(50)}`,
      '',
      'a b',
      'é',
      'k'.repeat(300),
      world.marker,
    ])
    wrong.push('Idempotency-Key')
  }
  if (operation.isForwardAuth && dice.chance(0.8)) {
    const credential = dice.pick([...world.secrets, world.marker])
    if (dice.chance(0.5)) headers['x-api-key'] = credential
    else headers['authorization'] = `Bearer ${credential}`
  }
  return { headers, wrong, mustFail }
}

/** One call of an operation, as the dice fall. */
export function makeCall(operation: Operation, world: World, dice: Dice): Call {
  const { path, wrong: wrongPath, isRouted } = pathOf(operation, world, dice)
  const query = queryOf(operation, world, dice)
  const { body, wrong: wrongBody, mustFail } = bodyOf(operation, world, dice)
  const head = headersOf(operation, world, dice, body !== undefined)
  const wrong = [wrongPath, query.wrong, wrongBody, ...head.wrong].filter((part) => part !== undefined)
  return {
    operation,
    path: query.text === '' ? path : `${path}?${query.text}`,
    headers: head.headers,
    body,
    wrong: wrong.join(', ') || 'nothing',
    mustFail: mustFail || query.mustFail || head.mustFail || wrongPath?.startsWith('another') === true,
    isRouted,
  }
}
