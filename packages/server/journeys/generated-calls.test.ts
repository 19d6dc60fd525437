/**
 * Twenty thousand calls that the server's own OpenAPI document suggests, by every role and by none, with anything wrong with them that can be. Each must be
 * answered as documented: never with a fault inside, never with a word of what was sent.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Dice, fitting, marker, type Operation, queryText, spoilt, written } from './generated.ts'
import { type Body, type DatabaseKind, issue, newPlace, openDatabases, type Server, startServer } from './harness.ts'

const databases = openDatabases()
after(() => databases.stop())

const callsOf: Readonly<Record<DatabaseKind, number>> = { embedded: 20_000, postgres: 2_000 }
const callersMax = 16
const roles = ['owner', 'admin', 'issuer', 'crypto', 'verifier', 'auditor'] as const
const methods = ['get', 'post', 'patch', 'put', 'delete'] as const

interface Described {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

/** Ids and texts by which calls hit something, by the noun in the path. */
interface Known {
  readonly tokens: readonly string[]
  readonly ids: Record<string, string[]>
  readonly texts: string[]
}

async function operationsOf(server: Server): Promise<Described[]> {
  const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  }
  return Object.entries(document.paths).flatMap(([path, entries]) =>
    methods.flatMap((method) => {
      const operation = entries[method]
      return operation === undefined ? [] : [{ method: method.toUpperCase(), path, operation }]
    }),
  )
}

async function prepare(server: Server): Promise<Known> {
  const { api, consumerId, keyId, secret } = await issue(server)
  const tokens: string[] = ['', 'kwa_wrong', marker]
  for (const role of roles) {
    const made = await server.call('POST', '/v1/operators', { name: role, role })
    tokens.push(String(made.body['token']))
  }
  const narrowed = await server.call('POST', '/v1/operators', {
    name: 'narrow',
    role: 'issuer',
    apis: [api],
    environments: ['test'],
  })
  tokens.push(String(narrowed.body['token']))
  const tenant = await server.call('POST', '/v1/tenants', { slug: 'other', name: 'Other' })
  const foreign = await server.call(
    'POST',
    '/v1/consumers',
    { name: 'Foreign' },
    { token: String(tenant.body['token']) },
  )
  tokens.push(String(tenant.body['token']))
  const expendable = await server.call('POST', '/v1/operators', { name: 'expendable', role: 'verifier' })
  return {
    tokens,
    ids: {
      apis: [api],
      consumers: [consumerId, String(foreign.body['id'])],
      keys: [keyId],
      operators: [String(expendable.body['id'])],
    },
    texts: [api, consumerId, String(foreign.body['id']), secret],
  }
}

function pathOf({ path, operation }: Described, dice: Dice, known: Known): string {
  const noun = path.split('/')[2] ?? ''
  const filled = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
    const candidates =
      name === 'version'
        ? ['1', '2', '3', '0', 'x']
        : [...(known.ids[noun] ?? []), ...(dice.chance(0.1) ? [marker, 'nothing', '..', 'a b', '%'] : [])]
    return encodeURIComponent(candidates.length === 0 ? 'nothing' : dice.of(candidates))
  })
  const query = operation.parameters
    .filter((parameter) => parameter.in === 'query' && dice.chance(0.4))
    .map(({ name, schema }) => `${name}=${encodeURIComponent(queryText(schema, dice, known.texts))}`)
  if (dice.chance(0.03))
    query.push(dice.of([`${marker}=1`, 'unknown=1', 'meta.plan=pro', 'a=%ff', 'page_size=1&page_size=2', '%']))
  const prefix = path.startsWith('/v1/') && dice.chance(0.05) ? dice.of(['/t/default', '/t/other', '/t/none']) : ''
  return `${prefix}${filled}${query.length === 0 ? '' : `?${query.join('&')}`}`
}

