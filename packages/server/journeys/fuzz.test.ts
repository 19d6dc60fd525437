/**
 * The careless and the hostile client: thousands of calls made from the server's own description, by every role. Each is answered as documented, none
 * breaks anything, none gets back what it should not have sent.
 */
import assert from 'node:assert/strict'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { after, test } from 'node:test'
import { Compile } from 'typebox/compile'
import type { TSchema } from 'typebox'
import { type Call, Dice, makeCall, type Operation, operationsOf, type World } from './fuzz-calls.ts'
import {
  type Body,
  type DatabaseKind,
  databaseKinds,
  issue,
  newPlace,
  openDatabases,
  type Server,
  startServer,
} from './harness.ts'

const databases = openDatabases()
after(() => databases.stop())

const seed = 20_261_125
const callsAtOnce = 24
const calls = { embedded: 20_000, postgres: 3_000 } as const
const roles = ['owner', 'admin', 'issuer', 'crypto', 'verifier', 'auditor'] as const
/** What the other tenant's things are called: whoever reads it has read across tenants. */
const theirName = 'Only theirs to read'
type Role = (typeof roles)[number] | 'none'

interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

function send(
  agent: Agent,
  url: string,
  call: Pick<Call, 'path' | 'headers' | 'body'> & { method: string },
): Promise<Answered> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(20_000)
    const outgoing = request({ agent, hostname, port, method: call.method, path: call.path, signal }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      )
    })
    for (const [name, value] of Object.entries(call.headers)) outgoing.setHeader(name, value)
    if (call.body !== undefined) outgoing.setHeader('content-length', call.body.length)
    outgoing.on('error', reject)
    outgoing.end(call.body)
  })
}

async function tokensOf(server: Server): Promise<ReadonlyMap<Role, string>> {
  const tokens = new Map<Role, string>([['owner', server.token]])
  for (const role of roles.slice(1)) {
    const made = await server.call('POST', '/v1/operators', { name: role, role })
    tokens.set(role, String(made.body['token']))
  }
  return tokens
}

async function worldOf(server: Server): Promise<World> {
  const first = await issue(server)
  const second = await issue(server)
  const apis = await server.call('GET', '/v1/apis')
  const operators = await Promise.all(
    ['verifier', 'issuer'].map((role) => server.call('POST', '/v1/operators', { name: 'in use', role })),
  )
  const tenant = await server.call('POST', '/v1/tenants', { slug: 'other', name: 'Other' })
  const token = String(tenant.body['token'])
  const theirs = { token }
  const identifier = 'https://other.example.com/api'
  const api = await server.call('POST', '/v1/apis', { identifier, name: theirName, scopes: [] }, theirs)
  const consumer = await server.call('POST', '/v1/consumers', { name: theirName }, theirs)
  const key = await server.call(
    'POST',
    '/v1/keys',
    { consumer_id: consumer.body['id'] ?? null, name: theirName },
    theirs,
  )
  return {
    apis: [first.api, second.api],
    apiIds: (apis.body['data'] as Body[]).map((one) => String(one['id'])),
    consumers: [first.consumerId, second.consumerId],
    keys: [first.keyId, second.keyId],
    operators: operators.map(({ body }) => String(body['id'])),
    secrets: [first.secret, second.secret],
    foreign: [identifier, ...[api, consumer, key].map(({ body }) => String(body['id']))],
    marker: 'kws_live_PlantedMarker0Qx7',
  }
}

/** Takes up what a call has made, so that later calls can use it. */
function grow(world: World, { operation }: Call, body: Body): void {
  const lists: Record<string, string[]> = {
    '/v1/apis': world.apiIds,
    '/v1/consumers': world.consumers,
    '/v1/keys': world.keys,
    '/v1/operators': world.operators,
  }
  lists[operation.path]?.push(String(body['id']))
  if (operation.path === '/v1/apis') world.apis.push(String(body['identifier']))
  if (operation.path === '/v1/keys') world.secrets.push(String((body['secret'] as Body)['value']))
}

const validators = new WeakMap<object, { Check(value: unknown): boolean }>()

