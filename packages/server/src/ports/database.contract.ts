/**
 * What every database keeps, run on each implementation by the test beside it. Other processes are real ones.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { TenantId } from '../model/ids.ts'
import { genesisHash } from '../model/journal.ts'
import { emptyHead, entryOn, facetsPerKey, keyRow, newKey } from '../testing/appending.ts'
import type { Batch, Database, Head, Transacted, Write } from './database.ts'

/** Another process that appends keys to journals. */
export interface Appender {
  /** The ids that were acknowledged until now, by tenant. */
  readonly acknowledged: readonly { readonly tenant: TenantId; readonly id: string }[]
  /** Resolves once that many are acknowledged. */
  reached(count: number): Promise<void>
  /** Ends it as a crash would. */
  kill(): Promise<void>
  /** Its exit code. */
  readonly exited: Promise<number | null>
}

/** One database, empty at first, that may be opened several times. */
export interface DatabasePlace {
  open(): Promise<Database>
  append(count: number, prefix: string, tenants: readonly TenantId[]): Appender
}

const north = 'ten_north' as TenantId
const south = 'ten_south' as TenantId

export function databaseContract(name: string, makePlace: () => Promise<DatabasePlace>): void {
  describe(name, () => {
    describe('writes', () => writes(makePlace))
    describe('reads', () => reads(makePlace))
    describe('processes', () => processes(makePlace))
  })
}

interface Opened {
  readonly database: Database
  readonly place: DatabasePlace
}

/** Opens an empty database before a group of tests, and closes it behind them. */
function opened(makePlace: () => Promise<DatabasePlace>): () => Opened {
  let current: Opened | undefined
  before(async () => {
    const place = await makePlace()
    current = { place, database: await place.open() }
  })
  after(async () => await current?.database.close())
  return () => {
    assert.ok(current)
    return current
  }
}

const headIn = (heads: ReadonlyMap<TenantId, Head>, tenant: TenantId): Head => heads.get(tenant) ?? emptyHead

async function addKey(database: Database, tenant: TenantId, id: string): Promise<Transacted> {
  return await database.transact([tenant], (heads) => newKey(tenant, headIn(heads, tenant), id))
}

/** Tries writes behind a change that would be visible. */
async function attempt(database: Database, ...tried: readonly Write[]): Promise<Transacted> {
  const canary: Write = {
    kind: 'insert',
    table: 'names',
    values: { tenant: north, kind: 'canary', name: 'canary', id: 'canary' },
  }
  const away: Write = { kind: 'delete', table: 'names', where: { tenant: north, kind: 'canary' } }
  const answer = await database.maintain([canary, ...tried])
  const there = await database.named(north, 'canary', 'canary')
  assert.equal(there, answer.outcome === 'committed' ? 'canary' : undefined, 'all writes or none')
  await database.maintain([away])
  return answer
}

const committed = { outcome: 'committed' }
const refused = (write: number) => ({ outcome: 'refused', write })

