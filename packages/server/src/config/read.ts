/**
 * From flags, environment and file to one configuration, or sentences that say what is wrong with it. The only reader of the environment.
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseNetwork } from '../domain/access/networks.ts'
import { Secret } from '../model/secret.ts'
import { placeOfFault } from './json-place.ts'
import { type Setting, type SettingName, clientVariables, settings, variableOf } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly socket: string }

export interface Config {
  readonly listen: ListenAddress
  readonly publicUrl: string | undefined
  readonly dataDir: string
  readonly database: string
  readonly databaseListenUrl: string | undefined
  readonly kek: readonly string[]
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  readonly trustedProxies: readonly string[]
  readonly caFile: string | undefined
  readonly checkpointDir: string | undefined
  readonly metricsToken: Secret | undefined
  readonly operatorToken: Secret | undefined
  readonly unknownFloorMs: number
  readonly logLevel: (typeof logLevels)[number]
  /** Environment variables that no setting has, by name. */
  readonly unknownVariables: readonly string[]
  /** The value of a variable, for KEKs that are kept in one. */
  readonly variable: (name: string) => string | undefined
}

const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const

/** The configuration cannot be used; each sentence says what to do. */
export class Misconfigured extends Error {
  override readonly name = 'Misconfigured'
}

type Values = { [Name in SettingName]?: string }

/** Reads the configuration of a server. `flags` has the values that were given on the command line, by setting. */
export function readConfig(flags: Values, environment: Environment = process.env, configFile?: string): Config {
  const file = readFile(configFile ?? environment['KEYWRIGHT_CONFIG'])
  const value = (name: SettingName): string | undefined => {
    const setting: Setting = settings[name]
    return flags[name] ?? readVariable(variableOf(setting), environment) ?? file[name] ?? setting.default
  }
  const listen = readListen(value('listen') ?? '')
  const trustedProxies = listOf(value('trustedProxies'))
  for (const proxy of trustedProxies) {
    if (typeof parseNetwork(proxy) === 'string')
      throw new Misconfigured('--trusted-proxies takes networks in canonical form, such as 10.0.0.0/8.')
  }
  const tls = readTls(value('tlsCert'), value('tlsKey'))
  if (!isLoopback(listen) && tls === undefined && trustedProxies.length === 0) {
    throw new Misconfigured(
      'Plain HTTP off loopback would show every secret to the network. Give --tls-cert and --tls-key, or name the proxy in front by --trusted-proxies.',
    )
  }
  if ((value('bus') ?? 'none') !== 'none') throw new Misconfigured('This release knows only --bus none.')
  const database = value('database') ?? 'embedded'
  if (database !== 'embedded' && !/^postgres(ql)?:\/\//.test(database))
    throw new Misconfigured('--database is embedded or a postgres:// URL.')
  const kek = listOf(value('kek'))
  return {
    listen,
    publicUrl: readUrl(value('publicUrl')),
    dataDir: value('dataDir') ?? './data',
    database,
    databaseListenUrl: value('databaseListenUrl'),
    kek: kek.length > 0 ? kek : [defaultKek(environment)],
    tls,
    trustedProxies,
    caFile: value('caFile'),
    checkpointDir: value('checkpointDir'),
    metricsToken: secretOf(value('metricsToken')),
    operatorToken: secretOf(value('operatorToken')),
    unknownFloorMs: readNumber('--unknown-floor-ms', value('unknownFloorMs') ?? '', 0, 1_000),
    logLevel: readLevel(value('logLevel') ?? ''),
    unknownVariables: unknownVariables(environment),
    variable: (name) => environment[name],
  }
}

/** The environment's own settings of the command line. */
export function readClient(environment: Environment = process.env): {
  readonly url: string | undefined
  readonly token: Secret | undefined
  readonly dataDir: string
  readonly caFile: string | undefined
  readonly colour: boolean
} {
  return {
    url: readVariable('KEYWRIGHT_URL', environment),
    token: secretOf(readVariable('KEYWRIGHT_OPERATOR_TOKEN', environment)),
    dataDir: readVariable('KEYWRIGHT_DATA_DIR', environment) ?? './data',
    caFile: readVariable('KEYWRIGHT_CA_FILE', environment),
    colour: (environment['NO_COLOR'] ?? '') === '',
  }
}

/** The environment in which Node's HTTP agents look for `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. */
export function proxyEnvironment(): NodeJS.ProcessEnv {
  return process.env
}

function readVariable(name: string, environment: Environment): string | undefined {
  const direct = environment[name]
  if (direct !== undefined && direct !== '') return direct
  const path = environment[`${name}_FILE`]
  if (path === undefined || path === '') return undefined
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    throw new Misconfigured(`${name}_FILE names a file that cannot be read.`)
  }
}

