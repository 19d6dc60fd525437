/**
 * The HTTP server on a real socket: what it refuses before any endpoint is asked, how it keeps time, and how it stops.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { Type } from 'typebox'
import { systemClock } from '../adapters/system/clock.ts'
import { createLog } from '../adapters/system/log.ts'
import { systemRandom } from '../adapters/system/random.ts'
import type { Authority } from './authority.ts'
import { type Endpoint, endpoint } from './endpoint.ts'
import { Metrics } from './metrics.ts'
import { Shape } from './schemas.ts'
import { bodyBytesMax, createHttpServer, type HttpServer, type Timeouts } from './server.ts'

/** What the server itself needs of an authority; the endpoints below ask for nothing else. */
const authority = {
  clock: systemClock,
  random: systemRandom,
  log: createLog('silent'),
  metrics: new Metrics(),
  trustedProxies: [],
} as unknown as Authority

/** The slow endpoint: `asked` when a request has come to it, which is answered upon `release`. */
let slow = { asked: Promise.withResolvers<void>(), release: Promise.withResolvers<void>() }
const open = { tag: 'Test', summary: 'For the test', roles: 'public', answers: { 200: null } } as const
const endpoints: readonly Endpoint[] = [
  endpoint({
    ...open,
    method: 'GET',
    path: '/named',
    query: Shape({ name: Type.String({ maxLength: 10 }) }),
    handle: async ({ query }) => ({ status: 200, body: query }),
  }),
  endpoint({ ...open, method: 'GET', path: '/quick', handle: async () => ({ status: 200, body: { ok: true } }) }),
  endpoint({
    ...open,
    method: 'GET',
    path: '/thing/:id',
    handle: async ({ parameters }) => ({ status: 200, body: { length: parameters['id']?.length } }),
  }),
  endpoint({
    ...open,
    method: 'POST',
    path: '/echo',
    body: Shape({ text: Type.String({ maxLength: 2_000_000 }) }),
    handle: async ({ body }) => ({ status: 200, body: { length: body.text.length } }),
  }),
  endpoint({
    ...open,
    method: 'POST',
    path: '/act',
    body: Shape({}),
    bodyOptional: true,
    handle: async () => ({ status: 200, body: {} }),
  }),
  endpoint({
    ...open,
    method: 'ANY',
    path: '/any/*',
    handle: async ({ method }) => ({ status: 200, headers: { 'x-method': method } }),
  }),
  endpoint({
    ...open,
    method: 'GET',
    path: '/slow',
    handle: async () => {
      slow.asked.resolve()
      await slow.release.promise
      return { status: 200, body: { late: true } }
    },
  }),
  endpoint({
    ...open,
    method: 'GET',
    path: '/broken',
    handle: () => Promise.reject(new Error('secret kws_live_inside')),
  }),
]

const timeouts: Timeouts = {
  headersMilliseconds: 300,
  requestMilliseconds: 600,
  checkMilliseconds: 50,
  drainMilliseconds: 5_000,
}

async function start(
  changes: Partial<Timeouts> = {},
): Promise<{ readonly server: HttpServer; readonly port: number; readonly url: string }> {
  const server = await createHttpServer({
    authority,
    endpoints,
    lane: undefined,
    tls: undefined,
    timeouts: { ...timeouts, ...changes },
  })
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  return { server, url: url.replace('localhost', '127.0.0.1'), port: Number(new URL(url).port) }
}

/** Sends bytes and collects everything until the server ends the connection, or an answer is whole. */
function exchange(
  port: number,
  bytes: string,
  { untilEnd = false } = {},
): Promise<{ readonly text: string; readonly ended: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'))
    let text = ''
    const done = (ended: boolean) => {
      socket.destroy()
      resolve({ text, ended })
    }
    socket.on('data', (data) => {
      text += data.toString('latin1')
      const [head, body] = text.split('\r\n\r\n')
      const length = /content-length: (\d+)/i.exec(head ?? '')?.[1]
      if (!untilEnd && body !== undefined && length !== undefined && body.length >= Number(length)) done(false)
    })
    socket.on('end', () => done(true))
    socket.on('error', () => done(true))
  })
}

const statusOf = (text: string) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1])
const bodyOf = (text: string) => JSON.parse(text.split('\r\n\r\n')[1] ?? '') as Record<string, unknown>

