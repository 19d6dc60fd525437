/**
 * The edge of the API as its clients meet it: who may call what, conditions, answers told again, the question of a proxy, and the end of a server.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { endpoints } from '../src/http/endpoints.ts'
import { type Body, databaseKinds, issue, newPlace, openDatabases, type Server, startServer } from './harness.ts'

const databases = openDatabases()
after(() => databases.stop())

const roles = ['owner', 'admin', 'issuer', 'crypto', 'verifier', 'auditor'] as const

for (const kind of databaseKinds) {
  describe(`on ${kind}`, () => {
    let place: ReturnType<typeof newPlace>
    let server: Server
    let issued: Awaited<ReturnType<typeof issue>>
    const tokens: Record<string, string> = {}

    before(async () => {
      place = newPlace(await databases.fresh(kind))
      server = await startServer(place, ['--trusted-proxies', '127.0.0.1/32'])
      issued = await issue(server)
      for (const role of roles) {
        const made = await server.call('POST', '/v1/operators', { name: role, role })
        tokens[role] = String(made.body['token'])
      }
    })
    after(async () => {
      await server.kill()
      place.leave()
    })

    it('lets in at every endpoint just the roles that its definition names', async () => {
      for (const endpoint of endpoints) {
        if (endpoint.roles === 'public') continue
        const path = endpoint.path.replaceAll(/:\w+/g, 'none').replace('*', 'x')
        const method = endpoint.method === 'ANY' ? 'GET' : endpoint.method
        const forwardAuth = path.startsWith('/v1/forward-auth')
        for (const role of [...roles, 'nobody']) {
          const token = tokens[role] ?? ''
          const options = forwardAuth ? { token: '', headers: { 'keywright-verifier-token': token } } : { token }
          // A body that no schema takes: whoever is let in learns 422 at most, and nothing is changed.
          const body = endpoint.body === undefined ? undefined : { unknown: 1 }
          const { status } = await server.call(method, path, body, options)
          const place = `${role}: ${method} ${path} answered ${status}`
          if (role === 'nobody') assert.equal(status, forwardAuth ? 403 : 401, place)
          else if (!endpoint.roles.some((one) => one === role)) assert.equal(status, 403, place)
          else assert.ok(status === 200 || status === 404 || status === 422 || (forwardAuth && status === 401), place)
        }
      }
    })

    it('changes a thing only in the revision that If-Match names', async () => {
      const path = `/v1/keys/${issued.keyId}`
      const shown = await server.call('GET', path)
      const etag = shown.headers.get('etag') ?? ''
      assert.equal(etag, `"${String(shown.body['seq'])}"`)
      const patch = (ifMatch: string, name: string) =>
        server.call('PATCH', path, { name }, { headers: { 'if-match': ifMatch } })
      const first = await patch(`"7777", ${etag}`, 'second name')
      assert.equal(first.status, 200)
      assert.notEqual(first.headers.get('etag'), etag)
      for (const stale of [etag, 'W/"1"', '"x"', '']) {
        const refused = await patch(stale, 'third name')
        assert.equal(refused.status, 412, stale)
        assert.equal(refused.body['type'], 'https://keywright.dev/problems/precondition-failed')
      }
      assert.equal((await server.call('GET', path)).body['name'], 'second name')
      assert.equal((await patch('*', 'fourth name')).status, 200)
    })

    it('tells an answer again, secret and ETag included, for the same Idempotency-Key and body', async () => {
      const headers = { 'idempotency-key': 'make-a-key' }
      const body = { consumer_id: issued.consumerId, name: 'once' }
      const first = await server.call('POST', '/v1/keys', body, { headers })
      const again = await server.call('POST', '/v1/keys', body, { headers })
      assert.deepEqual([again.status, again.body], [201, first.body])
      assert.equal(again.headers.get('etag'), first.headers.get('etag'))
      assert.equal(first.headers.get('idempotent-replay'), null)
      assert.equal(again.headers.get('idempotent-replay'), 'true')
      assert.equal(again.headers.get('cache-control'), 'no-store')
      const other = await server.call('POST', '/v1/keys', { ...body, name: 'twice' }, { headers })
      assert.equal(other.status, 409)
      const elsewhere = await server.call('POST', '/v1/keys', body, { headers, token: tokens['issuer'] ?? '' })
      assert.notEqual(elsewhere.body['id'], first.body['id'])
    })

    it('makes one key out of many equal requests at the same time', async () => {
      const headers = { 'idempotency-key': 'at-the-same-time' }
      const body = { consumer_id: issued.consumerId, name: 'at the same time' }
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => server.call('POST', '/v1/keys', body, { headers })),
      )
      const made = answers.filter(({ status }) => status === 201).map((one) => one.body['id'])
      assert.ok(made.length >= 1)
      assert.equal(new Set(made).size, 1)
      assert.ok(answers.every(({ status }) => status === 201 || status === 409))
      const list = await server.call('GET', `/v1/keys?name=${encodeURIComponent('at the same time')}`)
      assert.equal((list.body['data'] as Body[]).length, 1)
    })

    it('refuses an Idempotency-Key that is no visible ASCII of 1 to 255 characters', async () => {
      for (const key of ['a b', 'x'.repeat(256)]) {
        const answer = await server.call(
          'POST',
          '/v1/consumers',
          { name: 'x' },
          { headers: { 'idempotency-key': key } },
        )
        assert.equal(answer.status, 400)
      }
    })

    it('answers another tenant’s ids exactly as unknown ones', async () => {
      const tenant = await server.call('POST', '/v1/tenants', { slug: 'acme', name: 'Acme' })
      const token = String(tenant.body['token'])
      for (const [noun, id, none] of [
        ['keys', issued.keyId, 'kwk_live_i5oio3cGfGOz2jQNrK'],
        ['consumers', issued.consumerId, 'con_i5oio3cGfGOz'],
        ['apis', encodeURIComponent(issued.api), encodeURIComponent('https://api.example.com/none')],
      ]) {
        const [foreign, unknown] = await Promise.all(
          [id, none].map((one) => server.call('GET', `/v1/${noun}/${one}`, undefined, { token })),
        )
        const { request_id: _one, ...told } = foreign?.body ?? {}
        const { request_id: _other, ...expected } = unknown?.body ?? {}
        assert.equal(foreign?.status, 404)
        assert.deepEqual(told, expected)
      }
      const own = await server.call('GET', '/t/acme/v1/apis', undefined, { token })
      assert.deepEqual(own.body, { data: [], next_cursor: null })
      for (const slug of ['default', 'none']) {
        assert.equal((await server.call('GET', `/t/${slug}/v1/apis`, undefined, { token })).status, 401)
      }
    })

    describe('at forward-auth', () => {
      const ask = (query: string, headers: Record<string, string>, method = 'GET') =>
        server.call(method, `/v1/forward-auth${query}`, undefined, {
          token: '',
          headers: { 'keywright-verifier-token': tokens['verifier'] ?? '', ...headers },
        })
      const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` })
      const identity = ['keywright-key-id', 'keywright-consumer-id', 'keywright-environment', 'keywright-scopes']

      it('lets a request through with every identity header, empty ones too', async () => {
        for (const headers of [
          bearer(issued.secret),
          { 'x-api-key': issued.secret },
          { ...bearer(issued.secret), 'x-api-key': issued.secret },
        ]) {
          const answer = await ask(`?api=${encodeURIComponent(issued.api)}&scope=orders:read`, headers)
          assert.equal(answer.status, 200)
          assert.equal(answer.headers.get('keywright-code'), 'ok')
          assert.equal(answer.headers.get('keywright-key-id'), issued.keyId)
          assert.equal(answer.headers.get('keywright-consumer-id'), issued.consumerId)
          assert.equal(answer.headers.get('keywright-scopes'), 'orders:read')
        }
        const bare = await server.call('POST', '/v1/keys', { consumer_id: issued.consumerId })
        const answer = await ask('', bearer(String((bare.body['secret'] as Body)['value'])))
        assert.equal(answer.status, 200)
        for (const name of identity) assert.notEqual(answer.headers.get(name), null, name)
        assert.equal(answer.headers.get('keywright-scopes'), '')
      })

      it('answers 401 to no, two different, and unknown credentials, and names nobody', async () => {
        const cases = [
          {},
          { ...bearer(issued.secret), 'x-api-key': 'another' },
          bearer('kws_live_i5oio3cGfGOz_none'),
          { authorization: 'Basic eDp5' },
        ]
        for (const headers of cases as Record<string, string>[]) {
          const answer = await ask('', headers)
          assert.equal(answer.status, 401)
          assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer /)
          assert.equal(answer.headers.get('keywright-code'), 'unknown')
          for (const name of identity) assert.equal(answer.headers.get(name), '', name)
        }
      })

      it('answers 403 to a missing scope and to a proxy without a good token', async () => {
        const scope = await ask(`?api=${encodeURIComponent(issued.api)}&scope=orders:write`, bearer(issued.secret))
        assert.deepEqual([scope.status, scope.headers.get('keywright-code')], [403, 'insufficient_scope'])
        assert.match(scope.headers.get('www-authenticate') ?? '', /error="insufficient_scope", scope="orders:write"/)
        assert.equal((await ask('', { ...bearer(issued.secret), 'keywright-verifier-token': 'kwa_wrong' })).status, 403)
      })

      it('takes every method and path below it', async () => {
        for (const method of ['POST', 'PUT', 'DELETE', 'PROPFIND', 'OPTIONS']) {
          assert.equal((await ask('/orders/1?scope=orders:read', bearer(issued.secret), method)).status, 200, method)
        }
      })

      it('takes the client’s address from the proxy, counted from the right', async () => {
        const near = await server.call('POST', '/v1/keys', {
          consumer_id: issued.consumerId,
          networks: { in: ['10.0.0.0/8'] },
        })
        const secret = String((near.body['secret'] as Body)['value'])
        const codeFrom = async (forwarded: string) =>
          (await ask('', { ...bearer(secret), 'x-forwarded-for': forwarded })).headers.get('keywright-code')
        assert.equal(await codeFrom('192.0.2.1, 10.1.2.3'), 'ok')
        assert.equal(await codeFrom('10.1.2.3, 192.0.2.1'), 'network_denied')
      })
    })

    it('tells that it drains, answers what is in flight, and exits with 0', async () => {
      const { port } = new URL(server.url)
      // A request whose body is still on its way is in flight.
      const socket = connect(Number(port), '127.0.0.1')
      const text = new Promise<string>((resolve) => {
        let all = ''
        socket.on('data', (data) => {
          all += data.toString()
        })
        socket.on('close', () => resolve(all))
      })
      const head = `POST /v1/consumers HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.token}\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"name":`
      await new Promise<void>((resolve) => socket.write(head, () => resolve()))
      // Another answer tells that the server has read the head by now.
      assert.equal((await server.call('GET', '/readyz')).status, 200)
      const stopped = server.stop()
      let readiness = await server.call('GET', '/readyz')
      while (readiness.status === 200) readiness = await server.call('GET', '/readyz')
      assert.equal(readiness.status, 503)
      assert.equal(readiness.headers.get('connection'), 'close')
      socket.write('"late"}')
      assert.match(await text, /^HTTP\/1\.1 201 /)
      assert.equal(await stopped, 0)
    })
  })
}
