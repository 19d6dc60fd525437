/**
 * The operator who looks after an installation: backups that come back, keys over the keys that change, journals that tell of tampering.
 */
import assert from 'node:assert/strict'
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { SqliteConnection } from '../src/adapters/database/sqlite-connection.ts'
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
after(async () => await databases.stop())

async function verdict(server: Server, credential: string): Promise<string> {
  const { status, body } = await server.call('POST', '/v1/verify', { credential })
  assert.equal(status, 200, JSON.stringify(body))
  return String(body['code'])
}

const kekOf = (folder: string) => `file:${join(folder, 'kek', 'kek')}`

for (const kind of databaseKinds) {
  describe(`on ${kind}`, () => {
    test('a backup under load brings back every key that was acknowledged before it, and no revocation is forgotten', async () => {
      const place = newPlace(await databases.fresh(kind))
      const other = newPlace(await databases.fresh(kind))
      const server = await startServer(place)
      let restored: Server | undefined
      try {
        const kept = await issue(server)
        const revoked = await issue(server)
        const rotated = await issue(server)
        const disabled = await issue(server)
        const enabledAgain = await issue(server)
        await server.call('POST', `/v1/keys/${enabledAgain.keyId}/disable`)
        await server.call('POST', `/v1/keys/${enabledAgain.keyId}/enable`)

        let loading = true
        const load = (async () => {
          for (let index = 0; loading; index += 1) await server.call('POST', '/v1/consumers', { name: `load ${index}` })
        })()
        const file = join(place.folder, 'one.backup')
        const made = await runBinary(['backup', file, ...place.flags])
        loading = false
        await load
        assert.equal(made.code, 0, made.err)
        assert.equal(statSync(file).mode & 0o777, 0o600)
        assert.equal(readFileSync(file).includes(kept.secret), false)

        // What happens after the backup: only what takes rights away must come back.
        await server.call('POST', `/v1/keys/${revoked.keyId}/revoke`)
        await server.call('POST', `/v1/keys/${rotated.keyId}/secrets`, { overlap_seconds: 0 })
        await server.call('POST', `/v1/consumers/${disabled.consumerId}/disable`)
        const journal = join(place.folder, 'journal.jsonl')
        writeFileSync(journal, (await keywright(server, ['audit', 'export'])).out)

        const wrong = await runBinary(['restore', file, ...other.flags])
        assert.equal(wrong.code, 2, 'without the KEK there is no restore')
        mkdirSync(join(other.folder, 'kek'), { mode: 0o700 })
        writeFileSync(join(other.folder, 'kek', 'kek'), `${Buffer.alloc(32, 9).toString('base64')}\n`, { mode: 0o600 })
        const another = await runBinary(['restore', file, ...other.flags])
        assert.equal(another.code, 2)
        assert.match(another.err, /made under the KEK with the id [0-9a-f]{16}/)
        cpSync(join(place.folder, 'kek', 'kek'), join(other.folder, 'kek', 'kek'))
        const altered = join(place.folder, 'altered.backup')
        writeFileSync(altered, readFileSync(file).subarray(0, 40_000))
        assert.equal((await runBinary(['restore', altered, ...other.flags])).code, 2)

        const edited = join(place.folder, 'edited.backup')
        cpSync(file, edited)
        const copy = new SqliteConnection(edited)
        copy.run(`update keys set body = replace(body, '"live"', '"test"')`, [])
        copy.close()
        const refused = await runBinary(['restore', edited, ...other.flags])
        assert.equal(refused.code, 2)
        assert.match(refused.err, /tampered with: .*wrong_mac.*Nothing was restored/)

        const back = await runBinary(['restore', file, '--revocations', journal, '--json', ...other.flags])
        assert.equal(back.code, 0, back.err)
        assert.equal((JSON.parse(back.out) as Body)['revocations'], 3)
        assert.equal((await runBinary(['restore', file, ...other.flags])).code, 2, 'a database in use is not filled')

        restored = await startServer(other, [], { KEYWRIGHT_OPERATOR_TOKEN: server.token })
        assert.equal(await verdict(restored, kept.secret), 'ok')
        assert.equal(await verdict(restored, enabledAgain.secret), 'ok')
        assert.equal(await verdict(restored, revoked.secret), 'revoked')
        assert.equal(await verdict(restored, rotated.secret), 'revoked')
        assert.equal(await verdict(restored, disabled.secret), 'disabled')
        const audit = await runBinary(['audit', 'verify', ...other.flags])
        assert.equal(audit.code, 0, audit.out + audit.err)
        const { body } = await restored.call('GET', '/v1/audit?page_size=1000')
        const actions = (body['data'] as Body[]).map((entry) => entry['action'])
        assert.ok(actions.includes('tenant.restore'))
      } finally {
        await restored?.stop()
        await server.stop()
        place.leave()
        other.leave()
      }
    })

    test('the KEK and the data keys change under a running server, and nothing that is valid is refused', async () => {
      const place = newPlace(await databases.fresh(kind))
      const server = await startServer(place)
      let again: Server | undefined
      try {
        const native = await issue(server)
        const imported = 'sk_live_9fQ2mZx7Lr4Vt1Yp8Ks3Wd6Nb0Hc5Jg'
        const row = {
          consumer_id: native.consumerId,
          format: 'raw',
          value: imported,
          grants: [{ api: native.api, scopes: [] }],
        }
        const { status, body } = await server.call('POST', '/v1/keys/import', { items: [row] })
        assert.equal(status, 200, JSON.stringify(body))

        const fresh = join(place.folder, 'kek', 'fresh')
        writeFileSync(fresh, `${Buffer.alloc(32, 3).toString('base64')}\n`, { mode: 0o600 })
        const flags = [...place.flags.slice(0, -1), `file:${fresh},${kekOf(place.folder)}`]
        let refusals = 0
        let verifying = true
        const load = (async () => {
          while (verifying) {
            if ((await verdict(server, native.secret)) !== 'ok') refusals += 1
            if ((await verdict(server, imported)) !== 'ok') refusals += 1
          }
        })()
        const rewrapped = await runBinary(['rewrap', '--new-dek', '--json', ...flags])
        verifying = false
        await load
        assert.equal(rewrapped.code, 0, rewrapped.err)
        assert.ok(Number((JSON.parse(rewrapped.out) as Body)['resealed']) >= 4)
        assert.equal(refusals, 0)
        assert.equal(await verdict(server, imported), 'ok')
        const { secret } = await issue(server)
        assert.equal(await verdict(server, secret), 'ok')
        await server.stop()

        const only = [...place.flags.slice(0, -1), `file:${fresh}`]
        const last = await runBinary(['rewrap', '--json', ...only])
        assert.equal(last.code, 0, last.err)
        assert.ok(Number((JSON.parse(last.out) as Body)['removed']) >= 1)
        assert.equal((await runBinary(['audit', 'verify', ...only])).code, 0)
        assert.notEqual((await runBinary(['rewrap', ...place.flags])).code, 0, 'the old KEK opens nothing any more')
        again = await startServer({ folder: place.folder, flags: only })
        for (const one of [native.secret, imported, secret]) assert.equal(await verdict(again, one), 'ok')
      } finally {
        await again?.stop()
        await server.stop()
        place.leave()
      }
    })

    test('checkpoints that lie outside show a database that was put back to an older one', async () => {
      const place = newPlace(await databases.fresh(kind))
      const outside = join(place.folder, 'outside')
      const server = await startServer(place, ['--checkpoint-dir', outside])
      const other = newPlace(await databases.fresh(kind))
      let older: Server | undefined
      try {
        await issue(server)
        const file = join(place.folder, 'older.backup')
        assert.equal((await runBinary(['backup', file, ...place.flags])).code, 0)
        await issue(server)
        await server.stop()
        const note = join(outside, 'default.checkpoint')
        assert.ok(existsSync(join(outside, 'default.vkey')))
        const signed = readFileSync(note, 'utf8')
        assert.equal((await runBinary(['audit', 'verify', '--checkpoint', note, ...place.flags])).code, 0)

        cpSync(join(place.folder, 'kek'), join(other.folder, 'kek'), { recursive: true })
        assert.equal((await runBinary(['restore', file, ...other.flags])).code, 0)
        const shown = await runBinary(['audit', 'verify', '--checkpoint', note, ...other.flags])
        assert.equal(shown.code, 1)
        assert.match(shown.out, /broken at entry/)

        // A server on the older database must not overwrite the evidence.
        older = await startServer(other, ['--checkpoint-dir', outside], { KEYWRIGHT_OPERATOR_TOKEN: server.token })
        for (let index = 0; index < 12; index += 1)
          await older.call('POST', '/v1/consumers', { name: `after ${index}` })
        await older.stop()
        assert.equal(readFileSync(note, 'utf8'), signed)
        assert.match(older.output(), /integrity\.violated/)

        const foreign = newPlace(await databases.fresh(kind))
        const third = await startServer(foreign)
        await third.stop()
        const unknown = await runBinary(['audit', 'verify', '--checkpoint', note, ...foreign.flags])
        assert.equal(unknown.code, 1, 'a checkpoint of a tenant that is gone shows')
        foreign.leave()
      } finally {
        await older?.stop()
        await server.stop()
        place.leave()
        other.leave()
      }
    })
  })
}

