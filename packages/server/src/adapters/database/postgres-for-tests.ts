/**
 * A real PostgreSQL for the tests: a private cluster from Debian's binaries in a temporary folder, on a Unix socket, with fsync on, ended by who started
 * it. PostgreSQL refuses to run as root, so as root it runs as the user of Debian's package.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from 'pg'

export interface TestPostgres {
  /** The URL of the cluster's own database. */
  readonly url: string
  /** The URL of a new, empty database. */
  freshDatabase(): Promise<string>
  /** Ends the server in good order, which ends every connection, and starts it again. */
  restart(): Promise<void>
  /** Ends the server at once and without a word, as a crash would. */
  kill(): Promise<void>
  /** Starts it again after `kill`. */
  start(): Promise<void>
  /** Ends the server and removes its files. */
  stop(): Promise<void>
}

const binaries = '/usr/lib/postgresql'

/** Starts a cluster; `settings` are further lines of its configuration, such as `synchronous_commit=off`. */
export async function startPostgres(settings: readonly string[] = []): Promise<TestPostgres> {
  const version = readdirSync(binaries).sort((one, other) => Number(other) - Number(one))[0]
  if (version === undefined) throw new Error('No PostgreSQL under /usr/lib/postgresql. Run: apt-get install postgresql')
  const bin = (name: string) => join(binaries, version, 'bin', name)
  const folder = mkdtempSync(join(tmpdir(), 'keywright-postgres-'))
  const as = identity()
  if (as !== undefined) chownSync(folder, as.uid, as.gid)
  const data = join(folder, 'data')
  execFileSync(bin('initdb'), ['-D', data, '-U', 'keywright', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'], {
    cwd: folder,
    stdio: 'ignore',
    ...as,
  })
  const configuration = ['listen_addresses=', `unix_socket_directories=${folder}`, 'max_connections=100', ...settings]
  const urlOf = (name: string) => `postgres://keywright@localhost/${name}?host=${encodeURIComponent(folder)}`

  const start = async (): Promise<ChildProcess> => {
    const child = spawn(bin('postgres'), ['-D', data, ...configuration.flatMap((line) => ['-c', line])], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      ...as,
    })
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stderr }).on('line', (line) => {
        if (line.includes('database system is ready to accept connections')) resolve()
      })
      child.once('exit', () => reject(new Error('PostgreSQL ended while starting')))
    })
    return child
  }

  let server = await start()
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const gone = new Promise((resolve) => server.once('exit', resolve))
    server.kill(signal)
    await gone
  }
  let databases = 0
  return {
    url: urlOf('postgres'),
    freshDatabase: async () => {
      databases += 1
      const name = `test_${databases}`
      await runOn(urlOf('postgres'), `create database ${name}`)
      return urlOf(name)
    },
    restart: async () => {
      await end('SIGINT')
      server = await start()
    },
    kill: async () => await end('SIGQUIT'),
    start: async () => {
      server = await start()
    },
    stop: async () => {
      await end('SIGQUIT')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Runs a statement over a connection of its own. */
export async function runOn(url: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows
  } finally {
    await client.end()
  }
}

function identity(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}
