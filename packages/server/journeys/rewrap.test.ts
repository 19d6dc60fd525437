/**
 * The operator whose rewrap is cut off at every place where it can be: everything stays readable, and the next run goes on.
 */
import assert from 'node:assert/strict'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { closeDomain, openDomain } from '../src/compose.ts'
import { readConfig } from '../src/config/read.ts'
import { indexNames } from '../src/domain/import/index-name.ts'
import { verifyJournal } from '../src/domain/journal/verify-journal.ts'
import { openVersion } from '../src/domain/keys/versions.ts'
import type { Domain } from '../src/domain/records/domain.ts'
import { readRow } from '../src/domain/records/rows.ts'
import { plainDigestOf } from '../src/domain/seal/digest.ts'
import { makeDeks, resealTenants, rewrap } from '../src/domain/seal/rewrap.ts'
import type { Database } from '../src/ports/database.ts'
import { issue, newPlace, startServer } from './harness.ts'

const place = newPlace('embedded')
const imported = 'sk_live_9fQ2mZx7Lr4Vt1Yp8Ks3Wd6Nb0Hc5Jg'
const oldKek = `file:${join(place.folder, 'kek', 'kek')}`
const newKek = `file:${join(place.folder, 'kek', 'new')}`
const stepsMax = 100

before(async () => {
  const server = await startServer(place)
  const { consumerId } = await issue(server)
  await issue(server)
  const item = { consumer_id: consumerId, format: 'raw', value: imported }
  assert.equal((await server.call('POST', '/v1/keys/import', { items: [item] })).status, 200)
  await server.stop()
  writeFileSync(newKek.slice('file:'.length), `${Buffer.alloc(32, 5).toString('base64')}\n`, { mode: 0o600 })
})
after(() => place.leave())

class PowerCut extends Error {}

/** The real database, whose power goes before the n-th write: behind a write is before the next. */
function cutOff(database: Database, cut: number | undefined): Database {
  let writes = 0
  const cutting =
    <Arguments extends readonly unknown[], Answer>(write: (...parameters: Arguments) => Promise<Answer>) =>
    async (...parameters: Arguments): Promise<Answer> => {
      writes += 1
      if (writes === cut) throw new PowerCut()
      return await write(...parameters)
    }
  const maintain = cutting(database.maintain.bind(database))
  const transact = cutting(database.transact.bind(database))
  return new Proxy(database, {
    get: (target, name) => {
      if (name === 'maintain') return maintain
      if (name === 'transact') return transact
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function withKeks<Result>(
  dataDir: string,
  keks: readonly string[],
  use: (domain: Domain) => Promise<Result>,
): Promise<Result> {
  const config = readConfig({ dataDir, kek: keks.join(','), logLevel: 'silent' }, {})
  const domain = await openDomain(config, { readOnly: false, makeKek: false })
  try {
    return await use(domain)
  } finally {
    await closeDomain(domain)
  }
}

/** One whole change of keys, whose waiting takes no time; whether it came to its end. */
async function changeKeys(dataDir: string, keks: readonly string[], newDek: boolean, cut?: number): Promise<boolean> {
  return await withKeks(dataDir, keks, async (opened) => {
    const clock = { ...opened.clock, sleep: async () => undefined }
    const domain = { ...opened, clock, database: cutOff(opened.database, cut) }
    try {
      const tenants = [...(await domain.database.heads()).keys()]
      await rewrap(domain)
      if (newDek) await makeDeks(domain, tenants)
      await resealTenants(domain, tenants)
      return true
    } catch (error) {
      if (error instanceof PowerCut) return false
      throw error
    }
  })
}

/** Every journal holds, every version of every key opens, and the imported credential is found. */
async function requireReadable(dataDir: string, keks: readonly string[], where: string): Promise<void> {
  await withKeks(dataDir, keks, async (domain) => {
    for (const tenant of (await domain.database.heads()).keys()) {
      const verdict = await verifyJournal(domain, tenant)
      assert.equal(verdict.ok, true, `${where}: ${JSON.stringify(verdict)}`)
      const keys = await domain.keyring.of(tenant)
      const rows = await domain.database.list('keys', tenant, { columns: {}, facets: [], afterSeq: 0, limit: 100 })
      assert.equal(rows.length, 3)
      for (const row of rows) {
        const loaded = readRow('keys', row, keys)
        assert.ok(typeof loaded !== 'string', where)
        for (const version of loaded.record.versions) assert.ok(openVersion(keys, loaded.record.id, version), where)
      }
      const names = indexNames(keys, 'sha256', plainDigestOf('sha256', imported))
      assert.ok(await domain.database.namedAny(tenant, 'credential', names), `${where}: the imported one is found`)
    }
  })
}

for (const newDek of [false, true]) {
  const what = newDek ? 'a rewrap with new data keys' : 'a rewrap'
  test(`${what} that is cut off at any write leaves everything readable, and the next run ends it`, async () => {
    let step = 0
    for (let ended = false; !ended; ) {
      step += 1
      assert.ok(step < stepsMax)
      const dataDir = join(place.folder, `${newDek}-${step}`)
      cpSync(join(place.folder, 'data'), dataDir, { recursive: true })
      const where = `before write ${step}`
      ended = await changeKeys(dataDir, [newKek, oldKek], newDek, step)
      await requireReadable(dataDir, [newKek, oldKek], where)
      await requireReadable(dataDir, [oldKek], `${where}, by a node with the old KEK`)
      assert.equal(await changeKeys(dataDir, [newKek, oldKek], false), true, where)
      assert.equal(await changeKeys(dataDir, [newKek], false), true, where)
      await requireReadable(dataDir, [newKek], `${where}, ended`)
      await assert.rejects(requireReadable(dataDir, [oldKek], where))
    }
    assert.ok(step > (newDek ? 5 : 1), 'there was something to cut off')
  })
}