function readFile(path: string | undefined): Values {
  if (path === undefined) return {}
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    throw new Misconfigured(`The configuration file ${path} cannot be read.`)
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    const { line, column } = placeOfFault(text)
    throw new Misconfigured(
      `The configuration file ${path} is not whole JSON: look at line ${line}, column ${column}. It may be half-written; write it anew.`,
    )
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new Misconfigured(`The configuration file ${path} must hold one JSON object.`)
  const values: Values = {}
  for (const [flag, value] of Object.entries(parsed)) {
    const name = (Object.keys(settings) as SettingName[]).find((one) => settings[one].flag === flag)
    if (name === undefined)
      throw new Misconfigured(`The configuration file ${path} has a setting ${flag.slice(0, 40)} that does not exist.`)
    if (typeof value !== 'string' && typeof value !== 'number')
      throw new Misconfigured(`The setting ${flag} in ${path} must be a text or a number.`)
    values[name] = String(value)
  }
  return values
}

function readListen(text: string): ListenAddress {
  if (text.startsWith('unix:')) return { socket: text.slice('unix:'.length) }
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535)
    throw new Misconfigured('--listen takes HOST:PORT, such as 127.0.0.1:8787, or unix:/path.')
  return { host, port }
}

function isLoopback(listen: ListenAddress): boolean {
  return (
    'socket' in listen ||
    listen.host === 'localhost' ||
    listen.host === '::1' ||
    /^127(\.\d{1,3}){3}$/.test(listen.host)
  )
}

function readTls(cert: string | undefined, key: string | undefined): Config['tls'] {
  if (cert === undefined && key === undefined) return undefined
  if (cert === undefined || key === undefined) throw new Misconfigured('TLS needs both --tls-cert and --tls-key.')
  return { cert, key }
}

function readUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  if (!URL.canParse(text) || !/^https?:\/\//.test(text))
    throw new Misconfigured('--public-url takes an http or https URL.')
  return text.replace(/\/+$/, '')
}

function readNumber(flag: string, text: string, min: number, max: number): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < min || number > max)
    throw new Misconfigured(`${flag} takes a whole number from ${min} to ${max}.`)
  return number
}

function readLevel(text: string): Config['logLevel'] {
  const level = logLevels.find((one) => one === text)
  if (level === undefined) throw new Misconfigured(`--log-level takes one of ${logLevels.join(', ')}.`)
  return level
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function secretOf(text: string | undefined): Secret | undefined {
  return text === undefined ? undefined : new Secret(text)
}

function defaultKek(environment: Environment): string {
  const xdg = environment['XDG_CONFIG_HOME']
  const folder = xdg !== undefined && xdg !== '' ? xdg : join(environment['HOME'] ?? homedir(), '.config')
  return `file:${join(folder, 'keywright', 'kek')}`
}

function unknownVariables(environment: Environment): readonly string[] {
  const known = new Set([...Object.values(settings).map(variableOf), ...clientVariables])
  return Object.keys(environment).filter(
    (name) => name.startsWith('KEYWRIGHT_') && !known.has(name.replace(/_FILE$/, '')),
  )
}
