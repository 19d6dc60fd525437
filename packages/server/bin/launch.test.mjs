/**
 * The launcher: which Node.js it accepts, what it fetches, what it lets the server write, and that signals and exit codes
 * pass through it unchanged. The download itself is proven with a package of a few bytes served by the test.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { permissionFlags, writableFolders, writingSettings } from './permissions.mjs'
import { pinnedPackage, pinnedRuntime, supports } from './runtime.mjs'

const root = join(import.meta.dirname, '..', '..', '..')
const scratch = mkdtempSync(join(tmpdir(), 'keywright-launch-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

describe('the supported lines of Node.js', () => {
  const verdicts = {
    '18.20.8': false,
    '22.22.0': false,
    '24.14.1': false,
    '24.15.0': true,
    '24.21.0': true,
    '25.9.0': false,
    '26.0.0': true,
    '26.10.0': true,
    '27.1.0': false,
    '28.0.0': true,
  }
  for (const [version, verdict] of Object.entries(verdicts)) {
    test(`${verdict ? 'include' : 'exclude'} ${version}`, () => assert.equal(supports(version), verdict))
  }
})

describe('the pinned runtime', () => {
  const platforms = ['linux x64', 'linux arm64', 'darwin x64', 'darwin arm64', 'win32 x64']
  for (const platform of platforms) {
    test(`names one package with integrity for ${platform}`, () => {
      const [os, cpu] = platform.split(' ')
      const { version, entry } = pinnedPackage(join(root, 'runtime'), os, cpu)
      assert.equal(supports(version), true)
      assert.match(entry.integrity, /^sha512-[A-Za-z0-9+/]{86}==$/)
    })
  }

  test('refuses a platform without a package with a remedy', () => {
    assert.throws(() => pinnedPackage(join(root, 'runtime'), 'sunos', 'x64'), /Install Node\.js 26/)
  })

  test('refuses a package of another integrity with the reason, and leaves nothing behind', () => {
    const folder = runtimeOf('corrupt', { version: '1.0.0', integrity: `sha512-${'A'.repeat(86)}==` })
    assert.throws(() => pinnedRuntime(folder, () => {}), /Node\.js 1\.0\.0 could not be fetched: .*EINTEGRITY/)
    assert.deepEqual(readdirSync(folder).sort(), ['package-lock.json', 'package.json', 'packed.tgz', 'tiny'])
  })

  test('refuses a program that does not answer with the pinned version', () => {
    const folder = runtimeOf('impostor', { version: '1.0.0', answer: 'v0.9.9' })
    assert.throws(() => pinnedRuntime(folder, () => {}), /does not run on this machine/)
    assert.ok(!readdirSync(folder).includes('node_modules'))
  })

  test('is fetched once, with one sentence, and then used', () => {
    const folder = runtimeOf('sound', { version: '1.0.0', answer: 'v1.0.0' })
    const said = []
    const first = pinnedRuntime(folder, (sentence) => said.push(sentence))
    const second = pinnedRuntime(folder, (sentence) => said.push(sentence))
    assert.equal(first, second)
    assert.equal(spawnSync(first, ['-v'], { encoding: 'utf8' }).stdout, 'v1.0.0\n')
    assert.equal(said.length, 1)
    assert.match(said[0], /^Fetching Node\.js 1\.0\.0 /)
  })
})

/** A runtime folder whose lock names a package of this platform, packed beside it and holding a script as its node. */
function runtimeOf(name, { version, answer = 'v1.0.0', integrity }) {
  const folder = join(scratch, name)
  mkdirSync(join(folder, 'tiny', 'bin'), { recursive: true })
  writeFileSync(
    join(folder, 'tiny', 'package.json'),
    JSON.stringify({ name: 'tiny', version, bin: { node: 'bin/node' } }),
  )
  writeFileSync(join(folder, 'tiny', 'bin', 'node'), `#!/bin/sh\necho ${answer}\n`, { mode: 0o755 })
  const packed = spawnSync('npm', ['pack', './tiny', '--json'], { cwd: folder, encoding: 'utf8' })
  const [{ filename, integrity: real }] = [JSON.parse(packed.stdout)].flatMap((report) => Object.values(report))
  cpSync(join(folder, filename), join(folder, 'packed.tgz'))
  rmSync(join(folder, filename))
  const entry = {
    version,
    resolved: `file:${join(folder, 'packed.tgz')}`,
    integrity: integrity ?? real,
    os: [process.platform],
    cpu: [process.arch],
    bin: { node: 'bin/node' },
  }
  const lock = { name, lockfileVersion: 3, packages: { '': {}, 'node_modules/tiny': entry } }
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock))
  writeFileSync(join(folder, 'package.json'), '{}')
  return folder
}

