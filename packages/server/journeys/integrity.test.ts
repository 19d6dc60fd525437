/**
 * Whoever writes into the database without the KEK: what they copy, move, edit, put back or cut off is refused by verification, found by
 * `keywright audit verify`, or both.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { runOn } from '../src/adapters/database/postgres-for-tests.ts'
import {
  type Body,
  type DatabaseKind,
  databaseKinds,
  issue,
  newPlace,
  openDatabases,
  type Place,
  runBinary,
  type Server,
  startServer,
} from './harness.ts'

const databases = openDatabases()
after(() => databases.stop())

type Row = Readonly<Record<string, unknown>>
/** Runs one statement as somebody who has the database and nothing else. */
type Intruder = (statement: string) => Promise<readonly Row[]>

function intruderOn(database: string, place: Place): Intruder {
  if (database !== 'embedded') return (statement) => runOn(database, statement)
  return async (statement) => {
    const file = new DatabaseSync(join(place.folder, 'data', 'keywright.db'))
    try {
      return file.prepare(statement).all()
    } finally {
      file.close()
    }
  }
}

const quoted = (text: unknown) => `'${String(text).replaceAll("'", "''")}'`

interface Scene {
  readonly place: Place
  readonly intrude: Intruder
  readonly victim: Awaited<ReturnType<typeof issue>>
  readonly other: Awaited<ReturnType<typeof issue>>
  /** The victim's row as it was while enabled; it is disabled since. */
  readonly older: Row
}

/** Two keys, of which the first is disabled; then the server is stopped. */
async function setScene(kind: DatabaseKind, leave: (then: () => void) => void): Promise<Scene> {
  const database = await databases.fresh(kind)
  const place = newPlace(database)
  leave(() => place.leave())
  const checkpoints = ['--checkpoint-dir', join(place.folder, 'data', 'checkpoints')]
  const server = await startServer(place, checkpoints)
  leave(() => void server.kill())
  const intrude = intruderOn(database, place)
  const victim = await issue(server)
  const other = await issue(server)
  const [older] = await intrude(`SELECT * FROM keys WHERE id = ${quoted(victim.keyId)}`)
  assert.ok(older)
  assert.equal((await server.call('POST', `/v1/keys/${victim.keyId}/disable`)).status, 200)
  assert.equal(await server.stop(), 0)
  return { place, intrude, victim, other, older }
}

async function audit({ place }: Scene, ...more: readonly string[]) {
  const ran = await runBinary(['audit', 'verify', '--json', ...place.flags, ...more])
  const text = ran.out.trim()
  return { ...ran, verdicts: text.startsWith('[') ? (JSON.parse(text) as Body[]) : [] }
}

async function codeOf(server: Server, credential: string): Promise<string> {
  const { status, body } = await server.call('POST', '/v1/verify', { credential })
  return status === 200 ? String(body['code']) : `${status}`
}

/** Runs `use` against a server that starts on what the intruder left. */
async function withServer<Result>(scene: Scene, use: (server: Server) => Promise<Result>): Promise<Result> {
  const server = await startServer(scene.place)
  try {
    return await use(server)
  } finally {
    await server.kill()
  }
}

