/**
 * What the journeys share: the real binary as a child process on a real socket, on each database, and calls to it over HTTP.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../src/adapters/database/postgres-for-tests.ts'

const bin = fileURLToPath(new URL('../bin/keywright.mjs', import.meta.url))

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
export type Body = { [name: string]: Json }

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

export interface CallOptions {
  readonly token?: string
  readonly headers?: Record<string, string>
}

export interface Server {
  readonly url: string
  readonly dataDir: string
  readonly token: string
  /** Everything that the process wrote so far. */
  output(): string
  call(method: string, path: string, body?: Json, options?: CallOptions): Promise<Answer>
  /** Ends it as a person would (SIGTERM); the exit code. */
  stop(): Promise<number | null>
  /** Ends it as a power cut would. */
  kill(): Promise<void>
}

export interface Place {
  readonly folder: string
  /** The flags that name database and KEK. */
  readonly flags: readonly string[]
}

/** A folder of its own for one journey, removed by `leave`. */
export function newPlace(database: string): Place & { leave(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-journey-'))
  const flags = [
    '--data-dir',
    join(folder, 'data'),
    '--database',
    database,
    '--kek',
    `file:${join(folder, 'kek', 'kek')}`,
  ]
  return { folder, flags, leave: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Starts the real program and waits until it says where it listens. */
export async function startServer(
  place: Place,
  extra: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Server> {
  const child = spawn(process.execPath, [bin, 'serve', '--listen', '127.0.0.1:0', ...place.flags, ...extra], {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', () => {
      const match = /listens at (\S+)/.exec(text)?.[1]
      if (match !== undefined) resolve(match)
    })
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${text}`)))
  })
  const dataDir = join(place.folder, 'data')
  const token = env['KEYWRIGHT_OPERATOR_TOKEN'] ?? readFileSync(join(dataDir, 'operator-token'), 'utf8').trim()
  return {
    url,
    dataDir,
    token,
    output: () => text,
    call: (method, path, body, options) => call(url, token, method, path, body, options),
    stop: () => end(child, 'SIGTERM'),
    kill: async () => void (await end(child, 'SIGKILL')),
  }
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode)
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code))
    child.kill(signal)
  })
}

async function call(
  url: string,
  token: string,
  method: string,
  path: string,
  body?: Json,
  options: CallOptions = {},
): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(options.token === '' ? {} : { authorization: `Bearer ${options.token ?? token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text.startsWith('{') ? (JSON.parse(text) as Body) : {},
  }
}

/** The environment without anything that would configure Keywright. */
export function cleanEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('KEYWRIGHT_'),
    ),
  )
}

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs the command line against a server, with `input` on standard input. */
export function keywright(server: Server, args: readonly string[], input = ''): Promise<Ran> {
  return runBinary(args, input, { KEYWRIGHT_URL: server.url, KEYWRIGHT_OPERATOR_TOKEN: server.token })
}

/** Runs the binary. */
export function runBinary(args: readonly string[], input = '', env: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [bin, ...args],
      { env: { ...cleanEnvironment(), ...env } },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, out, err })
      },
    )
    child.stdin?.end(input)
  })
}

export interface Databases {
  /** `embedded`, or the URL of a fresh database on the PostgreSQL that was started. */
  fresh(kind: DatabaseKind): Promise<string>
  stop(): Promise<void>
}

export type DatabaseKind = 'embedded' | 'postgres'
export const databaseKinds: readonly DatabaseKind[] = ['embedded', 'postgres']

/** The databases on which every journey runs; PostgreSQL is started when it is first needed. */
export function openDatabases(): Databases {
  let postgres: ReturnType<typeof startPostgres> | undefined
  return {
    fresh: async (kind) => {
      if (kind === 'embedded') return 'embedded'
      postgres ??= startPostgres()
      return await (await postgres).freshDatabase()
    },
    stop: async () => {
      if (postgres !== undefined) await (await postgres).stop()
    },
  }
}

/** An api, a consumer and a key with its secret: where most journeys begin. */
export async function issue(
  server: Server,
  key: Body = {},
): Promise<{ api: string; consumerId: string; keyId: string; secret: string }> {
  const api = `https://api.example.com/${Math.trunc(performance.now() * 1000)}`
  await server.call('POST', '/v1/apis', {
    identifier: api,
    name: 'Orders',
    scopes: [{ name: 'orders:read' }, { name: 'orders:write' }],
  })
  const consumer = await server.call('POST', '/v1/consumers', { name: 'Acme' })
  const consumerId = String(consumer.body['id'])
  const made = await server.call('POST', '/v1/keys', {
    consumer_id: consumerId,
    grants: [{ api, scopes: ['orders:read'] }],
    ...key,
  })
  if (made.status !== 201) throw new Error(JSON.stringify(made.body))
  const secret = (made.body['secret'] as Body)['value']
  return { api, consumerId, keyId: String(made.body['id']), secret: String(secret) }
}