describe('the folders that serve may write to', () => {
  const files = {
    '/run/secrets/dir': '/srv/kw\n',
    '/here/kw.json': '{"data-dir": "/from/file", "kek": "env:K"}',
    '/broken.json': '{"data-dir": ',
  }
  const world = {
    cwd: '/here',
    home: '/home/kim',
    read: (path) => files[path] ?? assert.fail(`no file ${path}`),
  }
  const cases = [
    { says: 'by default', args: [], env: {}, want: ['/here/data', '/home/kim/.config/keywright'] },
    { says: 'with a flag', args: ['--data-dir', 'x'], env: {}, want: ['/here/x', '/home/kim/.config/keywright'] },
    { says: 'with a flag and =', args: ['--data-dir=/y/'], env: {}, want: ['/y', '/home/kim/.config/keywright'] },
    {
      says: 'where the flag beats the variable',
      args: ['--data-dir', '/x'],
      env: { KEYWRIGHT_DATA_DIR: '/z' },
      want: ['/x', '/home/kim/.config/keywright'],
    },
    {
      says: 'with a variable that names a file',
      args: [],
      env: { KEYWRIGHT_DATA_DIR_FILE: '/run/secrets/dir', XDG_CONFIG_HOME: '/xdg' },
      want: ['/srv/kw', '/xdg/keywright'],
    },
    {
      says: 'with the missing file of a variable',
      args: [],
      env: { KEYWRIGHT_DATA_DIR_FILE: '/none' },
      want: ['/here/data', '/home/kim/.config/keywright'],
    },
    { says: 'with a configuration file', args: ['--config', 'kw.json'], env: {}, want: ['/from/file'] },
    {
      says: 'where the variable beats the configuration file',
      args: [],
      env: { KEYWRIGHT_CONFIG: '/here/kw.json', KEYWRIGHT_DATA_DIR: '/z' },
      want: ['/z'],
    },
    {
      says: 'with a broken configuration file',
      args: ['--config=/broken.json'],
      env: { HOME: '/root' },
      want: ['/here/data', '/root/.config/keywright'],
    },
    {
      says: 'with two KEKs during a change',
      args: ['--kek', 'file:/new/kek,file:/old/kek'],
      env: {},
      want: ['/here/data', '/new', '/old'],
    },
    { says: 'with a KEK file', args: ['--kek', 'file:/k/kek'], env: {}, want: ['/here/data', '/k'] },
    { says: 'with a KEK in the environment', args: ['--kek', 'env:KEK'], env: {}, want: ['/here/data'] },
    {
      says: 'with checkpoints and a Unix socket',
      args: ['--checkpoint-dir', '/c', '--listen=unix:/run/kw/kw.sock', '--kek=env:K'],
      env: {},
      want: ['/here/data', '/c', '/run/kw'],
    },
    { says: 'with a TCP address', args: ['--listen', '0.0.0.0:1', '--kek=env:K'], env: {}, want: ['/here/data'] },
    { says: 'with words behind --', args: ['--kek=env:K', '--', '--data-dir=/x'], env: {}, want: ['/here/data'] },
  ]
  for (const { says, args, env, want } of cases) {
    test(says, () => assert.deepEqual(writableFolders(['serve', ...args], env, world), want))
  }
})

