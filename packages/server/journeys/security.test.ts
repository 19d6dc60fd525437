/**
 * The rules of who may do what, and of what never leaves the process, against the running program.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { request as requestTls } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import { operationsOf } from './fuzz-calls.ts'
import { type Body, issue, newPlace, runBinary, type Server, startServer } from './harness.ts'

const roles = ['owner', 'admin', 'issuer', 'crypto', 'verifier', 'auditor'] as const

async function begin(t: TestContext, extra: readonly string[] = [], env: Record<string, string> = {}) {
  const place = newPlace('embedded')
  const server = await startServer(place, extra, env)
  t.after(async () => {
    await server.kill()
    place.leave()
  })
  return { place, server }
}

async function operator(server: Server, role: string, more: Body = {}): Promise<{ id: string; token: string }> {
  const { status, body } = await server.call('POST', '/v1/operators', { name: role, role, ...more })
  assert.equal(status, 201, JSON.stringify(body))
  return { id: String(body['id']), token: String(body['token']) }
}

test('each role is refused at every endpoint that does not list it, and nobody is let in without a token', async (t) => {
  const { server } = await begin(t)
  const operations = operationsOf((await server.call('GET', '/openapi.json')).body)
  const guarded = operations.filter((operation) => operation.roles !== undefined)
  assert.ok(guarded.length > 30)
  for (const role of roles) {
    const { token } = await operator(server, role)
    for (const { method, path, roles: listed, isForwardAuth } of guarded) {
      const url = path.replace('{id}', 'nothing').replace('{version}', '1')
      const headers: Record<string, string> = isForwardAuth ? { 'keywright-verifier-token': token } : {}
      const { status } = await server.call(method, url, undefined, { token: isForwardAuth ? '' : token, headers })
      const isAbout = `${role} ${method} ${path}`
      if (listed?.includes(role) === true) assert.notEqual(status, 403, isAbout)
      else assert.equal(status, 403, isAbout)
    }
  }
  for (const { method, path, isForwardAuth } of guarded) {
    const { status } = await server.call(method, path, undefined, { token: '' })
    assert.equal(status, isForwardAuth ? 403 : 401, `${method} ${path}`)
  }
})

test('a narrowed operator acts on a key only where all of it lies within, and nobody makes what exceeds themselves', async (t) => {
  const { server } = await begin(t)
  const mine = await issue(server)
  const theirs = await issue(server)
  const both = await server.call('POST', '/v1/keys', {
    consumer_id: mine.consumerId,
    grants: [
      { api: mine.api, scopes: [] },
      { api: theirs.api, scopes: [] },
    ],
  })
  const { token } = await operator(server, 'issuer', { apis: [mine.api], consumers: [mine.consumerId] })
  const get = async (id: unknown) => (await server.call('GET', `/v1/keys/${id}`, undefined, { token })).status
  assert.equal(await get(mine.keyId), 200)
  assert.equal(await get(theirs.keyId), 404)
  assert.equal(await get(both.body['id']), 404, 'one grant outside is enough')

  const narrowed = await operator(server, 'admin', { apis: [mine.api] })
  const make = (body: Body) => server.call('POST', '/v1/operators', { name: 'x', ...body }, { token: narrowed.token })
  assert.equal((await make({ role: 'owner', apis: [mine.api] })).status, 403)
  assert.equal((await make({ role: 'verifier' })).status, 403, 'a wider one')
  assert.equal((await make({ role: 'verifier', apis: [mine.api] })).status, 201)
  const [owner] = (await server.call('GET', '/v1/operators?role=owner')).body['data'] as Body[]
  const reset = await server.call('POST', `/v1/operators/${owner?.['id']}/token`, {}, { token: narrowed.token })
  assert.equal(reset.status, 403)
})

test('a source that keeps guessing waits, alone; whoever has the token is let in from there too', async (t) => {
  const { server } = await begin(t, ['--trusted-proxies', '127.0.0.1/32'])
  const { token } = await operator(server, 'verifier')
  const at = token.length - 20
  const wrong = (index: number) => `${token.slice(0, at)}${index.toString().padStart(2, '0')}${token.slice(at + 2)}`
  const from = (address: string, one: string) =>
    server.call('GET', '/v1/keys', undefined, { token: one, headers: { 'x-forwarded-for': `6.6.6.6, ${address}` } })
  let last = 401
  for (let index = 0; index < 400 && last !== 429; index += 1)
    last = (await from('192.0.2.1', wrong(index % 90))).status
  assert.equal(last, 429)
  const waiting = await from('192.0.2.1', wrong(1))
  assert.ok(Number(waiting.headers.get('retry-after')) > 0)
  assert.equal((await from('192.0.2.2', wrong(1))).status, 401, 'another source only fails')
  assert.equal((await from('192.0.2.1', token)).status, 403, 'the right token is known, and no reader')
  assert.equal((await from('192.0.2.2', token)).status, 403)
})

test('whatever is unknown is answered in the same bytes', async (t) => {
  const { server } = await begin(t)
  const { secret, api } = await issue(server)
  const tenant = await server.call('POST', '/v1/tenants', { slug: 'acme', name: 'Acme' })
  const options = { token: String(tenant.body['token']) }
  const body = async (credential: string, as = {}) => {
    const answer = await server.call('POST', '/v1/verify', { credential, api }, as)
    const { as_of: _asOf, ...rest } = answer.body
    return JSON.stringify([answer.status, rest])
  }
  const wanted = JSON.stringify([200, { valid: false, code: 'unknown' }])
  assert.equal(await body(secret, options), wanted, "another tenant's")
  assert.equal(await body(`${secret.slice(0, -8)}00${secret.slice(-6)}`), wanted, 'a wrong check')
  assert.equal(await body('nonsense'), wanted)
  assert.equal(await body('kws_live_000000000000_0000000000000000000000000000000000000000000000000'), wanted)
})

test('files are private, answers are not stored, and neither database, backup nor log holds a secret', async (t) => {
  const { place, server } = await begin(t, ['--log-level', 'debug'])
  const mode = (path: string) => statSync(path).mode & 0o777
  assert.equal(mode(server.dataDir), 0o700)
  for (const name of readdirSync(server.dataDir)) {
    const path = join(server.dataDir, name)
    assert.equal(mode(path), statSync(path).isDirectory() ? 0o700 : 0o600, name)
  }
  assert.equal(mode(join(place.folder, 'kek', 'kek')), 0o600)

  const { keyId, secret, consumerId } = await issue(server)
  const rotated = await server.call('POST', `/v1/keys/${keyId}/secrets`, {}, { headers: { 'idempotency-key': 'once' } })
  assert.equal(rotated.headers.get('cache-control'), 'no-store')
  const imported = 'imported-credential-9f86d081884c7d659a2f'
  const items = [{ consumer_id: consumerId, format: 'raw', value: imported }]
  assert.equal((await server.call('POST', '/v1/keys/import', { items })).status, 200)
  await server.call('POST', '/v1/verify', { credential: imported })
  await server.call('GET', `/v1/keys/${secret}`)
  await server.call('GET', `/v1/keys?${secret}=1`)

  const backup = join(server.dataDir, 'copy.backup')
  const ran = await runBinary(['backup', backup, ...place.flags])
  assert.equal(ran.code, 0, ran.err)
  const files = readdirSync(server.dataDir).filter((name) => name !== 'operator-token')
  assert.ok(readFileSync(join(server.dataDir, 'operator-token'), 'utf8').includes(server.token), 'the stated exception')
  const holders = new Map(files.map((name) => [name, readFileSync(join(server.dataDir, name)).toString('latin1')]))
  holders.set('the log', server.output())
  for (const one of [secret, String(rotated.body['value']), imported, server.token]) {
    const digest = createHash('sha256').update(one).digest()
    const forms = [
      one,
      one.slice(-40),
      Buffer.from(one).toString('base64').slice(0, 40),
      Buffer.from(one).toString('hex'),
    ]
    const digests = [digest.toString('hex'), digest.toString('base64').slice(0, 40), digest.toString('latin1')]
    for (const [name, text] of holders) {
      for (const form of [...forms, ...digests]) assert.ok(!text.includes(form), `${name} holds a secret or its digest`)
    }
  }
})

test('the operator token of the environment is adopted by an empty database, and another one is refused later', async (t) => {
  const { server: first } = await begin(t)
  const place = newPlace('embedded')
  t.after(() => place.leave())
  const env = { KEYWRIGHT_OPERATOR_TOKEN: first.token }
  const adopted = await startServer(place, [], env)
  t.after(() => adopted.kill())
  assert.equal((await adopted.call('GET', '/v1/keys')).status, 200)
  assert.ok(!readdirSync(adopted.dataDir).includes('operator-token'))
  assert.ok(!adopted.output().includes(first.token))
  await adopted.stop()
  const again = await startServer(place, [], env)
  assert.equal(await again.stop(), 0)
  const other = await operator(first, 'owner')
  const refused = await runBinary(['serve', '--listen', '127.0.0.1:0', ...place.flags], '', {
    KEYWRIGHT_OPERATOR_TOKEN: other.token,
  })
  assert.equal(refused.code, 2)
  assert.ok(!(refused.out + refused.err).includes(other.token))
})

test('plain HTTP off loopback is refused', async (t) => {
  const place = newPlace('embedded')
  t.after(() => place.leave())
  const ran = await runBinary(['serve', '--listen', '0.0.0.0:0', ...place.flags])
  assert.equal(ran.code, 2)
  assert.match(ran.err, /Plain HTTP off loopback/)
})

test('the metrics ask for their own token', async (t) => {
  const { server } = await begin(t, [], { KEYWRIGHT_METRICS_TOKEN: 'metrics-of-ours' })
  assert.equal((await server.call('GET', '/metrics')).status, 401, 'no operator token opens them')
  assert.equal((await server.call('GET', '/metrics', undefined, { token: 'metrics-of-ours' })).status, 200)
})

test('TRACE, two hosts and no host are refused', async (t) => {
  const { server } = await begin(t)
  const port = Number(new URL(server.url).port)
  const raw = (text: string) =>
    new Promise<string>((resolve, reject) => {
      let answer = ''
      const socket = connect(port, '127.0.0.1', () => socket.write(text))
      socket.on('data', (chunk: Buffer) => {
        answer += chunk.toString()
      })
      socket.on('error', reject)
      socket.on('close', () => resolve(answer))
    })
  assert.match(await raw('TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 40[45] /)
  assert.match(await raw('GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'), /^HTTP\/1\.1 400 /)
  assert.match(await raw('GET /livez HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /)
})

function certify(cert: string, key: string, name: string): void {
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost']
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', key, '-out', cert]
  execFileSync('openssl', ['req', '-x509', '-nodes', '-days', '2', ...made, ...subject], { stdio: 'ignore' })
}

function nameShown(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { port, host: 'localhost', path: '/livez', rejectUnauthorized: false, agent: false }
    const outgoing = requestTls(options, (incoming) => {
      const socket = incoming.socket as TLSSocket
      resolve(String(socket.getPeerCertificate().subject.CN))
      incoming.resume()
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

test('TLS takes a renewed certificate without a restart', async (t) => {
  const place = newPlace('embedded')
  const [cert, key] = [join(place.folder, 'cert.pem'), join(place.folder, 'key.pem')]
  certify(cert, key, 'first')
  const server = await startServer(place, ['--tls-cert', cert, '--tls-key', key])
  t.after(async () => {
    await server.kill()
    place.leave()
  })
  const port = Number(new URL(server.url).port)
  assert.equal(await nameShown(port), 'first')
  certify(cert, key, 'second')
  let shown = 'first'
  for (let round = 0; round < 100 && shown === 'first'; round += 1) {
    await sleep(100)
    shown = await nameShown(port)
  }
  assert.equal(shown, 'second')
})

test('a heap snapshot holds neither the secret that was verified nor the token that asked', async (t) => {
  const place = newPlace('embedded')
  const folder = join(place.folder, 'data')
  const server = await startServer(place, [], {
    NODE_OPTIONS: `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${folder}`,
  })
  t.after(async () => {
    await server.kill()
    place.leave()
  })
  const { secret, api } = await issue(server)
  for (let count = 0; count < 20; count += 1) await server.call('POST', '/v1/verify', { credential: secret, api })
  await server.call('GET', '/v1/keys')
  const found = execFileSync('pgrep', ['-f', `main.ts serve .*${folder}`], { encoding: 'utf8' })
    .trim()
    .split('\n')
  // A snapshot collects all garbage first; the connections that asked still idle.
  process.kill(Number(found.at(-1)), 'SIGUSR2')
  let snapshot = ''
  for (let round = 0; round < 200 && !snapshot.endsWith(']}'); round += 1) {
    await sleep(100)
    const name = readdirSync(folder).find((one) => one.endsWith('.heapsnapshot'))
    if (name !== undefined) snapshot = readFileSync(join(folder, name), 'latin1').trimEnd()
  }
  assert.match(snapshot.slice(0, 100), /"snapshot"/)
  assert.ok(!snapshot.includes(secret.slice(-43)), 'the secret')
  assert.ok(!snapshot.includes(server.token.slice(-43)), 'the token')
})
