/**
 * From flags, environment and file to a configuration: who wins, and what is refused in which words.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Misconfigured, readConfig } from './read.ts'

const folder = mkdtempSync(join(tmpdir(), 'keywright-config-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

test('a flag beats a variable, a variable beats the file, the file beats the default', () => {
  const path = file('all.json', '{"data-dir": "/from-file", "log-level": "warn", "listen": "127.0.0.1:1"}')
  const config = readConfig(
    { dataDir: '/from-flag' },
    { KEYWRIGHT_DATA_DIR: '/from-variable', KEYWRIGHT_LOG_LEVEL: 'error' },
    path,
  )
  assert.equal(config.dataDir, '/from-flag')
  assert.equal(config.logLevel, 'error')
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 1 })
  assert.equal(config.database, 'embedded')
})

test('a variable may name a file with the value', () => {
  const token = file('token', 'the-token\n')
  assert.equal(readConfig({}, { KEYWRIGHT_METRICS_TOKEN_FILE: token }).metricsToken?.reveal(), 'the-token')
})

test('the KEK lies in the configuration folder of the user unless it is named', () => {
  assert.deepEqual(readConfig({}, { XDG_CONFIG_HOME: '/x' }).kek, ['file:/x/keywright/kek'])
  assert.deepEqual(readConfig({}, { HOME: '/h' }).kek, ['file:/h/.config/keywright/kek'])
  assert.deepEqual(readConfig({}, { KEYWRIGHT_KEK: 'file:a,env:B' }).kek, ['file:a', 'env:B'])
})

test('unknown variables are named, not refused', () => {
  assert.deepEqual(readConfig({}, { KEYWRIGHT_LISTNE: 'x', KEYWRIGHT_URL: 'y' }).unknownVariables, ['KEYWRIGHT_LISTNE'])
})

test('plain HTTP off loopback is refused unless TLS is configured or a proxy is named', () => {
  assert.throws(() => readConfig({ listen: '0.0.0.0:80' }, {}), /off loopback/)
  assert.ok(readConfig({ listen: '0.0.0.0:80', trustedProxies: '10.0.0.0/8' }, {}))
  assert.ok(readConfig({ listen: '0.0.0.0:443', tlsCert: 'c', tlsKey: 'k' }, {}))
  for (const listen of ['localhost:1', '127.5.5.5:1', '[::1]:1', 'unix:/run/kw.sock'])
    assert.ok(readConfig({ listen }, {}))
})

const refused: readonly (readonly [string, () => unknown, RegExp])[] = [
  ['a half-written file', () => readConfig({}, {}, file('half.json', '{"listen": "127.')), /half-written/],
  ['a file that is missing', () => readConfig({}, {}, join(folder, 'nowhere')), /cannot be read/],
  ['a setting that does not exist', () => readConfig({}, {}, file('extra.json', '{"lisden": "x"}')), /does not exist/],
  ['a setting that is a list', () => readConfig({}, {}, file('list.json', '{"listen": []}')), /text or a number/],
  ['half of TLS', () => readConfig({ tlsCert: 'c' }, {}), /both/],
  ['an address without a port', () => readConfig({ listen: 'localhost' }, {}), /HOST:PORT/],
  ['a port that is none', () => readConfig({ listen: 'localhost:99999' }, {}), /HOST:PORT/],
  ['a database of another kind', () => readConfig({ database: 'mysql://x' }, {}), /postgres:\/\//],
  ['a proxy that is no network', () => readConfig({ trustedProxies: '10.1.2.3/8' }, {}), /canonical/],
  ['a bus', () => readConfig({ bus: 'redis://x' }, {}), /--bus none/],
  ['a floor that is no number', () => readConfig({ unknownFloorMs: 'soon' }, {}), /whole number/],
  ['a level that is none', () => readConfig({ logLevel: 'loud' }, {}), /one of/],
]

for (const [what, read, sentence] of refused) {
  test(`${what} is refused in a sentence`, () => {
    assert.throws(read, (error: unknown) => error instanceof Misconfigured && sentence.test(error.message))
  })
}

test('a half-written file is named with the place where it breaks off, and without what is in it', () => {
  const path = file('cut.json', '{"listen": "127.0.0.1:1",\n  "database": "postgres://u:hunter2@')
  assert.throws(
    () => readConfig({}, {}, path),
    (error: unknown) =>
      error instanceof Misconfigured &&
      error.message.includes(`${path} is not whole JSON: look at line 2, column 15.`) &&
      !error.message.includes('hunter2'),
  )
})

test('no sentence repeats a value that could be a secret', () => {
  assert.throws(
    () => readConfig({ database: 'mysql://user:hunter2@db' }, {}),
    (error: unknown) => error instanceof Misconfigured && !error.message.includes('hunter2'),
  )
})
