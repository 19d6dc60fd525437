/**
 * Which Node.js runs Keywright, and how it is fetched when the machine's own is too old. The lock file in
 * `runtime/` pins one npm package per platform with its integrity; nothing is taken that the lock does not name.
 * Plain JavaScript without dependencies, since it must run on Node.js 18. It knows nothing of Keywright itself.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'

/** What went wrong, with its remedy, in words for the person at the terminal. Exit code 2. */
export class Refusal extends Error {}

/**
 * True for the supported lines: 24 from 24.15 on (older ones ship an SQLite with a WAL fault), 26 and later even lines.
 * @param {string} version as in `process.versions.node`
 */
export function supports(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major === 24) return minor >= 15
  return major >= 26 && major % 2 === 0
}

/**
 * The pinned package for a platform: its entry in the lock file that has this `os` and `cpu`.
 * @param {string} folder holds package.json and package-lock.json
 * @returns {{ name: string, version: string, file: string, entry: Record<string, unknown> }}
 */
export function pinnedPackage(folder, platform = process.platform, arch = process.arch) {
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'))
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (!path.startsWith('node_modules/')) continue
    if (![entry.os].flat().includes(platform) || ![entry.cpu].flat().includes(arch)) continue
    return { name: path.slice('node_modules/'.length), version: entry.version, file: entry.bin.node, entry }
  }
  throw new Refusal(
    `No Node.js is pinned for ${platform} on ${arch}. Install Node.js 26, or 24.15 or later of line 24, and start again.`,
  )
}

/**
 * The path of the pinned Node.js, fetched first when it is missing or of another version.
 * @param {string} folder holds package.json and package-lock.json; the result lies in its node_modules
 * @param {(sentence: string) => void} say is told before anything is downloaded
 */
export function pinnedRuntime(folder, say, platform = process.platform, arch = process.arch) {
  const pinned = pinnedPackage(folder, platform, arch)
  const home = join(folder, 'node_modules', pinned.name)
  const binary = join(home, pinned.file)
  if (installedVersion(home) === pinned.version && existsSync(binary)) return binary
  say(`Fetching Node.js ${pinned.version} for ${platform}-${arch} from the npm registry, as pinned in runtime/.`)
  fetchInto(folder, pinned)
  return binary
}

function installedVersion(home) {
  try {
    return JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')).version
  } catch {
    return undefined
  }
}

/**
 * Installs into a temporary folder and moves the result into place when it has proven itself, so that neither an
 * interrupted download nor two at once leave half a runtime. The one package is asked for as a plain dependency:
 * npm passes over an optional one in silence when its integrity is wrong.
 */
function fetchInto(folder, pinned) {
  const work = mkdtempSync(join(folder, '.fetch-'))
  try {
    const root = { name: 'keywright-runtime', private: true, dependencies: { [pinned.name]: pinned.version } }
    const { optional: _, ...entry } = pinned.entry
    const packages = { '': root, [`node_modules/${pinned.name}`]: entry }
    writeFileSync(join(work, 'package.json'), JSON.stringify(root))
    writeFileSync(
      join(work, 'package-lock.json'),
      JSON.stringify({ name: root.name, lockfileVersion: 3, requires: true, packages }),
    )
    const npm = runNpm(
      ['ci', '--prefix', work, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
      work,
    )
    if (npm.status !== 0) throw new Refusal(`Node.js ${pinned.version} could not be fetched: ${firstLines(npm.stderr)}`)
    proveVersion(join(work, 'node_modules', pinned.name, pinned.file), pinned.version)
    putInPlace(join(work, 'node_modules'), join(folder, 'node_modules'), pinned)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function proveVersion(binary, version) {
  const answer = spawnSync(binary, ['-v'], { encoding: 'utf8' })
  if (answer.stdout?.trim() === `v${version}`) return
  const why = answer.error?.message ?? firstLines(answer.stderr) ?? `it answered ${answer.stdout}`
  throw new Refusal(
    `The fetched Node.js ${version} does not run on this machine (${why}). Install Node.js 26 by other means and start again.`,
  )
}

function putInPlace(from, to, pinned) {
  if (installedVersion(join(to, pinned.name)) !== pinned.version) rmSync(to, { recursive: true, force: true })
  try {
    renameSync(from, to)
  } catch (error) {
    // Somebody else was quicker with the same version: theirs is as good.
    if (installedVersion(join(to, pinned.name)) !== pinned.version) throw error
  }
}

function firstLines(text) {
  const lines = (text ?? '').split('\n').filter((line) => line.trim() !== '' && !line.includes('A complete log'))
  return lines.slice(0, 4).join(' ').trim() || undefined
}

/**
 * Runs npm: the one that started this process, else the one on the PATH.
 * @param {string[]} args
 * @param {string} cwd
 * @param {'pipe' | 'inherit'} stdio where npm's own words go
 */
export function runNpm(args, cwd, stdio = 'pipe') {
  const cli = process.env.npm_execpath
  const options = { cwd, encoding: 'utf8', stdio: ['ignore', stdio, stdio], env: environmentForNpm() }
  const result =
    cli?.endsWith('.js') === true
      ? spawnSync(process.execPath, [cli, ...args], options)
      : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' })
  if (result.error === undefined) return result
  throw new Refusal(`npm could not be run (${result.error.message}). Install npm beside Node.js and start again.`)
}

/** The caller's npm settings for this very run (prefix, workspace, omit …) must not bend an inner npm. */
function environmentForNpm() {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^npm_config_(local_prefix|prefix|workspaces?|omit|include|global|dry_run|ignore_scripts)$/i.test(name),
  )
  return Object.fromEntries(kept)
}

/**
 * Goes on as another program: in this very process where Node.js can, so that signals and the exit code need no
 * passing on; else as a child whose signals and exit code are passed on. Does not return.
 * @param {string} binary
 * @param {string[]} args
 */
export function become(binary, args, canReplace = process.platform !== 'win32') {
  if (canReplace && typeof process.execve === 'function') {
    process.execve(binary, [binary, ...args], process.env)
  }
  const child = spawn(binary, args, { stdio: 'inherit' })
  const signals = ['SIGTERM', 'SIGHUP', 'SIGUSR2', 'SIGINT', 'SIGQUIT'].filter((name) => name in constants.signals)
  for (const signal of signals) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C and Ctrl-\ to the child as well: twice would mean "at once".
      const fromTerminal = process.stdin.isTTY === true && (signal === 'SIGINT' || signal === 'SIGQUIT')
      if (!fromTerminal) child.kill(signal)
    })
  }
  child.on('error', (error) => {
    process.stderr.write(`keywright: ${binary} could not be started: ${error.message}\n`)
    process.exit(2)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 2)
    for (const name of signals) process.removeAllListeners(name)
    process.kill(process.pid, signal)
  })
}
