/**
 * The load generator, run as a child process: a closed loop of keep-alive connections that send request
 * bytes made beforehand and wait for each answer. It reads only the status and the length of an answer,
 * so that it costs little beside the server under test. It is no HTTP client: it never redirects, never
 * pipelines, and takes an answer without Content-Length for an error.
 *
 * The parent sends one `LoadPlan` at a time over the IPC channel and gets one `LoadReport` back.
 */
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Socket } from 'node:net'

/** Where the load goes. `ca` is the PEM certificate that the TLS server is checked against. */
export type LoadTarget =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'tls'; readonly host: string; readonly port: number; readonly ca: string }
  | { readonly kind: 'unix'; readonly path: string }

/** One run: `requestsMax` answers in all, over `connections` sockets that take turns through `requests`. */
export interface LoadPlan {
  readonly target: LoadTarget
  readonly connections: number
  readonly requestsMax: number
  /** Whole requests as latin1 text, head and body. */
  readonly requests: readonly string[]
  /** Text that each answer must contain, and text that none may contain; else it is counted as an error, as is a status other than 2xx. */
  readonly expect: string
  readonly forbid: string
}

/** What a run measured. Latencies are milliseconds from the write to the last byte of the answer. */
export interface LoadReport {
  readonly answers: number
  readonly errors: number
  /** The first answer that was no success, its head and body cut at 400 characters, or the socket's error. */
  readonly firstError: string | null
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const lengthName = '\r\ncontent-length: '
const answerBytesMax = 4 * 1024 * 1024

/** Length in bytes of the whole answer at the start of `bytes`, 0 when its head is not complete, -1 when it has no length. */
function answerLength(bytes: Buffer): number {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd < 0) return bytes.length > answerBytesMax ? -1 : 0
  const head = bytes.toString('latin1', 0, headEnd).toLowerCase()
  const at = head.indexOf(lengthName)
  if (at < 0) return -1
  return headEnd + 4 + Number.parseInt(head.slice(at + lengthName.length), 10)
}

/** The value below which `share` (0 to 1) of `sorted` lies; `sorted` is in ascending order. */
function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

function open(target: LoadTarget): Socket {
  if (target.kind === 'unix') return connect({ path: target.path })
  if (target.kind === 'tcp') return connect({ host: target.host, port: target.port, noDelay: true })
  const socket = connectTls({ host: target.host, port: target.port, ca: target.ca, servername: 'localhost' })
  socket.setNoDelay(true)
  return socket
}

/** What the connections of a run share. */
interface Run {
  readonly plan: LoadPlan
  readonly requests: readonly Buffer[]
  readonly expected: Buffer
  readonly forbidden: Buffer
  readonly latencies: Float64Array
  sent: number
  answers: number
  errors: number
  firstError: string | null
}

/** Runs one plan to its end. Rejects when a connection cannot be opened or breaks. */
async function runLoad(plan: LoadPlan): Promise<LoadReport> {
  const run: Run = {
    plan,
    requests: plan.requests.map((text) => Buffer.from(text, 'latin1')),
    expected: Buffer.from(plan.expect, 'latin1'),
    forbidden: Buffer.from(plan.forbid, 'latin1'),
    latencies: new Float64Array(plan.requestsMax),
    sent: 0,
    answers: 0,
    errors: 0,
    firstError: null,
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: plan.connections }, (_, index) => drive(run, index)))
  const seconds = (performance.now() - startedAt) / 1000
  const sorted = run.latencies.subarray(0, run.answers).sort()
  const { answers, errors, firstError } = run
  return { answers, errors, firstError, seconds, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) }
}

/** One connection: sends, waits for the whole answer, sends again, until the run has sent all it may. */
function drive(run: Run, index: number): Promise<void> {
  const { plan, requests } = run
  return new Promise((resolve, reject) => {
    const socket = open(plan.target)
    let turn = Math.floor((index * requests.length) / plan.connections)
    let pending: Buffer | null = null
    let startedAt = 0
    const send = () => {
      if (run.sent >= plan.requestsMax) {
        socket.destroy()
        resolve()
        return
      }
      run.sent += 1
      startedAt = performance.now()
      socket.write(requests[turn++ % requests.length] ?? '')
    }
    socket.on('data', (chunk: Buffer) => {
      const bytes: Buffer = pending === null ? chunk : Buffer.concat([pending, chunk])
      const length = answerLength(bytes)
      if (length < 0) {
        reject(new Error(`An answer without Content-Length: ${excerpt(bytes)}`))
        socket.destroy()
        return
      }
      if (length === 0 || bytes.length < length) {
        pending = bytes
        return
      }
      pending = null
      run.latencies[run.answers++] = performance.now() - startedAt
      judge(run, bytes)
      send()
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('The server closed a connection during the load.')))
    socket.once(plan.target.kind === 'tls' ? 'secureConnect' : 'connect', send)
  })
}

function judge(run: Run, bytes: Buffer): void {
  // "HTTP/1.1 2": the first digit of the status stands at offset 9.
  if (bytes[9] === 0x32 && bytes.includes(run.expected) && !bytes.includes(run.forbidden)) return
  run.errors += 1
  run.firstError ??= excerpt(bytes)
}

function excerpt(bytes: Buffer): string {
  return bytes.subarray(0, 400).toString('latin1')
}

if (process.send !== undefined) {
  process.on('message', (plan: LoadPlan) => {
    runLoad(plan).then(
      (report) => process.send?.({ report }),
      (error: unknown) => process.send?.({ failure: error instanceof Error ? error.message : String(error) }),
    )
  })
}
