/**
 * The processes of a benchmark: starting them, waiting until they answer, reading the CPU time the kernel charged them, ending them.
 * It knows no endpoint but `/readyz`. Linux only, since CPU time comes from `/proc`.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { request as requestTls } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { LoadPlan, LoadReport } from './load.ts'

export type ListenTarget =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

/** A way to reach a server: where it listens, and the certificate to trust when it speaks TLS. */
export interface Address {
  readonly listen: ListenTarget
  readonly ca: string | null
}

export interface Answer {
  readonly status: number
  readonly body: string
}

/** Linux reports CPU time in hundredths of a second on every architecture (USER_HZ). */
const ticksPerSecond = 100
const readyTimeoutMs = 30_000
const stopTimeoutMs = 20_000
const source = '--conditions=@keywright/source'

/** Seconds of CPU, user and system, that all threads of a process have used since it began. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name in parentheses and may hold spaces; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** A TCP port of the loopback address that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(address)))
    })
  })
}

/** One call over its own connection. Rejects only when the connection fails. */
export function call(
  address: Address,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<Answer> {
  const { listen, ca } = address
  const where = listen.kind === 'unix' ? { socketPath: listen.path } : { host: listen.host, port: listen.port }
  const options = { ...where, method, path, headers, agent: false as const }
  return new Promise((resolve, reject) => {
    const sent = ca === null ? request(options) : requestTls({ ...options, ca, servername: 'localhost' })
    sent.on('error', reject)
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('error', reject)
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      )
    })
    sent.end(body)
  })
}

/** A running server whose CPU time can be read. */
export interface Served {
  readonly pid: number
  readonly address: Address
  readonly stop: () => Promise<void>
}

/** How to start the product: its source file (or a built one), its arguments after the name, its additional environment. */
export interface ProductOptions {
  readonly program: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly address: Address
}

/** Starts the product as its own process and waits until `/readyz` says 200. Rejects with what it wrote to stderr when it ends before. */
export async function startProduct(options: ProductOptions): Promise<Served> {
  const child = spawn(process.execPath, [source, options.program, ...options.arguments], {
    env: { ...process.env, ...options.environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (text: string) => {
    said = (said + text).slice(-4000)
  })
  const pid = child.pid
  if (pid === undefined) throw new Error(`${options.program} could not be started.`)
  const stop = () => ended(child, 'SIGTERM')
  const giveUpAt = performance.now() + readyTimeoutMs
  for (;;) {
    if (child.exitCode !== null)
      throw new Error(`The program ended with ${child.exitCode} before it was ready:\n${said}`)
    const ready = await call(options.address, 'GET', '/readyz', {}).catch(() => null)
    if (ready?.status === 200) return { pid, address: options.address, stop }
    if (performance.now() > giveUpAt) {
      await stop()
      throw new Error(`The program was not ready within ${readyTimeoutMs / 1000} s:\n${said}`)
    }
    await new Promise((done) => setTimeout(done, 20))
  }
}

/** A child of ours that takes messages. `ask` sends one and waits for one; it rejects when the child ends instead. */
export interface Worker {
  readonly pid: number
  readonly ask: (message: object) => Promise<unknown>
  readonly stop: () => Promise<void>
}

/** Starts a file of this folder as a worker. */
export function startWorker(file: string): Worker {
  const child = fork(join(import.meta.dirname, file), [], { execArgv: [source], serialization: 'advanced' })
  const ask = (message: object) =>
    new Promise<unknown>((resolve, reject) => {
      const onExit = () => reject(new Error(`${file} ended while it was asked something.`))
      child.once('exit', onExit)
      child.once('message', (reply) => {
        child.off('exit', onExit)
        resolve(reply)
      })
      child.send(message)
    })
  return { pid: child.pid ?? 0, ask, stop: () => ended(child, 'SIGTERM') }
}

/** Runs one plan on a load worker. Rejects when an answer was wrong, since a fast wrong answer is no measurement. */
export async function load(worker: Worker, plan: LoadPlan): Promise<LoadReport> {
  const reply = (await worker.ask(plan)) as { readonly report?: LoadReport; readonly failure?: string }
  if (reply.report === undefined) throw new Error(`The load failed: ${reply.failure ?? 'no report'}`)
  if (reply.report.errors > 0) {
    throw new Error(
      `${reply.report.errors} of ${reply.report.answers} answers were wrong, the first: ${reply.report.firstError}`,
    )
  }
  return reply.report
}

/** Sends the signal and waits; kills after 20 s, so that no benchmark leaves a process behind. */
function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    const kill = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    child.once('exit', () => {
      clearTimeout(kill)
      resolve()
    })
    child.kill(signal)
  })
}