describe('the settings that name a folder', () => {
  const table = readFileSync(join(import.meta.dirname, '..', 'src', 'config', 'settings.ts'), 'utf8')
  for (const { flag } of writingSettings) {
    test(`include --${flag}, as the server spells it`, () => assert.ok(table.includes(`flag: '${flag}'`)))
  }
})

describe('the permission flags', () => {
  test('open the network by name from line 26 on, where it is closed otherwise', () => {
    assert.ok(permissionFlags(['/a'], '26.10.0').includes('--allow-net'))
    assert.ok(!permissionFlags(['/a'], '24.21.0').includes('--allow-net'))
  })

  const probe = `
    const { mkdirSync, writeFileSync } = require('node:fs')
    const { Worker } = require('node:worker_threads')
    const { spawnSync } = require('node:child_process')
    const attempt = (work) => { try { work(); return 'yes' } catch (error) { return error.code } }
    const inside = attempt(() => { mkdirSync(process.argv[1] + '/a', { recursive: true }); writeFileSync(process.argv[1] + '/a/b', '') })
    const outside = attempt(() => writeFileSync(process.argv[1] + '-other', ''))
    const child = attempt(() => { const { error } = spawnSync('true'); if (error) throw error })
    require('node:net').createServer().listen(0, '127.0.0.1', function () {
      this.close()
      new Worker('', { eval: true }).on('exit', () => console.log(inside, outside, child))
    })`

  test('hold in this Node.js: the folder is writable, its neighbour is not, no child starts, nothing is warned of', () => {
    const folder = join(scratch, 'confined')
    const args = [...permissionFlags([folder], process.versions.node), '-e', probe, folder]
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.equal(stderr, '')
    assert.equal(stdout, 'yes ERR_ACCESS_DENIED ERR_ACCESS_DENIED\n')
  })
})

describe('what runs behind the launcher', () => {
  const clone = join(scratch, 'clone', 'packages', 'server')
  mkdirSync(join(clone, 'src'), { recursive: true })
  cpSync(import.meta.dirname, join(clone, 'bin'), { recursive: true })
  writeFileSync(
    join(clone, 'src', 'main.ts'),
    `const word: string | undefined = process.argv[2]
if (word === 'exit') process.exit(Number(process.argv[3]))
process.on('SIGHUP', () => process.exit(77))
setInterval(() => {}, 1000)
console.log(JSON.stringify(process.argv.slice(2)))
`,
  )
  const command = join(clone, 'bin', 'keywright.mjs')

  /** Without `process.execve`, as on Node.js 18 and Windows, a child is used. */
  const withoutReplacing = ['--import', 'data:text/javascript,process.execve = undefined']
  for (const [way, flags] of Object.entries({ 'in its place': [], 'as its child': withoutReplacing })) {
    test(`${way}: exit code`, () => {
      assert.equal(spawnSync(process.execPath, [...flags, command, 'exit', '42']).status, 42)
    })

    test(`${way}: arguments, however odd`, async () => {
      const { child, said } = await started(flags, ['a b', '--x=*', '', '$HOME'])
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      assert.deepEqual(JSON.parse(said), ['a b', '--x=*', '', '$HOME'])
    })

    for (const [signal, ending] of Object.entries({
      SIGTERM: [null, 'SIGTERM'],
      SIGINT: [null, 'SIGINT'],
      SIGHUP: [77, null],
    })) {
      test(`${way}: ${signal}`, async () => {
        const { child } = await started(flags, ['wait'])
        const ended = new Promise((resolve) => child.on('exit', (code, name) => resolve([code, name])))
        child.kill(signal)
        assert.deepEqual(await ended, ending)
      })
    }
  }

  async function started(flags, args) {
    const child = spawn(process.execPath, [...flags, command, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    const said = await new Promise((resolve) => child.stdout.once('data', (chunk) => resolve(String(chunk))))
    return { child, said }
  }
})

describe('the published package', () => {
  test('takes the launcher along and leaves its test behind', () => {
    const { files, bin } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'))
    assert.equal(bin.keywright, 'bin/keywright.mjs')
    assert.deepEqual(files.slice(0, 2), ['bin/*.mjs', '!bin/*.test.mjs'])
  })
})
