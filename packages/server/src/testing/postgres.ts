/**
 * A real PostgreSQL for the tests: a private cluster from Debian's binaries in a temporary folder, on a Unix socket, with fsync on, ended with the tests.
 * PostgreSQL refuses to run as root, so as root it runs as the user of Debian's package.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'

export interface TestPostgres {
  /** A URL of a fresh, empty database. */
  freshDatabase(): Promise<string>
  /** Ends the server at once, as a crash would, and starts it again. */
  crash(): Promise<void>
  stop(): Promise<void>
}

const binaries = '/usr/lib/postgresql'

function identity(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

export async function startPostgres(): Promise<TestPostgres> {
  const version = readdirSync(binaries).sort((one, other) => Number(other) - Number(one))[0]
  if (version === undefined) throw new Error('No PostgreSQL under /usr/lib/postgresql. Run: apt-get install postgresql')
  const bin = (name: string) => join(binaries, version, 'bin', name)
  const folder = mkdtempSync(join(tmpdir(), 'keywright-postgres-'))
  const as = identity()
  if (as !== undefined) chownSync(folder, as.uid, as.gid)
  const options = { cwd: folder, stdio: 'ignore', ...as } as const
  const data = join(folder, 'data')
  execFileSync(
    bin('initdb'),
    ['-D', data, '-U', 'keywright', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    options,
  )
  const urlOf = (name: string) => `postgres://keywright@localhost/${name}?host=${encodeURIComponent(folder)}`
  let server = await start()

  async function start(): Promise<ChildProcess> {
    const child = spawn(
      bin('postgres'),
      ['-D', data, '-k', folder, '-c', 'listen_addresses=', '-c', 'max_connections=100'],
      options,
    )
    for (;;) {
      const client = new Client({ connectionString: urlOf('postgres') })
      client.on('error', () => undefined)
      try {
        await client.connect()
        await client.end()
        return child
      } catch {
        if (child.exitCode !== null) throw new Error('PostgreSQL ended while starting')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const gone = new Promise((resolve) => server.once('exit', resolve))
    server.kill(signal)
    await gone
  }

  let databases = 0
  return {
    freshDatabase: async () => {
      databases += 1
      const name = `test_${databases}`
      const client = new Client({ connectionString: urlOf('postgres') })
      await client.connect()
      await client.query(`create database ${name}`)
      await client.end()
      return urlOf(name)
    },
    crash: async () => {
      await end('SIGQUIT')
      server = await start()
    },
    stop: async () => {
      await end('SIGQUIT')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
