/**
 * The data protection officer who erases a person from the journal, and the auditor who still believes it.
 */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import {
  type Body,
  databaseKinds,
  issue,
  keywright,
  newPlace,
  openDatabases,
  runBinary,
  type Server,
  startServer,
} from './harness.ts'

const databases = openDatabases()
after(() => databases.stop())

async function leave(server: Server, place: { leave(): void }): Promise<void> {
  await server.stop()
  place.leave()
}

for (const kind of databaseKinds) {
  test(`on ${kind}: the contents of one target go for good, and the journal still verifies`, async (t) => {
    const place = newPlace(await databases.fresh(kind))
    const server = await startServer(place)
    t.after(() => leave(server, place))
    const { consumerId, keyId } = await issue(server)
    await server.call('PATCH', `/v1/consumers/${consumerId}`, { name: 'Ada Lovelace', meta: { city: 'London' } })
    const entriesOf = async (target: string) => {
      const { body } = await server.call('GET', `/v1/audit?contents=true&target=${target}`)
      return body['data'] as Body[]
    }
    const before = await entriesOf(`consumer:${consumerId}`)
    assert.match(JSON.stringify(before), /Lovelace/)

    const headers = { 'idempotency-key': 'erase-0001' }
    const erase = () => server.call('POST', '/v1/audit/erase', { target: `consumer:${consumerId}` }, { headers })
    const erased = await erase()
    assert.deepEqual([erased.status, erased.body], [200, { target: `consumer:${consumerId}`, entries: 2, more: false }])
    assert.deepEqual((await erase()).body, erased.body, 'a repeated call is answered as the first')
    assert.deepEqual(
      await entriesOf(`consumer:${consumerId}`),
      before.map((entry) => ({ ...entry, contents: null })),
      'all that is hashed stays',
    )
    assert.notEqual((await entriesOf(`key:${keyId}`))[0]?.['contents'], null, 'other targets keep theirs')
    const { body: all } = await server.call('GET', '/v1/audit?page_size=1000')
    const said = (all['data'] as Body[]).at(-1)
    assert.equal(said?.['action'], 'audit.erase')
    assert.deepEqual(said?.['changes'], { target: `consumer:${consumerId}`, entries: 2 })

    const again = await keywright(server, ['audit', 'erase', `consumer:${consumerId}`])
    assert.deepEqual([again.code, again.out.trim()], [0, 'Erased the contents of 0 entries.'], again.err)
    assert.equal((await server.call('POST', '/v1/audit/erase', { target: 'consumer:con_none' })).status, 404)
    const verified = await runBinary(['audit', 'verify', ...place.flags])
    assert.equal(verified.code, 0, verified.out + verified.err)
  })

  test(`on ${kind}: one call erases at most 1,000 entries and says that more are left`, async (t) => {
    const place = newPlace(await databases.fresh(kind))
    const server = await startServer(place)
    t.after(() => leave(server, place))
    const { consumerId } = await issue(server)
    for (let count = 0; count < 1_001; count += 1) {
      await server.call('PATCH', `/v1/consumers/${consumerId}`, { name: `Name ${count}` })
    }
    const target = `consumer:${consumerId}`
    const first = await server.call('POST', '/v1/audit/erase', { target })
    assert.deepEqual(first.body, { target, entries: 1_000, more: true })
    const second = await server.call('POST', '/v1/audit/erase', { target })
    assert.deepEqual(second.body, { target, entries: 2, more: false })
  })
}

test('only owners and admins without a narrowing erase', async (t) => {
  const place = newPlace(await databases.fresh('embedded'))
  const server = await startServer(place)
  t.after(() => leave(server, place))
  const { consumerId } = await issue(server)
  const statusFor = async (operator: Body) => {
    const made = await server.call('POST', '/v1/operators', { name: 'Other', ...operator })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    const token = String(made.body['token'])
    return (await server.call('POST', '/v1/audit/erase', { target: `consumer:${consumerId}` }, { token })).status
  }
  assert.equal(await statusFor({ role: 'auditor' }), 403)
  assert.equal(await statusFor({ role: 'issuer' }), 403)
  assert.equal(await statusFor({ role: 'admin', consumers: [consumerId] }), 403)
  assert.equal(await statusFor({ role: 'admin' }), 200)
})