describe('requests that no honest client sends', () => {
  let port = 0
  let server: HttpServer
  before(async () => ({ server, port } = await start()))
  after(() => server.stop())

  const get = 'GET /quick HTTP/1.1\r\n'
  const refused: readonly (readonly [string, string, number])[] = [
    ['two Host headers (RFC 9112 section 3.2)', `${get}Host: a\r\nHost: b\r\n\r\n`, 400],
    ['two Host headers that agree', `${get}Host: a\r\nhOST: a\r\n\r\n`, 400],
    ['two Host headers at a path that is not there', 'GET /none HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
    ['no Host header', `${get}\r\n`, 400],
    ['HTTP/0.9', 'GET /quick\r\n\r\n', 400],
    ['HTTP/0.9 with headers', 'GET /quick\r\nHost: a\r\n\r\n', 400],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    [
      'both lengths (RFC 9112 section 6.1)',
      'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    [
      'two lengths that differ',
      'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}',
      400,
    ],
    ['a length that is no number', 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}', 400],
    ['a last encoding that is not chunked', 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n', 400],
    ['a chunk without a length', 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
    ['a header without a name', `${get}Host: a\r\n: b\r\n\r\n`, 400],
    ['a space before the colon (RFC 9112 section 5.1)', `${get}Host: a\r\nX : b\r\n\r\n`, 400],
    ['a method that HTTP does not know', 'FOO /quick HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['a head beyond 16 KiB', `${get}Host: a\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`, 431],
  ]
  for (const [title, bytes, status] of refused) {
    it(`refuses ${title} with ${status}, a problem document, and ends the connection`, async () => {
      const { text, ended } = await exchange(port, bytes, { untilEnd: true })
      assert.equal(statusOf(text), status, text)
      assert.match(text, /\r\ncontent-type: application\/problem\+json\r\n/i)
      assert.equal(bodyOf(text)['status'], status)
      assert.ok(ended)
    })
  }

  it('never reads a second request out of a refused one', async () => {
    const bytes = `POST /act HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${get}Host: a\r\n\r\n`
    const { text } = await exchange(port, bytes, { untilEnd: true })
    assert.equal(text.split('HTTP/1.1 ').length, 2, text)
  })

  it('refuses TRACE with 405 and the methods that the path takes', async () => {
    const { text } = await exchange(port, 'TRACE /quick HTTP/1.1\r\nHost: a\r\nX-Secret: kws_live_x\r\n\r\n')
    assert.equal(statusOf(text), 405)
    assert.match(text, /\r\nallow: GET, HEAD\r\n/i)
    assert.ok(!text.includes('kws_live_x'))
  })

  it('closes on CONNECT', async () => {
    const { text } = await exchange(port, 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', { untilEnd: true })
    assert.equal(text, '')
  })

  it('takes HTTP/1.0 without a host, as health checks speak it', async () => {
    assert.equal(statusOf((await exchange(port, 'GET /quick HTTP/1.0\r\n\r\n')).text), 200)
  })

  it('ignores an expectation that it does not know (RFC 9110 section 10.1.1)', async () => {
    assert.equal(statusOf((await exchange(port, `${get}Host: a\r\nExpect: gold\r\n\r\n`)).text), 200)
  })
})

describe('time that a client may take', () => {
  let port = 0
  let server: HttpServer
  before(async () => ({ server, port } = await start()))
  after(() => server.stop())

  for (const [title, bytes] of [
    ['a head that does not end', 'GET /quick HTTP/1.1\r\nHost: a\r\n'],
    [
      'a body that does not come',
      'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"te',
    ],
  ] as const) {
    it(`ends ${title} with 408`, async () => {
      const { text, ended } = await exchange(port, bytes, { untilEnd: true })
      assert.equal(statusOf(text), 408, text)
      assert.match(text, /application\/problem\+json/)
      assert.ok(ended)
    })
  }
})

describe('paths and methods', () => {
  let url = ''
  let server: HttpServer
  before(async () => ({ server, url } = await start()))
  after(() => server.stop())

  it('answers 404 as a problem document with an id and no word of the path', async () => {
    const answer = await fetch(`${url}/none/kws_live_x`)
    assert.equal(answer.status, 404)
    const text = await answer.text()
    assert.ok(!text.includes('kws_live_x'))
    assert.equal(JSON.parse(text).request_id, answer.headers.get('keywright-request-id'))
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
  })

  for (const [title, path, status] of [
    ['broken percent signs', '/thing/%zzkws_live_x', 400],
    ['a parameter beyond its length', `/thing/kws_live_x${'a'.repeat(2_000)}`, 404],
  ] as const) {
    it(`does not repeat a path with ${title}`, async () => {
      const answer = await fetch(url + path)
      assert.equal(answer.status, status)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.ok(!(await answer.text()).includes('kws_live_x'))
    })
  }

  it('answers 405 with Allow', async () => {
    for (const method of ['PUT', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const answer = await fetch(`${url}/quick`, { method })
      assert.equal(answer.status, 405)
      assert.equal(answer.headers.get('allow'), 'GET, HEAD')
    }
  })

  it('takes every method, with any body, where an endpoint says so', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'PROPFIND', 'REPORT']) {
      const withBody = method !== 'GET' && method !== 'HEAD'
      const answer = await fetch(`${url}/any/a/b`, {
        method,
        ...(withBody ? { body: 'no json', headers: { 'content-type': 'text/plain' } } : {}),
      })
      assert.equal(answer.status, 200, method)
      assert.equal(answer.headers.get('x-method'), method)
    }
  })

  it('gives every request another id', async () => {
    const ids = new Set<string | null>()
    for (let round = 0; round < 5; round += 1)
      ids.add((await fetch(`${url}/quick`)).headers.get('keywright-request-id'))
    assert.equal(ids.size, 5)
  })

  it('answers a fault inside with 500, the id, and not a word of it', async () => {
    const answer = await fetch(`${url}/broken`)
    assert.equal(answer.status, 500)
    const text = await answer.text()
    assert.ok(!text.includes('kws_live_inside') && !text.includes('Error'))
  })
})

describe('bodies', () => {
  let url = ''
  let server: HttpServer
  before(async () => ({ server, url } = await start({ headersMilliseconds: 5_000, requestMilliseconds: 10_000 })))
  after(() => server.stop())

  const post = (path: string, body: string | Uint8Array<ArrayBuffer> | undefined, type: string | undefined) =>
    fetch(url + path, {
      method: 'POST',
      ...(body === undefined ? {} : { body }),
      headers: type === undefined ? {} : { 'content-type': type },
    })

  const json = 'application/json'
  const cases: readonly (readonly [string, string | Uint8Array<ArrayBuffer>, string | undefined, number])[] = [
    ['JSON', '{"text":"a"}', json, 200],
    ['JSON in UTF-8 by name', '{"text":"a"}', 'application/json; charset=utf-8', 200],
    ['JSON in another encoding', '{"text":"a"}', 'application/json; charset=utf-16', 415],
    ['a form', 'text=a', 'application/x-www-form-urlencoded', 415],
    ['a body of no type', new TextEncoder().encode('{"text":"a"}'), undefined, 415],
    ['a merge patch where nothing is patched', '{"text":"a"}', 'application/merge-patch+json', 415],
    ['nothing at all', '', json, 400],
    ['broken JSON', '{"text":', json, 400],
    ['two members of one name', '{"text":"a","text":"b"}', json, 400],
    ['bytes that are not UTF-8', new Uint8Array([0x7b, 0xff, 0x7d]), json, 400],
    ['depth', `${'['.repeat(1_000)}${']'.repeat(1_000)}`, json, 400],
    ['NUL', '{"text":"a\\u0000"}', json, 422],
    ['half a surrogate pair', '{"text":"\\ud800"}', json, 422],
    ['another type', '{"text":1}', json, 422],
    ['an unknown member', '{"text":"a","kws_live_x":1}', json, 422],
    ['a list', '[]', json, 422],
    ['more than the limit', `{"text":"${'a'.repeat(bodyBytesMax)}"}`, json, 413],
  ]
  for (const [title, body, type, status] of cases) {
    it(`answers ${status} to ${title}`, async () => {
      const answer = await post('/echo', body, type)
      assert.equal(answer.status, status)
      if (status === 200) return
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.ok(!(await answer.text()).includes('kws_live_x'))
    })
  }

  it('answers 413 to a chunked body of 10 MB and lives on', async () => {
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${url}/echo`, { method: 'POST', headers: { 'content-type': json } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
      request.on('error', reject)
      const chunk = Buffer.alloc(1_000_000, ' ')
      for (let round = 0; round < 10; round += 1) request.write(chunk)
      request.end()
    })
    assert.equal(status, 413)
    assert.equal((await fetch(`${url}/quick`)).status, 200)
  })

  it('takes no body for an empty one where an action has no fields', async () => {
    assert.equal((await post('/act', undefined, undefined)).status, 200)
    assert.equal((await post('/act', '{}', json)).status, 200)
    assert.equal((await post('/act', '{"a":1}', json)).status, 422)
  })

  it('names the field, and nothing that looks like a credential', async () => {
    const problem = (await (await post('/echo', '{"text":1,"kws_live_x":1}', json)).json()) as {
      errors: { pointer: string }[]
    }
    assert.deepEqual(problem.errors.map(({ pointer }) => pointer).sort(), ['/text', '/…'])
  })
})

describe('a query', () => {
  let url = ''
  let server: HttpServer
  before(async () => ({ server, url } = await start()))
  after(() => server.stop())

  it('gives a parameter as it was written, in UTF-8', async () => {
    assert.deepEqual(await (await fetch(`${url}/named?name=%C3%BC+%2B`)).json(), { name: 'ü +' })
  })

  for (const [title, query] of [
    ['that is not UTF-8', 'name=%ff'],
    ['with NUL', 'name=a%00'],
    ['with a broken percent sign', 'name=100%'],
    ['that is too long', `name=${'a'.repeat(11)}`],
    ['given twice', 'name=a&name=b'],
    ['that is missing', ''],
  ]) {
    it(`refuses a known parameter ${title} instead of mending it`, async () => {
      const answer = await fetch(`${url}/named?${query}`)
      assert.equal(answer.status, 422)
      const problem = (await answer.json()) as { errors: { parameter: string }[] }
      assert.equal(problem.errors[0]?.parameter, 'name')
    })
  }

  for (const [title, query, parameter] of [
    ['an unknown parameter', '?a=1', 'a'],
    ['a parameter that could be a credential', '?kws_live_x=1', '…'],
    ['a filter by meta where none is taken', '?meta.a=1', 'meta.a'],
    ['text that is not UTF-8', '?a=%ff', 'a'],
    ['a broken percent sign', '?a=%f', 'a'],
    ['NUL', '?a=%00', 'a'],
    ['a long name', `?${'b'.repeat(100)}=1`, 'b'.repeat(64)],
  ] as const) {
    it(`is refused for ${title}, which is named`, async () => {
      const answer = await fetch(`${url}/quick${query}`)
      assert.equal(answer.status, 422)
      const problem = (await answer.json()) as { errors: { parameter: string }[] }
      assert.equal(problem.errors[0]?.parameter, parameter)
    })
  }
})

describe('a server that is told to stop', () => {
  beforeEach(() => {
    slow = { asked: Promise.withResolvers(), release: Promise.withResolvers() }
  })

  it('answers what is in flight, and meanwhile new requests with Connection: close', async () => {
    const { server, url, port } = await start({ headersMilliseconds: 5_000, requestMilliseconds: 5_000 })
    const late = fetch(`${url}/slow`)
    await slow.asked.promise
    const stopped = server.stop()
    const { text, ended } = await exchange(port, 'GET /quick HTTP/1.1\r\nHost: a\r\n\r\n', { untilEnd: true })
    assert.equal(statusOf(text), 200)
    assert.match(text, /\r\nconnection: close\r\n/i)
    assert.ok(ended)
    slow.release.resolve()
    const answer = await late
    assert.deepEqual([answer.status, await answer.json()], [200, { late: true }])
    await stopped
    await assert.rejects(fetch(`${url}/quick`))
  })

  it('cuts off what does not end in time', async () => {
    const { server, url } = await start({ drainMilliseconds: 100 })
    const late = assert.rejects(fetch(`${url}/slow`))
    await slow.asked.promise
    await server.stop()
    await late
  })

  it('does not wait for idle connections', async () => {
    const { server, url } = await start({ drainMilliseconds: 600_000 })
    await (await fetch(`${url}/quick`)).text()
    await server.stop()
  })
})

describe('a Unix socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-socket-'))
  after(() => rmSync(folder, { recursive: true }))

  const make = () => createHttpServer({ authority, endpoints, lane: undefined, tls: undefined, timeouts })
  const ask = (socketPath: string) =>
    new Promise((resolve, reject) => {
      const request = httpRequest({ socketPath, path: '/quick' }, (answer) => resolve(answer.resume().statusCode))
      request.on('error', reject).end()
    })

  it('is for its owner alone', async () => {
    const path = join(folder, 'own')
    const server = await make()
    assert.equal(await server.listen({ socket: path }), `unix:${path}`)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(await ask(path), 200)
    await server.stop()
  })

  it('takes the place of one that a killed process left behind', async () => {
    const path = join(folder, 'stale')
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    assert.equal(spawnSync(process.execPath, ['-e', script]).signal, 'SIGKILL')
    assert.ok(statSync(path).isSocket())
    const server = await make()
    await server.listen({ socket: path })
    assert.equal(await ask(path), 200)
    await server.stop()
  })

  it('does not take the place of a server that lives', async () => {
    const path = join(folder, 'live')
    const [first, second] = [await make(), await make()]
    await first.listen({ socket: path })
    await assert.rejects(second.listen({ socket: path }), { code: 'EADDRINUSE' })
    assert.equal(await ask(path), 200)
    await Promise.all([first.stop(), second.stop()])
  })

  it('does not take the place of a file', async () => {
    const path = join(folder, 'file')
    writeFileSync(path, 'precious')
    const server = await make()
    await assert.rejects(server.listen({ socket: path }), { code: 'EADDRINUSE' })
    assert.equal(readFileSync(path, 'utf8'), 'precious')
    await server.stop()
  })
})
