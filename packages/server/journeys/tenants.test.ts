/**
 * Two API providers on one authority: neither learns of the other, whichever door they try.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  type Answer,
  type Body,
  databaseKinds,
  issue,
  newPlace,
  openDatabases,
  type Server,
  startServer,
} from './harness.ts'

const databases = openDatabases()
after(() => databases.stop())

function sameParts({ status, body }: Answer) {
  const { request_id: _requestId, ...rest } = body
  return { status, ...rest }
}

for (const kind of databaseKinds) {
  describe(`on ${kind}`, () => {
    let place: ReturnType<typeof newPlace>
    let server: Server
    let stranger = ''
    let mine: Awaited<ReturnType<typeof issue>>
    let operatorId = ''
    before(async () => {
      place = newPlace(await databases.fresh(kind))
      server = await startServer(place)
      mine = await issue(server)
      operatorId = String((await server.call('POST', '/v1/operators', { name: 'o', role: 'auditor' })).body['id'])
      stranger = String(
        (await server.call('POST', '/v1/tenants', { slug: 'stranger', name: 'Stranger' })).body['token'],
      )
    })
    after(async () => {
      await server.stop()
      place.leave()
    })

    test('F-19 over every path that takes an id, another tenant’s is answered as one that never was, and nothing happens there', async () => {
      const paths = (await server.call('GET', '/openapi.json')).body['paths'] as { [path: string]: Body }
      const head = async () => (await server.call('GET', '/v1/audit?page_size=1000')).body['data'] as Body[]
      const before = await head()
      const ids = (path: string) =>
        path.startsWith('/v1/keys')
          ? [mine.keyId, 'kwk_live_i5oio3cGfGOz2jQNrK']
          : path.startsWith('/v1/consumers')
            ? [mine.consumerId, 'con_000000000000']
            : path.startsWith('/v1/apis')
              ? [encodeURIComponent(mine.api), encodeURIComponent('https://api.example.com/never')]
              : [operatorId, 'opr_000000000000']
      let tried = 0
      for (const [path, methods] of Object.entries(paths)) {
        if (!path.includes('{id}')) continue
        for (const method of Object.keys(methods)) {
          const body = method === 'post' || method === 'patch' ? {} : undefined
          const [foreign, unknown] = await Promise.all(
            ids(path).map((id) => {
              const url = path.replace('{id}', id).replace('{version}', '1')
              return server.call(method.toUpperCase(), url, body, { token: stranger })
            }),
          )
          assert.ok(foreign !== undefined && unknown !== undefined)
          assert.equal(foreign.status, 404, `${method} ${path}`)
          assert.deepEqual(sameParts(foreign), sameParts(unknown), `${method} ${path}`)
          tried += 1
        }
      }
      assert.ok(tried >= 20, `only ${tried} operations take an id`)
      assert.equal((await head()).length, before.length)
      assert.equal((await server.call('POST', '/v1/verify', { credential: mine.secret })).body['code'], 'ok')
    })

    test('F-19 another tenant’s ids in a body are unknown too', async () => {
      const made = await server.call('POST', '/v1/keys', { consumer_id: mine.consumerId }, { token: stranger })
      assert.equal(made.status, 422)
      assert.equal((made.body['errors'] as Body[])[0]?.['pointer'], '/consumer_id')
      const target = await server.call('GET', `/v1/audit?target=key:${mine.keyId}`, undefined, { token: stranger })
      assert.deepEqual(target.body['data'], [])
    })

    test('a tenant’s paths take only its own tokens', async () => {
      assert.equal((await server.call('GET', '/t/stranger/v1/keys')).status, 401)
      assert.equal((await server.call('GET', '/t/default/v1/keys', undefined, { token: stranger })).status, 401)
      assert.equal((await server.call('GET', '/t/stranger/v1/keys', undefined, { token: stranger })).status, 200)
      assert.equal(
        (await server.call('POST', '/v1/tenants', { slug: 'third', name: 'T' }, { token: stranger })).status,
        403,
      )
    })

    test('F-20 names that differ in case alone are two, and each tenant has its own', async () => {
      for (const external_id of ['User_A', 'user_a']) {
        assert.equal((await server.call('POST', '/v1/consumers', { name: 'x', external_id })).status, 201)
      }
      assert.equal((await server.call('POST', '/v1/consumers', { name: 'x', external_id: 'User_A' })).status, 409)
      assert.equal(
        (await server.call('POST', '/v1/consumers', { name: 'x', external_id: 'User_A' }, { token: stranger })).status,
        201,
      )
      const found = await server.call('GET', '/v1/consumers?external_id=user_a')
      assert.deepEqual(
        (found.body['data'] as Body[]).map((one) => one['external_id']),
        ['user_a'],
      )
    })

    test('making a tenant again with the same Idempotency-Key gives its owner’s token again', async () => {
      const headers = { 'idempotency-key': 'tenant' }
      const first = await server.call('POST', '/v1/tenants', { slug: 'again', name: 'A' }, { headers })
      const second = await server.call('POST', '/v1/tenants', { slug: 'again', name: 'A' }, { headers })
      assert.equal(second.headers.get('idempotent-replay'), 'true')
      assert.deepEqual(second.body, first.body)
      assert.equal((await server.call('POST', '/v1/tenants', { slug: 'again', name: 'A' })).status, 409)
    })

    test('an operator’s new token works at once and the old one through the overlap, or not at all', async () => {
      const made = await server.call('POST', '/v1/operators', { name: 'rotates', role: 'auditor' })
      const [id, old] = [String(made.body['id']), String(made.body['token'])]
      const works = async (token: string) => (await server.call('GET', '/v1/keys', undefined, { token })).status
      const renewed = await server.call('POST', `/v1/operators/${id}/token`, { overlap_seconds: 600 }, { token: old })
      const fresh = String(renewed.body['token'])
      assert.deepEqual([await works(old), await works(fresh)], [200, 200])
      const last = String((await server.call('POST', `/v1/operators/${id}/token`)).body['token'])
      assert.deepEqual([await works(old), await works(fresh), await works(last)], [401, 401, 200])
    })
  })
}