function fits(schema: object, value: unknown): boolean {
  let validator = validators.get(schema)
  if (validator === undefined) {
    validator = Compile(schema as TSchema)
    validators.set(schema, validator)
  }
  return validator.Check(value)
}

/** What is wrong with an answer, or `undefined`. */
function faultIn(call: Call, role: Role, answer: Answered): string | undefined {
  const { operation } = call
  const { status, text } = answer
  // The scopes that a proxy asks for are told to the client (RFC 6750 section 3): they come from the proxy's own configuration.
  const { 'www-authenticate': challenge, ...headers } = answer.headers
  const all = text + JSON.stringify(headers) + (operation.isForwardAuth ? '' : challenge)
  if (all.includes('PlantedMarker') && (status >= 400 || call.path.includes('verify') || call.path.includes('import')))
    return 'repeats the planted secret'
  const isVerdict = status === 503 && operation.responses.has(503) && text.includes('"code":"stale"')
  if (status >= 500 && !isVerdict) return 'failed'
  if (call.isRouted && !operation.responses.has(status)) return 'status is not documented'
  if (!call.isRouted && status < 400) return 'answers a path that leads nowhere'
  if (call.mustFail && status < 400 && operation.roles !== undefined) return 'takes what it must refuse'
  // A media type that cannot even be read is refused before anybody asks who calls.
  const isRead = !(status === 415 && call.wrong.includes('content type'))
  if (call.isRouted && isRead && operation.roles !== undefined) {
    if (role !== 'none' && !operation.roles.includes(role) && status !== 403) return 'lets a role in that is not listed'
    const refused = operation.isForwardAuth ? [403, 429] : [401, 429]
    if (role === 'none' && !refused.includes(status)) return 'lets somebody in without a token'
  }
  if (text.includes(theirName)) return "shows another tenant's thing"
  if (isVerdict) return undefined
  if (status < 400) return faultInGood(operation, answer)
  return operation.isForwardAuth && !text.startsWith('{') ? undefined : faultInProblem(answer)
}

function faultInGood(operation: Operation, { status, text }: Answered): string | undefined {
  const schema = operation.responses.get(status)
  return schema === undefined || fits(schema, JSON.parse(text)) ? undefined : 'answer does not fit its schema'
}

function faultInProblem({ status, text, headers }: Answered): string | undefined {
  if (headers['content-type'] !== 'application/problem+json') return 'is no problem document'
  const problem = JSON.parse(text) as Body
  for (const member of ['type', 'title', 'detail', 'request_id']) {
    if (typeof problem[member] !== 'string' || problem[member] === '') return `problem lacks ${member}`
  }
  if (problem['status'] !== status) return 'problem has another status'
  if (status !== 422) return undefined
  const errors = problem['errors']
  if (!Array.isArray(errors) || errors.length === 0) return 'names no field'
  const named = (errors as Body[]).every(
    (error) => typeof (error['pointer'] ?? error['parameter']) === 'string' && typeof error['detail'] === 'string',
  )
  return named ? undefined : 'names no field'
}

/** Operations that make much of little are called less often. */
const seldom = (operation: Operation) => operation.path === '/v1/tenants' || operation.roles === undefined

async function callMany(server: Server, count: number) {
  const operations = operationsOf((await server.call('GET', '/openapi.json')).body)
  const tokens = await tokensOf(server)
  const world = await worldOf(server)
  const agent = new Agent({ keepAlive: true, maxSockets: callsAtOnce })
  const seen = new Map<string, number>()
  const faults: string[] = []
  let next = 0
  const work = async () => {
    while (next < count && faults.length < 10) {
      const index = next++
      const dice = new Dice(seed + index)
      let operation = dice.pick(operations)
      if (seldom(operation) && dice.chance(0.8)) operation = dice.pick(operations)
      const role: Role = dice.chance(0.05) ? 'none' : dice.chance(0.4) ? 'owner' : dice.pick(roles)
      const call = makeCall(operation, world, dice)
      const token = tokens.get(role)
      const headers: Record<string, string> = { ...call.headers }
      if (token !== undefined && operation.isForwardAuth) headers['keywright-verifier-token'] = token
      else if (token !== undefined) headers['authorization'] = `Bearer ${token}`
      const answer = await send(agent, server.url, { ...call, headers, method: operation.method })
      const fault = faultIn(call, role, answer)
      const name = `${operation.method} ${operation.path} ${answer.status}`
      seen.set(name, (seen.get(name) ?? 0) + 1)
      if (fault !== undefined)
        faults.push(
          `call ${index} of ${role} with ${call.wrong}: ${name} ${fault}: ${call.path.slice(0, 150)} ${call.body?.toString().slice(0, 300)} -> ${answer.text.slice(0, 300)}`,
        )
      if (answer.status === 201) grow(world, call, JSON.parse(answer.text) as Body)
    }
  }
  await Promise.all(Array.from({ length: callsAtOnce }, work))
  agent.destroy()
  return { seen, faults, operations }
}