function writes(makePlace: () => Promise<DatabasePlace>): void {
  const it = opened(makePlace)

  test('a new tenant begins at the genesis head, and its head is what the last batch said', async () => {
    const { database } = it()
    const seen: Head[] = []
    for (const id of ['w1', 'w2']) {
      const answer = await database.transact([north], (heads) => {
        seen.push(headIn(heads, north))
        return newKey(north, headIn(heads, north), id)
      })
      assert.deepEqual(answer, committed)
    }
    assert.deepEqual(seen[0], { seq: 0, hash: genesisHash, seals: 0 })
    assert.equal(seen[1]?.seq, 1)
    assert.equal(seen[1]?.seals, 2)
    assert.equal((await database.heads()).get(north)?.seq, 2)
    assert.deepEqual(
      (await database.entries(north, 0, 10)).map(({ seq, prev, target }) => [seq, prev, target]),
      [
        [1, genesisHash, 'key:w1'],
        [2, seen[1]?.hash, 'key:w2'],
      ],
    )
  })

  test('a head is given for each tenant that was named, and only what was answered changes', async () => {
    const { database } = it()
    const before = (await database.heads()).get(north)
    const answer = await database.transact([south, north], (heads) => {
      assert.deepEqual([...heads.keys()].filter((tenant) => tenant === north || tenant === south).length, 2)
      return newKey(south, headIn(heads, south), 's1')
    })
    assert.deepEqual(answer, committed)
    assert.deepEqual((await database.heads()).get(north), before)
  })

  test('an insert needs a free key, and a refusal names the write and undoes all before it', async () => {
    const { database } = it()
    const dek: Write = {
      kind: 'insert',
      table: 'deks',
      values: { tenant: north, version: 1, kek: 'k', wrapped: 'w', created_at: 1_763_000_000_000 },
    }
    assert.deepEqual(await attempt(database, dek), committed)
    assert.deepEqual(await attempt(database, dek), refused(1))
    assert.deepEqual(await database.deks(north), [
      { tenant: north, version: 1, kek: 'k', wrapped: 'w', created_at: 1_763_000_000_000 },
    ])
  })

  test('a journal cannot fork: two entries in one place are refused, whatever they say', async () => {
    const { database } = it()
    const forged = entryOn(north, emptyHead, 'key:forged')
    assert.equal(forged.write.kind, 'insert')
    const write: Write = { kind: 'insert', table: 'journal', values: { ...forged.write.values, prev: 'f'.repeat(64) } }
    assert.deepEqual(await attempt(database, write), refused(1))
  })

  test('an update needs exactly one row', async () => {
    const { database } = it()
    const update = (where: Record<string, string | number>): Write => ({
      kind: 'update',
      table: 'keys',
      set: { state: 'disabled' },
      where,
    })
    assert.deepEqual(await attempt(database, update({ id: 'nobody' })), refused(1))
    assert.deepEqual(await attempt(database, update({ tenant: north })), refused(1))
    assert.deepEqual(await attempt(database, update({ tenant: north, id: 'w1', revision: 2 })), refused(1))
    assert.equal((await database.record('keys', 'w1'))?.columns['state'], 'enabled')
    assert.deepEqual(await attempt(database, update({ tenant: north, id: 'w1', revision: 1 })), committed)
    assert.equal((await database.record('keys', 'w1'))?.columns['state'], 'disabled')
  })

  test('require, absent, below and delete are judged by the rows there are, the batch included', async () => {
    const { database } = it()
    const where = { tenant: north, kind: 'lookup' }
    const there = { ...where, name: 'w1' }
    const nowhere = { ...where, name: 'w9' }
    assert.deepEqual(await attempt(database, { kind: 'require', table: 'names', where: there }), committed)
    assert.deepEqual(await attempt(database, { kind: 'require', table: 'names', where: nowhere }), refused(1))
    assert.deepEqual(await attempt(database, { kind: 'absent', table: 'names', where: nowhere }), committed)
    assert.deepEqual(await attempt(database, { kind: 'absent', table: 'names', where: there }), refused(1))
    assert.deepEqual(await attempt(database, { kind: 'below', table: 'names', where, limit: 3 }), committed)
    assert.deepEqual(await attempt(database, { kind: 'below', table: 'names', where, limit: 2 }), refused(1))
    const added: Write = { kind: 'insert', table: 'names', values: { ...nowhere, id: 'w9' } }
    assert.deepEqual(await attempt(database, added, { kind: 'below', table: 'names', where, limit: 3 }), refused(2))
    assert.deepEqual(await attempt(database, added, { kind: 'absent', table: 'names', where: nowhere }), refused(2))
    assert.deepEqual(await attempt(database, { kind: 'delete', table: 'names', where: nowhere }), committed)
    const gone: readonly Write[] = [
      { kind: 'delete', table: 'names', where: there },
      { kind: 'absent', table: 'names', where: there },
    ]
    assert.deepEqual(await attempt(database, ...gone), committed)
    assert.equal(await database.named(north, 'lookup', 'w1'), undefined)
  })

  test('null is a value like another in a condition', async () => {
    const { database } = it()
    assert.deepEqual(
      await attempt(database, { kind: 'require', table: 'keys', where: { id: 'w2', expires_at: null } }),
      committed,
    )
    assert.deepEqual(
      await attempt(database, { kind: 'absent', table: 'keys', where: { id: 'w2', expires_at: 5 } }),
      committed,
    )
  })

  test('a refusal in the middle of a crowd leaves the others in order, without a gap', async () => {
    const { database } = it()
    const tenant = 'ten_crowd' as TenantId
    const ids = Array.from({ length: 60 }, (_, index) => (index % 7 === 3 ? 'twice' : `crowd_${index}`))
    const answers = await Promise.all(ids.map((id) => addKey(database, tenant, id)))
    const written = ids.filter((_, index) => answers[index]?.outcome === 'committed')
    assert.equal(written.filter((id) => id === 'twice').length, 1)
    assert.equal(written.length, 60 - 8)
    const entries = await database.entries(tenant, 0, 100)
    assert.deepEqual(
      entries.map(({ seq }) => seq),
      written.map((_, index) => index + 1),
    )
    assert.deepEqual(
      entries.map(({ target }) => target),
      written.map((id) => `key:${id}`),
    )
    await assertWhole(database, tenant)
  })

  test('a build that throws harms nobody else, and writes nothing', async () => {
    const { database } = it()
    const tenant = 'ten_throws' as TenantId
    const answers = await Promise.allSettled([
      addKey(database, tenant, 'throws_1'),
      database.transact([tenant], () => {
        throw new RangeError('a rule of the domain')
      }),
      addKey(database, tenant, 'throws_2'),
    ])
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.ok(answers[1]?.status === 'rejected' && answers[1].reason instanceof RangeError)
    await assertWhole(database, tenant)
  })

  test('a row that the schema does not admit fails alone', async () => {
    const { database } = it()
    const tenant = 'ten_schema' as TenantId
    const broken = (heads: ReadonlyMap<TenantId, Head>): Batch => {
      const batch = newKey(tenant, headIn(heads, tenant), 'schema_broken')
      return { ...batch, writes: [...batch.writes, { kind: 'insert', table: 'names', values: { tenant, kind: null } }] }
    }
    const answers = await Promise.allSettled([
      addKey(database, tenant, 'schema_1'),
      database.transact([tenant], broken),
      addKey(database, tenant, 'schema_2'),
    ])
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.equal(await database.record('keys', 'schema_broken'), undefined)
    await assertWhole(database, tenant)
  })

  test('replays are found by scope until they are forgotten, and the largest checkpoint is the latest', async () => {
    const { database } = it()
    const replay = (scope: string, expires_at: number) => ({ scope, body_mac: 'b', sealed: 's', expires_at })
    const checkpoint = (size: number) => ({ tenant: north, size, note: `note ${size}`, frontier: 'f' })
    const answer = await database.maintain([
      { kind: 'insert', table: 'replays', values: replay('old', 1_000) },
      { kind: 'insert', table: 'replays', values: replay('new', 3_000) },
      ...[9, 10, 2].map((size): Write => ({ kind: 'insert', table: 'checkpoints', values: checkpoint(size) })),
    ])
    assert.deepEqual(answer, committed)
    await database.forgetReplays(2_000)
    assert.equal(await database.replay('old'), undefined)
    assert.deepEqual(await database.replay('new'), replay('new', 3_000))
    assert.deepEqual(await database.latestCheckpoint(north), checkpoint(10))
    assert.equal(await database.latestCheckpoint(south), undefined)
  })
}

