/**
 * The operator whose machine loses power in the middle of the work, whose PostgreSQL goes away, and who runs more than one process on one database.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startPostgres } from '../src/adapters/database/postgres-for-tests.ts'
import { crashLoop } from './crash-loop.ts'
import {
  type Answer,
  databaseKinds,
  issue,
  newPlace,
  openDatabases,
  runBinary,
  type Server,
  startServer,
} from './harness.ts'

const kills = 20
const writers = 6
const processes = 6

const databases = openDatabases()
after(() => databases.stop())

describe('killed under load', { concurrency: true }, () => {
  for (const kind of databaseKinds) {
    test(`on ${kind}: ${kills} kills lose no acknowledged change, leave none half made, and break no journal`, async () => {
      const place = newPlace(await databases.fresh(kind))
      const report = await crashLoop(place, { kills, writers, loadMilliseconds: [20, 200] })
      assert.deepEqual(report.lost, [])
      assert.deepEqual(report.halfApplied, [])
      assert.deepEqual(report.journalBreaks, [])
      assert.deepEqual(report.unexpected, [])
      assert.ok(report.acknowledged > kills * writers, 'the writers were at work')
      assert.ok(report.underWay > 0, 'the kills came in the middle of it')
      place.leave()
    })
  }
})

/** Asks until the answer is as wanted; the test runner's own limit ends a wait in vain. */
async function until<Value>(ask: () => Promise<Value>, wanted: (value: Value) => boolean): Promise<Value> {
  for (;;) {
    const value = await ask()
    if (wanted(value)) return value
    await sleep(20)
  }
}

function verify(server: Server, credential: string, api: string): Promise<Answer> {
  return server.call('POST', '/v1/verify', { credential, api, scopes: ['orders:read'] })
}

test('PostgreSQL gone under a running server: answers from memory or stale, never a wrong accept, and writes again once it is back', async () => {
  const postgres = await startPostgres()
  const place = newPlace(await postgres.freshDatabase())
  const server = await startServer(place)
  try {
    const known = await issue(server)
    const unseen = await issue(server)
    const revoked = await issue(server)
    await server.call('POST', `/v1/keys/${revoked.keyId}/revoke`, {})
    assert.equal((await verify(server, known.secret, known.api)).body['code'], 'ok')
    assert.equal((await verify(server, revoked.secret, revoked.api)).body['code'], 'revoked')

    await postgres.kill()
    const stranger = `${unseen.secret.slice(0, -1)}${unseen.secret.endsWith('A') ? 'B' : 'A'}`
    for (let round = 0; round < 20; round += 1) {
      assertOneOf(await verify(server, known.secret, known.api), ['ok', 'stale'])
      assertOneOf(await verify(server, revoked.secret, revoked.api), ['revoked', 'stale'])
      assertOneOf(await verify(server, unseen.secret, unseen.api), ['stale'])
      assertOneOf(await verify(server, stranger, unseen.api), ['unknown', 'stale'])
      await sleep(25)
    }
    const refused = await server.call('POST', `/v1/keys/${known.keyId}/revoke`, {})
    assert.equal(refused.status, 503)
    assert.match(String(refused.headers.get('content-type')), /problem\+json/)

    await postgres.start()
    const state = () => server.call('POST', `/v1/keys/${known.keyId}/disable`, {})
    await until(state, (answer) => answer.status === 200)
    await until(
      () => verify(server, known.secret, known.api),
      (answer) => answer.body['code'] === 'disabled',
    )
    await until(
      () => verify(server, unseen.secret, unseen.api),
      (answer) => answer.body['code'] === 'ok',
    )
    await until(
      () => server.call('GET', '/readyz'),
      (answer) => answer.status === 200,
    )
  } finally {
    await server.stop()
    await postgres.stop()
    place.leave()
  }
})

function assertOneOf({ status, body }: Answer, codes: readonly string[]): void {
  const code = String(body['code'])
  assert.ok(codes.includes(code), `answered ${status} ${code}, not ${codes.join(' or ')}`)
  assert.equal(status, code === 'stale' ? 503 : 200)
}

for (const kind of databaseKinds) {
  test(`on ${kind}: what one process revokes or makes, another on the same database soon answers by`, async () => {
    const place = newPlace(await databases.fresh(kind))
    const one = await startServer(place)
    const other = await startServer(place)
    const { api, keyId, secret } = await issue(one)
    await until(
      () => verify(other, secret, api),
      (answer) => answer.body['code'] === 'ok',
    )
    const revoked = await one.call('POST', `/v1/keys/${keyId}/revoke`, {})
    await until(
      () => verify(other, secret, api),
      (answer) => answer.body['code'] === 'revoked',
    )
    // A node that has been told the place of the revocation waits until it is there.
    const next = await issue(one)
    const gone = await one.call('POST', `/v1/keys/${next.keyId}/revoke`, {})
    const seq = Number(gone.body['seq'])
    assert.ok(seq > Number(revoked.body['seq']))
    const behind = await other.call('POST', '/v1/verify', { credential: next.secret, api: next.api, min_seq: seq })
    assertOneOf(behind, ['revoked', 'stale'])

    // A credential from elsewhere that was asked about too early: the other node's memory of it ends with the import.
    const foreign = 'Zq7-Xv2mK9pT4wLr8sYb3nHc6jFd1gAe5uQiOoPzRtWxMkVyNl'
    assert.equal((await verify(other, foreign, next.api)).body['code'], 'unknown')
    const item = {
      consumer_id: next.consumerId,
      format: 'raw',
      value: foreign,
      grants: [{ api: next.api, scopes: ['orders:read'] }],
    }
    const imported = await one.call('POST', '/v1/keys/import', { items: [item] })
    assert.equal(imported.status, 200, JSON.stringify(imported.body))
    await until(
      () => verify(other, foreign, next.api),
      (answer) => answer.body['code'] === 'ok',
    )
    assert.equal(await one.stop(), 0)
    assert.equal(await other.stop(), 0)
    place.leave()
  })

  test(`on ${kind}: ${processes} processes that append at once keep one gapless journal`, async () => {
    const place = newPlace(await databases.fresh(kind))
    const first = await startServer(place)
    const others = await Promise.all(Array.from({ length: processes - 1 }, () => startServer(place)))
    const all = [first, ...others]
    const { api, consumerId } = await issue(first)
    const keysEach = 40
    const make = async (server: Server): Promise<number[]> => {
      const seqs: number[] = []
      await Promise.all(
        Array.from({ length: 4 }, async () => {
          for (let made = 0; made < keysEach / 4; made += 1) {
            const grants = [{ api, scopes: ['orders:read'] }]
            const key = await server.call('POST', '/v1/keys', { consumer_id: consumerId, grants })
            assert.equal(key.status, 201, JSON.stringify(key.body))
            seqs.push(Number(key.body['seq']))
          }
        }),
      )
      return seqs
    }
    const seqs = (await Promise.all(all.map(make))).flat()
    assert.equal(new Set(seqs).size, processes * keysEach, 'no two changes have one place')
    const audit = await first.call('GET', '/v1/audit?page_size=1000')
    const entries = audit.body['data'] as { readonly seq: number }[]
    assert.deepEqual(
      entries.map((entry) => entry.seq),
      entries.map((_entry, index) => index + 1),
    )
    assert.deepEqual(
      seqs.toSorted((one, other) => one - other),
      entries.slice(-seqs.length).map((entry) => entry.seq),
    )
    for (const server of all) assert.equal(await server.stop(), 0)
    const { code, out, err } = await runBinary(['audit', 'verify', ...place.flags])
    assert.equal(code, 0, out + err)
    place.leave()
  })
}
