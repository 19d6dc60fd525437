/**
 * The auditor whose database was written to behind the server's back: whatever was planted, `audit verify` names it.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import canonicalize from 'canonicalize'
import { SqliteConnection } from '../src/adapters/database/sqlite-connection.ts'
import { type Config, readConfig } from '../src/config/read.ts'
import { localOperations } from '../src/compose.ts'
import { issue, newPlace, startServer } from './harness.ts'

const place = newPlace('embedded')
const checkpointFile = join(place.folder, 'outside', 'default.checkpoint')
let copies = 0
let apiRow: unknown[] = []
const file = 'keywright.db'

before(async () => {
  const server = await startServer(place, ['--checkpoint-dir', join(place.folder, 'outside')])
  const { keyId, consumerId } = await issue(server)
  await issue(server)
  const before = new SqliteConnection(join(server.dataDir, file), { readOnly: true })
  apiRow = [keyId, ...before.all('select body, mac, revision from keys where id = ?', [keyId])]
  before.close()
  await server.call('POST', `/v1/keys/${keyId}/disable`)
  await server.call('POST', '/v1/consumers', { name: 'gone', meta: { city: 'Bern' } })
  await server.call('PATCH', `/v1/consumers/${consumerId}`, { meta: { city: 'Basel' } })
  assert.equal(await server.stop(), 0)
})
after(() => place.leave())

function configOf(dataDir: string): Config {
  const kek = `file:${join(place.folder, 'kek', 'kek')}`
  return readConfig({ dataDir, kek, logLevel: 'silent' }, {})
}

/** Runs a statement on the file itself. */
type Edit = (sql: string, parameters?: readonly (string | number | null)[]) => Record<string, unknown>[]

/** Verifies a copy of the database to which something was done. */
async function verdictAfter(harm: (edit: Edit) => void, outside: boolean) {
  copies += 1
  const dataDir = join(place.folder, `copy-${copies}`)
  cpSync(join(place.folder, 'data'), dataDir, { recursive: true })
  const connection = new SqliteConnection(join(dataDir, file), { readOnly: false })
  harm((sql, parameters = []) => connection.all(sql, parameters))
  connection.close()
  const [verdict] = await localOperations.verify(configOf(dataDir), outside ? [checkpointFile] : [])
  assert.ok(verdict)
  return verdict
}

const flip = (column: string, seq: number) => (edit: Edit) => {
  const [row] = edit(`select ${column} as text from journal where seq = ?`, [seq])
  const text = String(row?.['text'])
  const at = Math.floor(text.length / 2)
  const other = text[at] === 'a' ? 'b' : 'a'
  edit(`update journal set ${column} = ? where seq = ?`, [text.slice(0, at) + other + text.slice(at + 1), seq])
}

function cut(edit: Edit): void {
  edit('delete from journal where seq > 3')
  edit('update heads set seq = 3, hash = (select hash from journal where seq = 3)')
  edit('delete from apis')
  edit('delete from consumers')
  edit('delete from keys')
  edit('delete from checkpoints')
}

/** A change of the past with every later hash made to fit, as somebody without the keys can. */
function rewrite(edit: Edit): void {
  let prev = ''
  for (const row of edit('select seq, entry from journal order by seq')) {
    const seq = Number(row['seq'])
    const open = JSON.parse(String(row['entry'])) as { prev: string; at: string }
    if (seq === 2) open.at = '2020-01-01T00:00:00.000Z'
    if (seq > 2) open.prev = prev
    const entry = canonicalize(open) ?? ''
    prev = createHash('sha256').update(entry).digest('hex')
    edit('update journal set entry = ?, hash = ?, prev = ? where seq = ?', [entry, prev, open.prev, seq])
  }
  edit('update heads set hash = ?', [prev])
  edit('delete from checkpoints')
}

const harms: readonly [string, (edit: Edit) => void, RegExp][] = [
  ['a changed byte of an entry', flip('entry', 4), /^4 wrong_hash/],
  ['a changed byte of a hash', flip('hash', 4), /^4 wrong_hash/],
  ['a changed byte of a MAC', flip('mac', 4), /^4 wrong_mac/],
  ['a changed byte of a link', flip('prev', 4), /^4 broken_chain/],
  ['a changed column', flip('target', 4), /^4 wrong_columns/],
  ['changed contents', flip('contents', 4), /^4 wrong_contents/],
  ['an entry that was taken out', (edit) => edit('delete from journal where seq = 5'), /^5 gap/],
  [
    'two entries in the other order',
    (edit) => {
      edit('update journal set seq = -4 where seq = 4')
      edit('update journal set seq = 4 where seq = 5')
      edit('update journal set seq = 5 where seq = -4')
    },
    /^4 broken_chain/,
  ],
  ['a past that was rewritten with fitting hashes', rewrite, /^2 wrong_mac/],
  ['a head that names another end', (edit) => edit("update heads set hash = replace(hash, 'a', 'b')"), /another hash/],
  ['a journal without a head', (edit) => edit('delete from heads'), /does not have/],
  ['a cut tail', cut, /cut off: a checkpoint covers/],
  [
    'an edited row',
    (edit) => edit(`update keys set body = replace(body, '"disabled"', '"enabled"')`),
    /keys .*: wrong_mac/,
  ],
  ['an edited column of a row', (edit) => edit("update keys set state = 'enabled'"), /keys .*: moved_columns/],
  [
    'a row that was put back to an older one',
    (edit) => {
      const [id, row] = apiRow as [string, Record<string, string | number>]
      const values = [row['body'] ?? '', row['mac'] ?? '', row['revision'] ?? 0, id]
      edit("update keys set body = ?, mac = ?, revision = ?, state = 'enabled' where id = ?", values)
    },
    /keys .*: revived_revision/,
  ],
  [
    'a row under another id',
    (edit) => edit("update apis set id = 'api_other' where rowid = (select min(rowid) from apis)"),
    /apis api_other: wrong_mac/,
  ],
  [
    'a row that was taken away',
    (edit) => edit('delete from keys where rowid = (select min(rowid) from keys)'),
    /1 of the keys that the journal knows are missing/,
  ],
]

describe('audit verify', () => {
  test('finds nothing where nothing was done', async () => {
    const verdict = await verdictAfter(() => undefined, true)
    assert.deepEqual(
      { ok: verdict.ok, whole: verdict.ok && verdict.checkpoint === verdict.to },
      { ok: true, whole: true },
    )
    assert.ok(readFileSync(checkpointFile, 'utf8').includes('keywright.dev/journal/'))
  })

  for (const [what, harm, shown] of harms) {
    test(`finds ${what}`, async () => {
      const verdict = await verdictAfter(harm, true)
      assert.equal(verdict.ok, false)
      assert.match(verdict.ok ? '' : `${verdict.seq} ${verdict.reason}`, shown)
    })
  }
})
