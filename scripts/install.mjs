/**
 * What `npm start` and `npm test` need on a fresh clone: the npm packages of the lock file, and for the tests a few
 * programs of the operating system. Each is installed only when it is missing, and each says so. Runs on Node.js 18.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Refusal, runNpm } from '../packages/server/bin/runtime.mjs'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** @param {string} sentence */
export function say(sentence) {
  process.stderr.write(`keywright: ${sentence}\n`)
}

/**
 * Runs `npm ci` when node_modules is missing or was made from another lock file. A stamp inside node_modules remembers
 * the lock, and is written last, so that an interrupted install is done again.
 */
export function ensurePackages(folder = root) {
  const stamp = join(folder, 'node_modules', '.keywright-installed')
  const wanted = stampOf(folder)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  say('Installing the npm packages of package-lock.json (once, and again when it changes).')
  const npm = runNpm(['ci', '--no-audit', '--no-fund', '--loglevel=error'], folder)
  if (npm.status !== 0) throw new Refusal(`The npm packages could not be installed.\n${npm.stderr.trim()}`)
  writeFileSync(stamp, wanted)
}

function stampOf(folder) {
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
  return `${lock} ${process.platform} ${process.arch}\n`
}

/** The programs that the tests drive for real: where each is looked for, and the Debian package that brings it. */
const systemPrograms = [
  { name: 'nginx', places: () => ['/usr/sbin', ...pathFolders()], debian: 'nginx' },
  { name: 'initdb', places: () => [...postgresFolders(), ...pathFolders()], debian: 'postgresql' },
  { name: 'strace', places: () => pathFolders(), debian: 'strace' },
]

function pathFolders() {
  return (process.env.PATH ?? '').split(delimiter)
}

function postgresFolders() {
  const home = '/usr/lib/postgresql'
  return existsSync(home) ? readdirSync(home).map((version) => join(home, version, 'bin')) : []
}

function missingPrograms() {
  return systemPrograms.filter(({ name, places }) => !places().some((folder) => existsSync(join(folder, name))))
}

/** Installs the Debian packages of the programs that are missing, or refuses with what to type. */
export function ensureSystemPrograms() {
  const missing = missingPrograms()
  if (missing.length === 0) return
  const packages = missing.map(({ debian }) => debian)
  const remedy = `apt-get install --no-install-recommends ${packages.join(' ')}`
  const names = missing.map(({ name }) => name).join(', ')
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) {
    throw new Refusal(`The tests need ${names}. Install them (on Debian: ${remedy}) and run the tests again.`)
  }
  if (process.getuid() !== 0) throw new Refusal(`The tests need ${names}. Type: sudo ${remedy}`)
  say(`Installing ${packages.join(', ')} with apt-get, which the tests drive for real.`)
  aptGet(['update', '-qq'], remedy)
  aptGet(['install', '-y', '-qq', '--no-install-recommends', ...packages], remedy)
  if (missingPrograms().length > 0) throw new Refusal(`apt-get brought no ${names}. Try: ${remedy}`)
}

function aptGet(args, remedy) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const result = spawnSync('apt-get', args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })
  if (result.status === 0) return
  const why = (result.stderr ?? '').trim().split('\n').slice(-5).join('\n')
  throw new Refusal(`apt-get ${args[0]} failed. Try by hand: ${remedy}\n${why}`)
}

/** Runs a script's work; a refusal becomes one message and exit code 2. */
export function runScript(work) {
  try {
    work()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    say(error.message)
    process.exitCode = 2
  }
}