function reads(makePlace: () => Promise<DatabasePlace>): void {
  const it = opened(makePlace)
  const names = ['a', 'B', 'ä', 'Z', 'z', '~', '\u{1f511}', '\uffee']
  const ids = names.map((_, index) => `r${index}`)

  before(async () => {
    const { database } = it()
    for (const [index, id] of ids.entries()) {
      const answer = await database.transact([north], (heads) => {
        const batch = newKey(north, headIn(heads, north), id)
        const seq = headIn(heads, north).seq + 1
        const columns = {
          name: names[index] ?? '',
          consumer_id: index % 2 === 0 ? 'con_even' : 'con_odd',
          expires_at: index === 0 ? null : 4_102_444_800_000 + index,
        }
        const [, ...others] = batch.writes
        return {
          ...batch,
          writes: [
            { kind: 'insert', table: 'keys', values: keyRow(north, id, seq, columns) },
            {
              kind: 'insert',
              table: 'facets',
              values: {
                tenant: north,
                kind: 'keys',
                name: 'api',
                value: index < 5 ? 'api_1' : 'api_2',
                created_seq: seq,
              },
            },
            ...others,
          ],
        }
      })
      assert.deepEqual(answer, committed)
    }
    assert.deepEqual(await addKey(database, south, 'r_south'), committed)
  })

  test('a record comes back as it was written, with its index columns and the newest entry about it', async () => {
    const { database } = it()
    assert.deepEqual(await database.record('keys', 'r1'), {
      tenant: north,
      id: 'r1',
      revision: 2,
      dek: 1,
      body: '{"sealed":"…"}',
      mac: 'm',
      created_seq: 2,
      columns: {
        name: 'B',
        consumer_id: 'con_odd',
        environment: 'live',
        state: 'enabled',
        expires_at: 4_102_444_800_001,
      },
      lastSeq: 2,
    })
    await database.transact([north], (heads) => {
      const { head, write } = entryOn(north, headIn(heads, north), 'key:r1')
      return { heads: new Map([[north, head]]), writes: [write] }
    })
    assert.equal((await database.record('keys', 'r1'))?.lastSeq, ids.length + 1)
    assert.equal((await database.record('keys', 'r1'))?.revision, 2)
    assert.deepEqual(
      (await database.entriesOf(north, 'key:r1', 0, 10)).map(({ seq }) => seq),
      [2, ids.length + 1],
    )
    assert.deepEqual(
      (await database.entriesOf(north, 'key:r1', 2, 10)).map(({ seq }) => seq),
      [ids.length + 1],
    )
    assert.equal(await database.record('keys', 'R1'), undefined)
    assert.equal(await database.record('apis', 'r1'), undefined)
  })

  test('many records are found by id, those that are there', async () => {
    const { database } = it()
    const many = [...ids, ...Array.from({ length: 250 }, (_, index) => `nobody_${index}`), 'r_south']
    const found = await database.records('keys', many)
    assert.deepEqual(found.map(({ id }) => id).sort(), [...ids, 'r_south'].sort())
    assert.deepEqual(await database.records('keys', []), [])
  })

  test('lists go by creation, within a tenant, from behind the cursor on', async () => {
    const { database } = it()
    const page = async (afterSeq: number, limit: number) =>
      (await database.list('keys', north, { columns: {}, facets: [], afterSeq, limit })).map(({ id }) => id)
    assert.deepEqual(await page(0, 100), ids)
    assert.deepEqual(await page(0, 3), ids.slice(0, 3))
    assert.deepEqual(await page(3, 2), ids.slice(3, 5))
    assert.deepEqual(await page(100, 2), [])
  })

  test('lists and counts keep to all columns and all facets', async () => {
    const { database } = it()
    const api = { name: 'api', value: 'api_1' }
    const even = { name: 'meta.parity', value: 'even' }
    const cases = [
      { columns: { consumer_id: 'con_even' }, facets: [], expected: ['r0', 'r2', 'r4', 'r6'] },
      { columns: { consumer_id: 'con_even' }, facets: [api], expected: ['r0', 'r2', 'r4'] },
      { columns: { environment: 'live', consumer_id: 'con_odd' }, facets: [api, even], expected: ['r1', 'r3'] },
      { columns: { environment: 'test' }, facets: [api, even], expected: [] },
      { columns: { expires_at: null }, facets: [], expected: ['r0'] },
      { columns: {}, facets: [api, { name: 'api', value: 'api_2' }], expected: [] },
      { columns: {}, facets: [{ name: 'api', value: 'API_1' }], expected: [] },
    ]
    for (const { columns, facets, expected } of cases) {
      const found = await database.list('keys', north, { columns, facets, afterSeq: 0, limit: 100 })
      assert.deepEqual(
        found.map(({ id }) => id),
        expected,
      )
      assert.equal(await database.count('keys', north, columns, facets), expected.length)
    }
    const behind = await database.list('keys', north, {
      columns: { consumer_id: 'con_even' },
      facets: [api],
      afterSeq: 1,
      limit: 1,
    })
    assert.deepEqual(
      behind.map(({ id }) => id),
      ['r2'],
    )
  })

  test('texts compare by bytes: no case, no accent and no likeness is folded', async () => {
    const { database } = it()
    for (const [index, name] of names.entries()) {
      const found = await database.list('keys', north, { columns: { name }, facets: [], afterSeq: 0, limit: 10 })
      assert.deepEqual(
        found.map(({ id }) => id),
        [`r${index}`],
      )
    }
    assert.equal(await database.count('keys', north, { name: 'A' }, []), 0)
    assert.equal(await database.count('keys', north, { name: 'a\u0308' }, []), 0)
    assert.equal(await database.count('keys', north, { name: 'a ' }, []), 0)
  })

  test('a name stands for an id within its tenant and kind, and of several the first that is there counts', async () => {
    const { database } = it()
    assert.equal(await database.named(north, 'lookup', 'r3'), 'r3')
    assert.equal(await database.named(south, 'lookup', 'r3'), undefined)
    assert.equal(await database.named(north, 'other', 'r3'), undefined)
    assert.equal(await database.namedAny(north, 'lookup', ['nobody', 'r5', 'r2']), 'r5')
    assert.equal(await database.namedAny(north, 'lookup', ['nobody']), undefined)
    assert.equal(await database.namedAny(north, 'lookup', []), undefined)
  })

  test('quotes, question marks and dollars in a value are values', async () => {
    const { database } = it()
    const name = `'; drop table keys; -- ? $1 " \\ %_`
    const answer = await database.maintain([
      { kind: 'insert', table: 'names', values: { tenant: north, kind: 'quoted', name, id: 'q' } },
    ])
    assert.deepEqual(answer, committed)
    assert.equal(await database.named(north, 'quoted', name), 'q')
    assert.equal(await database.count('keys', north, {}, []), ids.length)
  })

  test('nothing is said against a database with its settings as they come', async () => {
    assert.deepEqual(await it().database.diagnose(), [])
  })
}