function requestOf(described: Described, dice: Dice, known: Known): RequestInit {
  const { method, operation } = described
  const token = dice.of(known.tokens)
  const headers: Record<string, string> = {
    'x-forwarded-for': `10.${dice.below(256)}.${dice.below(256)}.${dice.below(256)}`,
  }
  if (described.path.startsWith('/v1/forward-auth')) {
    headers['keywright-verifier-token'] = token
    if (dice.chance(0.8))
      headers['authorization'] = `Bearer ${dice.of(known.texts.filter((text) => /^[\x21-\x7e]+$/.test(text)))}`
    if (dice.chance(0.2)) headers['x-api-key'] = marker
  } else if (token !== '') headers['authorization'] = `Bearer ${token}`
  if (dice.chance(0.1)) headers['if-match'] = dice.of(['*', '"1"', '"99"', 'W/"1"', '"', 'a, b', marker])
  if (dice.chance(0.1))
    headers['idempotency-key'] = dice.of(['once', 'twice', `${dice.below(1_000)}`, 'a b', 'x'.repeat(300)])
  const content = operation.requestBody?.content
  if (content === undefined) return { method, headers }
  const [type, { schema }] = dice.of(Object.entries(content)) as [string, { schema: object }]
  const value = fitting(schema, dice, known.texts)
  headers['content-type'] = dice.chance(0.02)
    ? dice.of(['text/plain', 'application/json; charset=latin1', 'x', marker])
    : type
  return { method, headers, body: new Uint8Array(written(dice.chance(0.5) ? spoilt(value, dice) : value, dice)) }
}

/** What is wrong with an answer, or nothing. */
function complaint({ operation }: Described, answer: Response, text: string): string | undefined {
  const documented = operation.responses[String(answer.status)]
  if (documented === undefined) return `status ${answer.status} is not documented: ${text.slice(0, 300)}`
  const type = answer.headers.get('content-type')?.split(';')[0]
  if (documented.content !== undefined && type !== undefined && !(type in documented.content))
    return `${answer.status} comes as ${type}`
  if (
    answer.status >= 400 &&
    (text.includes('neverRepeatThisText') || JSON.stringify([...answer.headers]).includes('neverRepeatThisText'))
  ) {
    return `${answer.status} repeats what was sent`
  }
  if (type === 'application/problem+json') {
    const problem = JSON.parse(text) as Body
    if (problem['status'] !== answer.status || typeof problem['request_id'] !== 'string' || 'instance' in problem)
      return `no good problem document: ${text.slice(0, 300)}`
    // Nothing is amiss on this machine, so nothing is an excuse.
    if (answer.status >= 500) return `a fault inside: ${text.slice(0, 300)}`
    if (answer.status === 422 && !Array.isArray(problem['errors'])) return `names no field: ${text.slice(0, 300)}`
  }
  return undefined
}

for (const kind of ['embedded', 'postgres'] as const) {
  test(`on ${kind}: ${callsOf[kind]} calls made from the OpenAPI document are answered as documented`, async (context) => {
    const place = newPlace(await databases.fresh(kind))
    const server = await startServer(place, ['--trusted-proxies', '127.0.0.1/32'])
    context.after(async () => {
      await server.kill()
      place.leave()
    })
    const described = await operationsOf(server)
    const known = await prepare(server)
    const complaints = new Map<string, string>()
    const statuses = new Map<number, number>()
    let left = callsOf[kind]
    const caller = async (seed: number) => {
      const dice = new Dice(seed)
      while (left > 0) {
        left -= 1
        const one = dice.of(described)
        const path = pathOf(one, dice, known)
        const answer = await fetch(server.url + path, { ...requestOf(one, dice, known), redirect: 'manual' })
        const text = await answer.text()
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        const wrong = complaint(one, answer, text)
        if (wrong !== undefined)
          complaints.set(`${one.method} ${one.path} ${wrong.slice(0, 60)}`, `${one.method} ${path}: ${wrong}`)
        remember(known, one, answer.status, text)
      }
    }
    await Promise.all(Array.from({ length: callersMax }, (_none, index) => caller(index + 1)))
    assert.deepEqual([...complaints.values()], [])
    // The calls reach the rules, not only the door.
    for (const status of [200, 201, 204, 400, 401, 403, 404, 409, 412, 413, 415, 422])
      assert.ok((statuses.get(status) ?? 0) > 0, `no ${status} among ${JSON.stringify([...statuses])}`)
    assert.equal(await server.stop(), 0)
    assert.ok(!server.output().includes('neverRepeatThisText'), 'no log repeats what was sent')
  })
}

/** Keeps some of what was made, so that later calls hit it. */
function remember(known: Known, { method, path }: Described, status: number, text: string): void {
  const ids = known.ids[path.split('/')[2] ?? '']
  if (method !== 'POST' || status !== 201 || ids === undefined || ids.length > 30) return
  const { id } = JSON.parse(text) as Body
  if (typeof id !== 'string') return
  ids.push(id)
  if (known.texts.length < 60) known.texts.push(id)
}
