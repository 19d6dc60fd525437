/**
 * The API developer and the platform engineer over HTTP: keys and secrets through their whole life, on each database.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  type Answer,
  type Body,
  databaseKinds,
  issue,
  type Json,
  newPlace,
  openDatabases,
  type Server,
  startServer,
} from './harness.ts'

const databases = openDatabases()
after(() => databases.stop())

const second = 1_000
const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const codeOf = (answer: Answer) => String(answer.body['code'])

/** An answer without what may differ between two that mean the same. */
function sameParts({ status, body }: Answer): Json {
  const { as_of: _asOf, request_id: _requestId, ...rest } = body
  return { status, ...rest }
}

for (const kind of databaseKinds) {
  describe(`on ${kind}`, () => {
    let place: ReturnType<typeof newPlace>
    let server: Server
    before(async () => {
      place = newPlace(await databases.fresh(kind))
      server = await startServer(place)
    })
    after(async () => {
      await server.stop()
      place.leave()
    })
    const verify = async (credential: string, more: Body = {}) =>
      server.call('POST', '/v1/verify', { credential, ...more })
    const secretsOf = async (keyId: string) =>
      (await server.call('GET', `/v1/keys/${keyId}/secrets`)).body['data'] as Body[]

    test('F-14 the old secret lives through the overlap, verified again and again, and ends with it', async () => {
      const { keyId, secret } = await issue(server)
      const rotated = await server.call('POST', `/v1/keys/${keyId}/secrets`, { overlap_seconds: 2 })
      assert.equal(rotated.status, 201)
      const fresh = String(rotated.body['value'])
      for (const credential of [secret, secret, fresh]) {
        const answer = await verify(credential)
        assert.equal(codeOf(answer), 'ok')
        assert.equal(answer.body['key_id'], keyId)
      }
      await wait(2 * second + 100)
      assert.equal(codeOf(await verify(secret)), 'revoked')
      assert.equal(codeOf(await verify(fresh)), 'ok')
    })

    test('F-15 an overlap lengthens no life: a secret that is due sooner ends sooner', async () => {
      const { keyId } = await issue(server)
      const expires_at = new Date(Date.now() + 2 * second).toISOString()
      const short = await server.call('POST', `/v1/keys/${keyId}/secrets`, { overlap_seconds: 0, expires_at })
      const rotated = await server.call('POST', `/v1/keys/${keyId}/secrets`, { overlap_seconds: 86_400 })
      const [retiring] = rotated.body['retiring'] as Body[]
      assert.equal(retiring?.['until'], expires_at)
      await wait(2 * second + 100)
      assert.equal(codeOf(await verify(String(short.body['value']))), 'expired')
    })

    test('an overlap of nothing revokes the old version at once', async () => {
      const { keyId, secret } = await issue(server)
      await server.call('POST', `/v1/keys/${keyId}/secrets`, { overlap_seconds: 0 })
      assert.equal(codeOf(await verify(secret)), 'revoked')
    })

    test('a pending version verifies before it is promoted, and a retiring one can be taken back', async () => {
      const { keyId, secret } = await issue(server)
      const pending = await server.call('POST', `/v1/keys/${keyId}/secrets`, { state: 'pending' })
      assert.equal(codeOf(await verify(String(pending.body['value']))), 'ok')
      assert.deepEqual(
        (await secretsOf(keyId)).map((one) => one['state']),
        ['pending', 'active'],
      )
      await server.call('POST', `/v1/keys/${keyId}/secrets/2/activate`, { overlap_seconds: 600 })
      assert.deepEqual(
        (await secretsOf(keyId)).map((one) => one['state']),
        ['active', 'retiring'],
      )
      const back = await server.call('POST', `/v1/keys/${keyId}/secrets/1/activate`, { overlap_seconds: 600 })
      assert.equal(back.body['state'], 'active')
      assert.equal(codeOf(await verify(secret)), 'ok')
      await server.call('POST', `/v1/keys/${keyId}/secrets/2/revoke`)
      assert.equal((await server.call('POST', `/v1/keys/${keyId}/secrets/2/activate`)).status, 409)
      assert.equal(codeOf(await verify(String(pending.body['value']))), 'revoked')
    })

    test('a key is disabled, enabled, revoked and restored; after a restore nothing of it works until a new secret is made', async () => {
      const { keyId, secret } = await issue(server)
      const steps = [
        ['disable', 'disabled'],
        ['enable', 'ok'],
        ['revoke', 'revoked'],
        ['restore', 'revoked'],
      ] as const
      for (const [verb, code] of steps) {
        assert.equal((await server.call('POST', `/v1/keys/${keyId}/${verb}`)).status, 200, verb)
        assert.equal(codeOf(await verify(secret)), code, verb)
      }
      assert.equal((await server.call('GET', `/v1/keys/${keyId}`)).body['state'], 'enabled')
      const fresh = await server.call('POST', `/v1/keys/${keyId}/secrets`, {})
      assert.equal(codeOf(await verify(String(fresh.body['value']))), 'ok')
      assert.equal((await server.call('POST', `/v1/keys/${keyId}/restore`)).status, 409)
    })

    test('F-17 a create whose answer was lost is repeated with the same secret, even after a power cut', async () => {
      const { api, consumerId } = await issue(server)
      const body = { consumer_id: consumerId, name: 'once', grants: [{ api, scopes: ['orders:read'] }] }
      const headers = { 'idempotency-key': `lost-${kind}` }
      const first = await server.call('POST', '/v1/keys', body, { headers })
      assert.equal(first.status, 201)
      const { token } = server
      await server.kill()
      server = await startServer(place)
      const again = await server.call('POST', '/v1/keys', body, { headers, token })
      assert.equal(again.status, 201)
      assert.equal(again.headers.get('idempotent-replay'), 'true')
      assert.deepEqual(again.body, first.body)
      assert.equal((await server.call('POST', '/v1/keys', { ...body, name: 'other' }, { headers, token })).status, 409)
      const secret = (first.body['secret'] as Body)['value']
      assert.equal(codeOf(await verify(String(secret))), 'ok')
    })

    test('F-22 an owner in the body is no authentication', async () => {
      const { consumerId } = await issue(server)
      const answer = await server.call('POST', '/v1/keys', { consumer_id: consumerId }, { token: '' })
      assert.equal(answer.status, 401)
    })

    test('F-23 another api than the granted one is wrong_audience; none at all refuses nothing', async () => {
      const mine = await issue(server)
      const other = await issue(server)
      assert.equal(codeOf(await verify(mine.secret, { api: other.api })), 'wrong_audience')
      assert.equal(codeOf(await verify(mine.secret, { api: 'https://api.example.com/nowhere' })), 'wrong_audience')
      assert.equal(codeOf(await verify(mine.secret)), 'ok')
    })

    test('F-24, F-25 an expired key is refused and kept, and works again when it is given more time', async () => {
      const { keyId, secret } = await issue(server, { expires_at: new Date(Date.now() + second).toISOString() })
      assert.equal(codeOf(await verify(secret)), 'ok')
      await wait(second + 50)
      assert.equal(codeOf(await verify(secret)), 'expired')
      await server.call('PATCH', `/v1/keys/${keyId}`, { expires_at: null })
      assert.equal(codeOf(await verify(secret)), 'ok')
    })

    test('F-27 a missing scope is named as such, and an unknown key is not', async () => {
      const { api, secret } = await issue(server)
      const answer = await verify(secret, { api, scopes: ['orders:read', 'orders:write'] })
      assert.equal(codeOf(answer), 'insufficient_scope')
      assert.deepEqual(answer.body['missing_scopes'], ['orders:write'])
      assert.equal(codeOf(await verify(secret, { api, scopes_any: ['orders:write', 'orders:read'] })), 'ok')
    })

    test('F-31 networks are compared as networks, an IPv4 address in IPv6 clothes included', async () => {
      const { secret } = await issue(server, { networks: { in: ['10.0.0.0/8'], not_in: ['10.9.0.0/16'] } })
      const codes = {
        '10.1.2.3': 'ok',
        '::ffff:10.1.2.3': 'ok',
        '10.9.1.1': 'network_denied',
        '192.168.0.1': 'network_denied',
      }
      for (const [ip, code] of Object.entries(codes)) assert.equal(codeOf(await verify(secret, { ip })), code, ip)
      assert.equal(codeOf(await verify(secret)), 'network_denied')
    })

    test('whoever has not proven possession learns one thing, whatever was wrong', async () => {
      const { secret } = await issue(server)
      const tenant = await server.call('POST', '/v1/tenants', { slug: `foreign-${kind}`, name: 'Foreign' })
      const token = String(tenant.body['token'])
      const malformed = await verify('no credential at all')
      assert.equal(codeOf(malformed), 'unknown')
      const wrongCheck = secret.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
      const neverIssued = 'kws_live_i5oio3cGfGOz_jsmzunrLUAzAohws7UofgvqvVZRIQQKJMT5Bos7LJOo09OI2I'
      for (const credential of [wrongCheck, neverIssued])
        assert.deepEqual(sameParts(await verify(credential)), sameParts(malformed))
      const foreign = await server.call('POST', '/v1/verify', { credential: secret }, { token })
      assert.deepEqual(sameParts(foreign), sameParts(malformed))
    })

    test('a batch is answered in order, and one item too many is refused at /items', async () => {
      const { secret } = await issue(server)
      const items = [{ credential: 'nobody' }, { credential: secret }, { credential: secret, scopes: ['orders:write'] }]
      const answer = await server.call('POST', '/v1/verify/batch', { items })
      const codes = (answer.body['results'] as Body[]).map((result) => result['code'])
      assert.deepEqual(codes, ['unknown', 'ok', 'insufficient_scope'])
      const tooMany = await server.call('POST', '/v1/verify/batch', {
        items: Array.from({ length: 1_001 }, () => ({ credential: 'x' })),
      })
      assert.equal(tooMany.status, 422)
      assert.equal((tooMany.body['errors'] as Body[])[0]?.['pointer'], '/items')
    })

    test('min_seq waits for what the caller has seen, and a future one is stale', async () => {
      const { keyId, secret } = await issue(server)
      const disabled = await server.call('POST', `/v1/keys/${keyId}/disable`)
      const seq = Number(disabled.body['seq'])
      assert.equal(codeOf(await verify(secret, { min_seq: seq })), 'disabled')
      const stale = await verify(secret, { min_seq: seq + 1_000 })
      assert.equal(stale.status, 503)
      assert.equal(codeOf(stale), 'stale')
      assert.equal(stale.headers.get('retry-after'), '1')
    })

    test('a patch keeps what is absent, clears by null and replaces lists; If-Match guards it', async () => {
      const { keyId } = await issue(server, { meta: { plan: 'pro', region: 'eu' }, expires_at: '2030-01-01T00:00:00Z' })
      const before = await server.call('GET', `/v1/keys/${keyId}`)
      const etag = before.headers.get('etag') ?? ''
      const patched = await server.call(
        'PATCH',
        `/v1/keys/${keyId}`,
        { name: 'new', expires_at: null },
        { headers: { 'if-match': etag } },
      )
      assert.equal(patched.status, 200)
      assert.deepEqual(
        [patched.body['name'], patched.body['expires_at'], patched.body['meta']],
        ['new', null, { plan: 'pro', region: 'eu' }],
      )
      const late = await server.call('PATCH', `/v1/keys/${keyId}`, { name: 'late' }, { headers: { 'if-match': etag } })
      assert.equal(late.status, 412)
    })

    test('lists are filtered by field and by meta, and paged without loss', async () => {
      const { api, consumerId } = await issue(server)
      const plan = `plan-${kind}`
      const made: string[] = []
      for (let index = 0; index < 5; index += 1) {
        const key = await server.call('POST', '/v1/keys', {
          consumer_id: consumerId,
          grants: [{ api, scopes: [] }],
          meta: { plan, odd: index % 2 === 1 },
        })
        made.push(String(key.body['id']))
      }
      const found: string[] = []
      let cursor = ''
      do {
        const page = await server.call('GET', `/v1/keys?meta.plan=${plan}&page_size=2${cursor}`)
        found.push(...(page.body['data'] as Body[]).map((key) => String(key['id'])))
        cursor = page.body['next_cursor'] === null ? '' : `&cursor=${page.body['next_cursor']}`
      } while (cursor !== '')
      assert.deepEqual(found, made)
      const odd = await server.call(
        'GET',
        `/v1/keys?consumer_id=${consumerId}&meta.plan=${plan}&meta.odd=true&state=enabled`,
      )
      assert.equal((odd.body['data'] as Body[]).length, 2)
    })

    test('an api and a consumer with live keys are not deleted, and the answer says how many there are', async () => {
      const { api, consumerId, keyId } = await issue(server)
      const path = `/v1/apis/${encodeURIComponent(api)}`
      for (const one of [path, `/v1/consumers/${consumerId}`]) {
        const refused = await server.call('DELETE', one)
        assert.equal(refused.status, 409)
        assert.match(String(refused.body['detail']), /1 key that is not revoked/)
      }
      await server.call('POST', `/v1/keys/${keyId}/revoke`)
      for (const one of [path, `/v1/consumers/${consumerId}`])
        assert.equal((await server.call('DELETE', one)).status, 204)
      assert.equal((await server.call('POST', `/v1/keys/${keyId}/restore`)).status, 409)
    })

    test('explain tells an issuer everything and a verifier nothing before possession', async () => {
      const { secret } = await issue(server)
      const verifier = await server.call('POST', '/v1/operators', { name: 'v', role: 'verifier' })
      const token = String(verifier.body['token'])
      const ask = (credential: string, as?: string) =>
        server.call(
          'POST',
          '/v1/verify',
          { credential, explain: true, scopes: ['orders:write'] },
          as === undefined ? {} : { token: as },
        )
      assert.equal(((await ask(secret, token)).body['checks'] as Body[]).length, 10)
      assert.equal((await ask('nobody', token)).body['checks'], undefined)
      assert.equal(((await ask('nobody')).body['checks'] as Body[]).length, 1)
    })

    test('F-26 no error and no log holds a secret', async () => {
      const { keyId, secret } = await issue(server)
      const random = secret.slice(-49, -6)
      const answers = [
        await server.call('POST', '/v1/keys', { consumer_id: secret }),
        await server.call('POST', '/v1/keys', { [secret]: 1 }),
        await server.call('GET', `/v1/keys/${secret}`),
        await server.call('GET', `/v1/keys?${secret}=1`),
        await server.call('GET', `/v1/keys?name=${secret}&name=${secret}`),
        await server.call('PATCH', `/v1/keys/${keyId}`, { grants: [{ api: secret, scopes: [secret] }] }),
        await server.call('POST', '/v1/verify', { credential: secret, api: 5 }),
        await server.call('POST', `/v1/${secret}`, {}),
      ]
      for (const answer of answers) {
        assert.ok(answer.status >= 400, String(answer.status))
        assert.ok(!JSON.stringify(answer.body).includes(random), JSON.stringify(answer.body))
      }
      assert.ok(!server.output().includes(random))
    })
  })
}
