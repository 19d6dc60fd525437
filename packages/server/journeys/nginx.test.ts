/**
 * The platform engineer who guards an upstream with the real nginx and the documented example.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, request, type Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer as createSocket } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { newPlace, type Server, startServer } from './harness.ts'

const example = readFileSync(new URL('./nginx/keywright.conf', import.meta.url), 'utf8')
const api = 'https://api.example.com/orders'

async function freePort(): Promise<number> {
  const probe = createSocket()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

describe('an upstream behind nginx', () => {
  const place = newPlace('embedded')
  const seen: IncomingHttpHeaders[] = []
  let server: Server
  let upstream: HttpServer
  let nginx: ChildProcess
  let url = ''
  let secret = ''
  let keyId = ''

  before(async () => {
    server = await startServer(place, ['--trusted-proxies', '127.0.0.1/32'])
    await server.call('POST', '/v1/apis', {
      identifier: api,
      name: 'Orders',
      scopes: [{ name: 'orders:read' }, { name: 'orders:write' }],
    })
    const consumer = await server.call('POST', '/v1/consumers', { name: 'Acme' })
    const key = await server.call('POST', '/v1/keys', {
      consumer_id: String(consumer.body['id']),
      grants: [{ api, scopes: ['orders:read'] }],
      networks: { in: ['10.0.0.0/8', '127.0.0.0/8'] },
    })
    keyId = String(key.body['id'])
    secret = String((key.body['secret'] as { value: string }).value)
    const operator = await server.call('POST', '/v1/operators', { name: 'nginx', role: 'verifier', apis: [api] })
    upstream = createServer((incoming, response) => {
      seen.push(incoming.headers)
      response.end('the upstream')
    })
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
    url = await startNginx(String(operator.body['token']))
  })

  async function startNginx(token: string): Promise<string> {
    const folder = join(place.folder, 'nginx')
    mkdirSync(join(folder, 'logs'), { recursive: true })
    const port = await freePort()
    const filled = example
      .replace('LISTEN', `127.0.0.1:${port}`)
      .replace('UPSTREAM', `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)
      .replace('KEYWRIGHT/v1', `${server.url.replace('localhost', '127.0.0.1')}/v1`)
      .replace('Keywright-Verifier-Token TOKEN', `Keywright-Verifier-Token ${token}`)
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join('\n')
    const whole = `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/logs/error.log; worker_processes 1;\nevents {}\nhttp { access_log off; ${paths}\n${filled}\n}`
    const conf = join(folder, 'nginx.conf')
    writeFileSync(conf, process.getuid?.() === 0 ? `user root;\n${whole}` : whole)
    nginx = spawn('nginx', ['-p', folder, '-c', conf], { stdio: 'ignore' })
    for (;;) {
      if (nginx.exitCode !== null)
        throw new Error(`nginx ended: ${readFileSync(join(folder, 'logs', 'error.log'), 'utf8')}`)
      const up = await fetch(`http://127.0.0.1:${port}/`).then(
        () => true,
        () => false,
      )
      if (up) return `http://127.0.0.1:${port}`
    }
  }

  after(async () => {
    nginx?.kill('SIGTERM')
    upstream?.close()
    upstream?.closeAllConnections()
    await server?.stop()
    place.leave()
  })

  const ask = (headers: Record<string, string>) => fetch(`${url}/orders?x=1`, { headers })

  test('a good secret passes, and the upstream sees who it is and neither the secret nor the client’s own words', async () => {
    seen.length = 0
    const answer = await ask({
      authorization: `Bearer ${secret}`,
      'keywright-key-id': 'kwk_live_forged',
      'keywright-consumer-id': 'con_forged',
      'keywright-scopes': 'everything',
    })
    assert.equal(answer.status, 200)
    assert.equal(await answer.text(), 'the upstream')
    const [headers] = seen
    assert.equal(headers?.['keywright-key-id'], keyId)
    assert.match(String(headers?.['keywright-consumer-id']), /^con_(?!forged)/)
    assert.equal(headers?.['keywright-scopes'], 'orders:read')
    assert.equal(headers?.authorization, undefined)
    assert.ok(!JSON.stringify(seen).includes(secret))
  })

  test('X-API-Key will do as well, and is taken out too', async () => {
    seen.length = 0
    assert.equal((await ask({ 'x-api-key': secret })).status, 200)
    assert.equal(seen[0]?.['x-api-key'], undefined)
  })

  /** A client at another address than the proxy's; the status it gets. */
  const askFrom = (localAddress: string, headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      const question = request(url, { localAddress, headers, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      question.on('error', reject)
      question.end()
    })

  const refused: readonly (readonly [string, Record<string, string>])[] = [
    ['no secret', {}],
    ['a wrong one', { authorization: 'Bearer kws_live_i5oio3cGfGOz_wrong' }],
    ['two different ones', { authorization: 'Bearer one', 'x-api-key': 'two' }],
  ]
  for (const [what, headers] of refused) {
    test(`${what} is answered 401 with a challenge, and the upstream hears nothing`, async () => {
      seen.length = 0
      const answer = await ask(headers)
      assert.equal(answer.status, 401)
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer/)
      assert.equal(seen.length, 0)
    })
  }

  test('F-30 the client’s address is counted from the right: its own X-Forwarded-For changes nothing', async () => {
    await server.call('PATCH', `/v1/keys/${keyId}`, { networks: { in: ['10.0.0.0/8'] } })
    assert.equal(await askFrom('127.0.0.2', { authorization: `Bearer ${secret}`, 'x-forwarded-for': '10.1.2.3' }), 403)
    await server.call('PATCH', `/v1/keys/${keyId}`, { networks: { in: ['127.0.0.2/32'] } })
    assert.equal(await askFrom('127.0.0.2', { authorization: `Bearer ${secret}`, 'x-forwarded-for': '10.1.2.3' }), 200)
  })

  test('F-27 a scope that is missing is 403, and a disabled key 401', async () => {
    await server.call('PATCH', `/v1/keys/${keyId}`, { grants: [{ api, scopes: ['orders:write'] }] })
    assert.equal((await ask({ authorization: `Bearer ${secret}` })).status, 403)
    await server.call('PATCH', `/v1/keys/${keyId}`, { grants: [{ api, scopes: ['orders:read'] }] })
    await server.call('POST', `/v1/keys/${keyId}/disable`)
    assert.equal((await ask({ authorization: `Bearer ${secret}` })).status, 401)
  })
})
