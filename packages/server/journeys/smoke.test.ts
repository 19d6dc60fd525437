/**
 * The platform engineer who tries it tonight: start, issue, verify, stop, start again.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { databaseKinds, issue, newPlace, openDatabases, startServer } from './harness.ts'

const databases = openDatabases()
after(() => databases.stop())

for (const kind of databaseKinds) {
  test(`on ${kind}: what was issued before a stop verifies after it`, async () => {
    const place = newPlace(await databases.fresh(kind))
    const first = await startServer(place)
    const { api, keyId, secret } = await issue(first)
    const before = await first.call('POST', '/v1/verify', { credential: secret, api, scopes: ['orders:read'] })
    assert.equal(before.body['code'], 'ok')
    assert.equal(before.body['key_id'], keyId)
    assert.equal(await first.stop(), 0)

    const second = await startServer(place)
    const later = await second.call('POST', '/v1/verify', { credential: secret, api, scopes: ['orders:read'] })
    assert.equal(later.body['code'], 'ok')
    assert.equal(await second.stop(), 0)
    assert.ok(!(first.output() + second.output()).includes(secret.slice(-30)), 'no log holds the secret')
    place.leave()
  })
}