function processes(makePlace: () => Promise<DatabasePlace>): void {
  const it = opened(makePlace)

  test('six processes append to the same journals without a gap, a fork or a loss', async () => {
    const { place, database } = it()
    const count = 60
    const appenders = Array.from({ length: 6 }, (_, index) => place.append(count, `six${index}`, [north, south]))
    assert.deepEqual(await Promise.all(appenders.map(({ exited }) => exited)), [0, 0, 0, 0, 0, 0])
    for (const tenant of [north, south]) {
      assert.equal((await database.heads()).get(tenant)?.seq, (6 * count) / 2)
      await assertWhole(database, tenant)
    }
    for (const { acknowledged } of appenders) assert.equal(acknowledged.length, count)
  })

  test('what another process commits is heard of', async () => {
    const { place, database } = it()
    const tenant = 'ten_heard' as TenantId
    let heard: () => void = () => undefined
    const stop = database.watch(() => heard())
    const appender = place.append(1, 'heard', [tenant])
    while ((await database.heads()).get(tenant) === undefined) {
      await new Promise<void>((resolve) => {
        heard = resolve
      })
    }
    assert.equal(await appender.exited, 0)
    stop()
  })

  test('what this process commits is heard of', async () => {
    const { database } = it()
    const tenant = 'ten_own' as TenantId
    const heard = new Promise<void>((resolve) => {
      const stop = database.watch(() => {
        stop()
        resolve()
      })
    })
    await addKey(database, tenant, 'own_1')
    await heard
  })

  test('a process that is killed while it writes leaves nothing half done and loses nothing it acknowledged', async () => {
    const { place, database } = it()
    const tenants = ['ten_kill_1', 'ten_kill_2'] as TenantId[]
    for (let round = 0; round < 3; round += 1) {
      const appender = place.append(1_000_000, `kill${round}`, tenants)
      await appender.reached(50 + 90 * round)
      await appender.kill()
      for (const tenant of tenants) await assertWhole(database, tenant)
      const keys = await database.records(
        'keys',
        appender.acknowledged.map(({ id }) => id),
      )
      assert.equal(keys.length, appender.acknowledged.length)
      assert.deepEqual(await addKey(database, tenants[0] ?? north, `after${round}`), committed)
    }
  })

  test('several processes may be the first to open an empty database', async () => {
    const place = await makePlace()
    const appenders = ['one', 'two', 'three', 'four'].map((prefix) => place.append(5, prefix, [north]))
    assert.deepEqual(await Promise.all(appenders.map(({ exited }) => exited)), [0, 0, 0, 0])
    const database = await place.open()
    assert.equal((await database.heads()).get(north)?.seq, 20)
    await assertWhole(database, north)
    await database.close()
  })

  test('opening again keeps what is there', async () => {
    const { place, database } = it()
    const held = (await database.heads()).get(north)
    const again = await place.open()
    assert.deepEqual((await again.heads()).get(north), held)
    await again.close()
  })
}