test('what cannot be read is not called whole', async () => {
  const place = newPlace('embedded')
  try {
    assert.equal((await runBinary(['audit', 'verify', ...place.flags])).code, 2, 'no database')
    mkdirSync(join(place.folder, 'data'), { recursive: true, mode: 0o700 })
    writeFileSync(
      join(place.folder, 'data', 'keywright.db'),
      'no database at all, but long enough to be one'.repeat(40),
    )
    assert.equal((await runBinary(['audit', 'verify', ...place.flags])).code, 2, 'no SQLite file')
  } finally {
    place.leave()
  }
})

test('the doctor finds what endangers an installation', async () => {
  const place = newPlace('embedded')
  const server = await startServer(place)
  try {
    const healthy = await runBinary(['doctor', '--json', ...place.flags])
    assert.equal(healthy.code, 0, healthy.out + healthy.err)
    const findings = JSON.parse(healthy.out) as Body[]
    const token = findings.find(({ check }) => check === 'owner token')
    assert.equal(token?.['severity'], 'warn')
    chmodSync(join(server.dataDir, 'operator-token'), 0o644)
    const open = await runBinary(['doctor', ...place.flags])
    assert.equal(open.code, 1)
    assert.match(open.out, /chmod 600/)
    chmodSync(join(server.dataDir, 'operator-token'), 0o600)
    const inside = join(server.dataDir, 'kek')
    cpSync(join(place.folder, 'kek', 'kek'), inside)
    const beside = await runBinary(['doctor', ...place.flags.slice(0, -1), `file:${inside}`])
    assert.equal(beside.code, 1)
    assert.match(beside.out, /lies in the data folder/)
    const file = new SqliteConnection(join(server.dataDir, 'keywright.db'))
    file.run(`update journal set entry = replace(entry, '"at":"20', '"at":"29') where seq = 2`, [])
    file.close()
    assert.match((await runBinary(['doctor', ...place.flags])).out, /The clock is behind/)
  } finally {
    await server.stop()
    place.leave()
  }
})