const byRow: Readonly<Record<string, (scene: Scene) => Promise<unknown>>> = {
  'an older row is put back, which undoes a disable': ({ intrude, victim, older }) =>
    intrude(
      `UPDATE keys SET revision = ${Number(older['revision'])}, body = ${quoted(older['body'])}, mac = ${quoted(older['mac'])}, state = ${quoted(older['state'])} WHERE id = ${quoted(victim.keyId)}`,
    ),
  'the body is edited': ({ intrude, victim }) =>
    intrude(`UPDATE keys SET body = replace(body, '"disabled"', '"enabled"') WHERE id = ${quoted(victim.keyId)}`),
  'an index column is edited': ({ intrude, victim }) =>
    intrude(`UPDATE keys SET state = 'enabled' WHERE id = ${quoted(victim.keyId)}`),
  'the revision is raised': ({ intrude, victim }) =>
    intrude(`UPDATE keys SET revision = revision + 1 WHERE id = ${quoted(victim.keyId)}`),
  "another key's row is copied to this id": async ({ intrude, victim, other }) => {
    await intrude(`DELETE FROM keys WHERE id = ${quoted(victim.keyId)}`)
    await intrude(`UPDATE keys SET id = ${quoted(victim.keyId)} WHERE id = ${quoted(other.keyId)}`)
  },
  "another key's secret versions are moved here": async ({ intrude, victim, other }) => {
    const [mine] = await intrude(`SELECT body FROM keys WHERE id = ${quoted(victim.keyId)}`)
    const [theirs] = await intrude(`SELECT body FROM keys WHERE id = ${quoted(other.keyId)}`)
    const body = JSON.parse(String(mine?.['body'])) as Body
    body['versions'] = (JSON.parse(String(theirs?.['body'])) as Body)['versions'] ?? null
    await intrude(`UPDATE keys SET body = ${quoted(JSON.stringify(body))} WHERE id = ${quoted(victim.keyId)}`)
  },
}

const lastEntry = '(SELECT max(seq) FROM journal)'
const flip = (column: string) =>
  `UPDATE journal SET ${column} = replace(${column}, substr(${column}, 12, 1), '~') WHERE seq = 3`

const byJournal: Readonly<Record<string, { readonly statements: readonly string[]; readonly seq: number }>> = {
  'a byte of an entry is flipped': { statements: [flip('entry')], seq: 3 },
  'a byte of a MAC is flipped': { statements: [flip('mac')], seq: 3 },
  'a byte of a hash is flipped': { statements: [flip('hash')], seq: 3 },
  'the erasable contents are changed': {
    statements: [`UPDATE journal SET contents = replace(contents, 'Orders', 'Ordres')`],
    seq: 3,
  },
  'an entry is taken out': { statements: ['DELETE FROM journal WHERE seq = 4'], seq: 4 },
  'the target of an entry is changed': { statements: [`UPDATE journal SET target = 'key:x' WHERE seq = 4`], seq: 4 },
}