/** A journal without gap or fork, its head at its end, and every key of it with all that was written in the same batch. */
async function assertWhole(database: Database, tenant: TenantId): Promise<void> {
  const head = headIn(await database.heads(), tenant)
  let last: { readonly seq: number; readonly hash: string } = { seq: 0, hash: genesisHash }
  const ids: string[] = []
  for (;;) {
    const entries = await database.entries(tenant, last.seq, 500)
    if (entries.length === 0) break
    for (const entry of entries) {
      assert.equal(entry.seq, last.seq + 1)
      assert.equal(entry.prev, last.hash)
      last = entry
      ids.push(entry.target.slice('key:'.length))
    }
  }
  assert.deepEqual({ seq: last.seq, hash: last.hash }, { seq: head.seq, hash: head.hash })
  assert.equal(head.seals, 2 * last.seq)
  assert.equal((await database.records('keys', ids)).length, ids.length)
  for (const value of facetsPerKey) {
    const facets = [{ name: 'meta.parity', value }]
    assert.equal(await database.count('keys', tenant, {}, facets), ids.length)
  }
  assert.equal(await database.count('keys', tenant, {}, []), ids.length)
  const names = await Promise.all(ids.slice(-20).map((id) => database.named(tenant, 'lookup', id)))
  assert.deepEqual(names, ids.slice(-20))
}
