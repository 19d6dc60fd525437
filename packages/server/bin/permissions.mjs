/**
 * The flags with which `keywright serve` is confined by Node's permission model: it reads what its user may read,
 * opens sockets, starts worker threads, and writes only into the folders that its settings name. No child process,
 * no native add-on. This file decides the flags and does nothing else; it runs on Node.js 18.
 */
import { dirname, isAbsolute, join, resolve } from 'node:path'

/**
 * The settings that name something `serve` writes to: how each is called, and which folder or file follows from it.
 * A setting is read as the server reads it: the flag, then the variable, then the file that the variable names.
 */
const writingSettings = [
  { flag: 'data-dir', variable: 'KEYWRIGHT_DATA_DIR', fallback: 'data', place: (value) => value },
  { flag: 'kek', variable: 'KEYWRIGHT_KEK', fallback: undefined, place: (value) => folderOfKek(value) },
  { flag: 'checkpoint-dir', variable: 'KEYWRIGHT_CHECKPOINT_DIR', fallback: undefined, place: (value) => value },
  { flag: 'listen', variable: 'KEYWRIGHT_LISTEN', fallback: undefined, place: (value) => folderOfSocket(value) },
]

/**
 * The absolute folders that `serve` may write to.
 * @param {readonly string[]} args the command line behind `keywright`
 * @param {Record<string, string | undefined>} env
 * @param {{ cwd: string, home: string, read: (path: string) => string }} world `read` may throw for a missing file
 * @returns {string[]}
 */
export function writableFolders(args, env, world) {
  const folders = new Set()
  for (const setting of writingSettings) {
    for (const value of valuesOf(setting, args, env, world)) {
      const place = setting.place(value)
      if (place !== undefined) folders.add(resolve(world.cwd, place))
    }
  }
  const kek = valuesOf(writingSettings[1], args, env, world)
  if (kek.length === 0) folders.add(join(configHome(env, world.home), 'keywright'))
  return [...folders]
}

function valuesOf(setting, args, env, { cwd, read }) {
  const given = flagValues(args, setting.flag)
  if (given.length > 0) return given
  if (env[setting.variable]) return [env[setting.variable]]
  const file = env[`${setting.variable}_FILE`]
  if (file) {
    try {
      return [read(resolve(cwd, file)).trim()].filter((value) => value !== '')
    } catch {
      // The server will refuse the missing file with a sentence of its own.
    }
  }
  return setting.fallback === undefined ? [] : [setting.fallback]
}

function flagValues(args, flag) {
  const values = []
  for (const [index, arg] of args.entries()) {
    if (arg === '--') break
    if (arg.startsWith(`--${flag}=`)) values.push(arg.slice(flag.length + 3))
    else if (arg === `--${flag}` && args[index + 1] !== undefined) values.push(args[index + 1])
  }
  return values.filter((value) => value !== '')
}

function configHome(env, home) {
  const named = env.XDG_CONFIG_HOME
  return named !== undefined && isAbsolute(named) ? named : join(home, '.config')
}

/** Only a KEK in a file is ever written, at the first start. */
function folderOfKek(value) {
  if (value.startsWith('file:')) return dirname(value.slice('file:'.length))
  return /^[a-z0-9]+:/.test(value) ? undefined : dirname(value)
}

/** A stale Unix socket is removed before listening. */
function folderOfSocket(value) {
  if (value.startsWith('unix:')) return dirname(value.slice('unix:'.length))
  return value.startsWith('/') ? dirname(value) : undefined
}

/**
 * Node's flags for `serve`.
 * @param {readonly string[]} folders absolute, as from `writableFolders`
 * @param {string} version of the Node.js that will run it, as in `process.versions.node`
 * @returns {string[]}
 */
export function permissionFlags(folders, version) {
  const flags = ['--permission', '--allow-fs-read=*', '--allow-worker']
  for (const folder of folders) flags.push(`--allow-fs-write=${folder}`, `--allow-fs-write=${join(folder, '*')}`)
  if (Number(version.split('.')[0]) >= 26) flags.push('--allow-net')
  // The flags themselves make Node warn: of workers (they run this same program) and of being experimental.
  flags.push('--disable-warning=SecurityWarning', '--disable-warning=ExperimentalWarning')
  return flags
}