for (const kind of databaseKinds) {
  for (const [name, intrusion] of Object.entries(byRow)) {
    test(`on ${kind}: ${name}: verification refuses, the audit finds it`, async (t) => {
      const scene = await setScene(kind, (then) => t.after(then))
      assert.equal((await audit(scene)).code, 0)
      await intrusion(scene)
      assert.notEqual(await withServer(scene, (server) => codeOf(server, scene.victim.secret)), 'ok')
      const found = await audit(scene)
      assert.equal(found.code, 1, found.out + found.err)
      assert.match(String(found.verdicts[0]?.['reason']), /^keys kwk_live_/)
    })
  }

  test(`on ${kind}: whatever is changed in the journal is found at its entry`, async (t) => {
    const scene = await setScene(kind, (then) => t.after(then))
    const before = await scene.intrude('SELECT * FROM journal ORDER BY seq')
    for (const [name, { statements, seq }] of Object.entries(byJournal)) {
      for (const statement of statements) await scene.intrude(statement)
      const found = await audit(scene)
      assert.equal(found.code, 1, name)
      assert.equal(found.verdicts[0]?.['seq'], seq, `${name}: ${found.out}`)
      await putBack(scene.intrude, before)
    }
    assert.equal((await audit(scene)).code, 0, 'the journal is whole again')
  })

  test(`on ${kind}: a chain that is hashed anew without the key is found`, async (t) => {
    const scene = await setScene(kind, (then) => t.after(then))
    const rows = await scene.intrude('SELECT * FROM journal ORDER BY seq')
    let prev: string | undefined
    const anew = rows.map((row) => {
      const entry = JSON.parse(String(row['entry'])) as Body
      if (row['seq'] !== undefined && Number(row['seq']) === 3) entry['action'] = 'key.enable'
      if (prev !== undefined) entry['prev'] = prev
      const text = JSON.stringify(entry)
      const hash = createHash('sha256').update(text).digest('hex')
      const made = { ...row, entry: text, hash, prev: String(entry['prev']) }
      prev = hash
      return made
    })
    await putBack(scene.intrude, anew)
    await scene.intrude(`UPDATE heads SET hash = ${quoted(prev)}`)
    const found = await audit(scene)
    assert.equal(found.code, 1)
    assert.equal(found.verdicts[0]?.['seq'], 3)
    assert.equal(found.verdicts[0]?.['reason'], 'wrong_mac')
  })

  test(`on ${kind}: a cut tail is found by the checkpoint that was kept outside`, async (t) => {
    const scene = await setScene(kind, (then) => t.after(then))
    const kept = join(scene.place.folder, 'data', 'checkpoints', 'default.checkpoint')
    assert.match(readFileSync(kept, 'utf8'), /^\S+\n\d+\n/)
    const [last] = await scene.intrude('SELECT max(seq) AS seq FROM journal')
    const cut = Number(last?.['seq'])
    await scene.intrude(`DELETE FROM journal WHERE seq = ${lastEntry}`)
    assert.equal((await audit(scene)).verdicts[0]?.['seq'], cut, 'the head tells it')
    // The careful intruder cuts off all that tells of it within the database.
    const [end] = await scene.intrude(`SELECT hash FROM journal WHERE seq = ${lastEntry}`)
    await scene.intrude(`UPDATE heads SET seq = ${cut - 1}, hash = ${quoted(end?.['hash'])}`)
    await scene.intrude('DELETE FROM checkpoints')
    const found = await audit(scene, '--checkpoint', kept)
    assert.equal(found.code, 1)
    assert.equal(found.verdicts[0]?.['seq'], cut)
    assert.match(String(found.verdicts[0]?.['reason']), /cut off/)
  })

  test(`on ${kind}: a wrong KEK stops the start with one sentence`, async (t) => {
    const scene = await setScene(kind, (then) => t.after(then))
    const fresh = newPlace('embedded')
    t.after(() => fresh.leave())
    const elsewhere = await startServer(fresh)
    await elsewhere.kill()
    const flags = scene.place.flags.map((flag) => flag.replace(`${scene.place.folder}/kek`, `${fresh.folder}/kek`))
    const ran = await runBinary(['serve', '--listen', '127.0.0.1:0', ...flags])
    assert.equal(ran.code, 2, ran.err)
    assert.doesNotMatch(ran.out, /listens/)
    const said = ran.err.split('\n').filter((line) => line !== '' && !line.startsWith('{'))
    assert.equal(said.length, 1, ran.err)
    assert.match(said[0] ?? '', /KEK|keys of this tenant/)
  })

  test(`on ${kind}: a data key copied to another tenant opens nothing there`, async (t) => {
    const scene = await setScene(kind, (then) => t.after(then))
    const token = await withServer(scene, async (server) => {
      const made = await server.call('POST', '/v1/tenants', { slug: 'acme', name: 'Acme' })
      return String(made.body['token'])
    })
    const [acme] = await scene.intrude(`SELECT id FROM tenants WHERE slug = 'acme'`)
    await scene.intrude(
      `UPDATE deks SET wrapped = (SELECT wrapped FROM deks WHERE tenant <> ${quoted(acme?.['id'])}) WHERE tenant = ${quoted(acme?.['id'])}`,
    )
    const answer = await withServer(scene, (server) => server.call('GET', '/t/acme/v1/keys', undefined, { token }))
    assert.equal(answer.status, 503)
    const found = await audit(scene)
    assert.notEqual(found.code, 0)
  })
}

/** Writes the journal as these rows say. */
async function putBack(intrude: Intruder, rows: readonly Row[]): Promise<void> {
  await intrude('DELETE FROM journal')
  for (const row of rows) {
    const values = Object.values(row).map((value) => (value === null ? 'NULL' : quoted(value)))
    await intrude(`INSERT INTO journal (${Object.keys(row).join(', ')}) VALUES (${values.join(', ')})`)
  }
}