for (const kind of databaseKinds) {
  test(`on ${kind}: ${calls[kind]} calls made from the description are answered as documented`, async () => {
    const place = newPlace(await databases.fresh(kind))
    const server = await startServer(place)
    try {
      await check(kind, server)
    } finally {
      await server.kill()
      place.leave()
    }
  })
}

async function check(kind: DatabaseKind, server: Server): Promise<void> {
  const { seen, faults, operations } = await callMany(server, calls[kind])
  assert.deepEqual(faults, [])
  if (kind === 'embedded') {
    const never = operations
      .flatMap(({ method, path, responses }) =>
        [...responses.keys()].filter((status) => status < 400).map((status) => `${method} ${path} ${status}`),
      )
      .filter((name) => !seen.has(name))
    assert.deepEqual(never, [], 'every good answer was reached')
  }
  assert.equal((await server.call('GET', '/readyz')).body['status'], 'ready')
  assert.ok(!server.output().includes('PlantedMarker'), 'no log line repeats the planted secret')
  assert.equal(await server.stop(), 0)
}

test('bodies that are too large or nested 100,000 deep are cut off, and the next request is answered', async () => {
  const place = newPlace('embedded')
  const server = await startServer(place)
  after(() => server.kill())
  const agent = new Agent()
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' }
  const post = (body: Buffer) => send(agent, server.url, { method: 'POST', path: '/v1/verify', headers, body })

  const refused = await post(Buffer.alloc(10_000_000, 'a')).catch((error: NodeJS.ErrnoException) => error.code)
  // The server answers and closes; whether the client still reads that while it writes is up to its socket.
  if (typeof refused === 'object') assert.equal(refused.status, 413)
  else assert.match(String(refused), /ECONNRESET|EPIPE/)

  for (const deep of [`${'['.repeat(100_000)}`, `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`]) {
    const answer = await post(Buffer.from(deep))
    assert.equal(answer.status, 400)
    assert.match(answer.text, /nested too deeply/)
  }

  const sent = await stream(server.url, headers, 100_000_000)
  assert.ok(sent.bytes < 100_000_000, `the stream was cut after ${sent.bytes} bytes`)
  assert.ok(sent.status === 413 || sent.status === undefined)

  assert.equal((await server.call('POST', '/v1/verify', { credential: 'x' })).body['code'], 'unknown')
  assert.equal(await server.stop(), 0)
  place.leave()
})

/** Writes a chunked body of this many bytes until the server has had enough. */
function stream(
  url: string,
  headers: Record<string, string>,
  bytesMax: number,
): Promise<{ bytes: number; status?: number }> {
  const { hostname, port } = new URL(url)
  const chunk = Buffer.alloc(64 * 1024, ' ')
  return new Promise((resolve) => {
    let bytes = 0
    let status: number | undefined
    const outgoing = request({ hostname, port, method: 'POST', path: '/v1/verify', headers }, (incoming) => {
      status = incoming.statusCode
      incoming.resume()
    })
    const end = () => resolve(status === undefined ? { bytes } : { bytes, status })
    const more = () => {
      if (outgoing.destroyed || bytes >= bytesMax) return outgoing.end()
      bytes += chunk.length
      outgoing.write(chunk, (error) => {
        if (error === null || error === undefined) setImmediate(more)
      })
      return outgoing
    }
    outgoing.on('error', () => undefined)
    outgoing.on('close', end)
    more()
  })
}
