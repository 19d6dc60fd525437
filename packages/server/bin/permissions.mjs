/**
 * The flags with which `keywright serve` is confined by Node's permission model: it reads what its user may read,
 * opens sockets, starts worker threads, and writes only into the folders that its settings name. No child process,
 * no native add-on. This file decides the flags and does nothing else; it runs on Node.js 18.
 */
import { dirname, join, resolve } from 'node:path'

/**
 * The settings that name something `serve` writes to, and the folders that follow from a value. The names are those of
 * `src/config/settings.ts`, which cannot be imported here; a test compares them.
 */
export const writingSettings = [
  { flag: 'data-dir', fallback: () => './data', folders: (value) => [value] },
  { flag: 'kek', fallback: defaultKek, folders: foldersOfKek },
  { flag: 'checkpoint-dir', fallback: () => '', folders: (value) => [value] },
  { flag: 'listen', fallback: () => '', folders: folderOfSocket },
]

/**
 * The absolute folders that `serve` may write to. A setting is read as the server reads it: the flag, the variable, the
 * file that the variable names, the configuration file, the default. What is missing or malformed is passed over: the
 * server refuses it with a sentence of its own.
 * @param {readonly string[]} args the command line behind `keywright`
 * @param {Record<string, string | undefined>} env
 * @param {{ cwd: string, home: string, read: (path: string) => string }} world `read` may throw for a missing file
 * @returns {string[]}
 */
export function writableFolders(args, env, world) {
  const read = (path) => attempt(() => world.read(resolve(world.cwd, path))) ?? ''
  const configFile = flagValue(args, 'config') || env.KEYWRIGHT_CONFIG
  const config = (configFile && attempt(() => JSON.parse(read(configFile)))) || {}
  const folders = writingSettings.flatMap((setting) => {
    const variable = `KEYWRIGHT_${setting.flag.toUpperCase().replaceAll('-', '_')}`
    const file = env[`${variable}_FILE`]
    const value =
      flagValue(args, setting.flag) ||
      env[variable] ||
      (file && read(file).trim()) ||
      config[setting.flag] ||
      setting.fallback(env, world.home)
    return value === '' ? [] : setting.folders(String(value))
  })
  return [...new Set(folders.map((folder) => resolve(world.cwd, folder)))]
}

function attempt(work) {
  try {
    return work()
  } catch {
    return undefined
  }
}

/** The last value wins, as on the server's command line. */
function flagValue(args, flag) {
  let value
  for (const [index, arg] of args.entries()) {
    if (arg === '--') break
    if (arg.startsWith(`--${flag}=`)) value = arg.slice(flag.length + 3)
    else if (arg === `--${flag}`) value = args[index + 1]
  }
  return value
}

function defaultKek(env, home) {
  return `file:${join(env.XDG_CONFIG_HOME || join(env.HOME || home, '.config'), 'keywright', 'kek')}`
}

/** Only a KEK in a file is ever written, at the first start. */
function foldersOfKek(value) {
  const places = value.split(',').map((place) => place.trim())
  return places.filter((place) => place.startsWith('file:')).map((place) => dirname(place.slice('file:'.length)))
}

/** A stale Unix socket is removed before listening. */
function folderOfSocket(value) {
  return value.startsWith('unix:') ? [dirname(value.slice('unix:'.length))] : []
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
