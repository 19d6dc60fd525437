/**
 * Verification, whole product against a bare `node:http` server (`baseline.ts`): requests per second of the server's own CPU, user
 * and system time of all its threads. Both run beside each other and take turns, round by round, so that a machine which slows
 * down slows both; the ratio is the median of the rounds' ratios.
 *
 *   node --conditions=@keywright/source packages/server/bench/verify.ts [--rounds 7] [--requests 60000] [--keys 1000]
 *        [--only http,tls,unix,batch] [--program FILE]
 *
 * Prints a Markdown table. Exits 1 when an answer was wrong or a process ended.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { BaselineData, Sample } from './baseline.ts'
import { apiIdentifier, createKeys, newOperatorToken, question, requestText, sampleAnswers } from './dataset.ts'
import type { LoadReport, LoadTarget } from './load.ts'
import {
  type Address,
  cpuSecondsOf,
  freePort,
  type ListenTarget,
  load,
  type Served,
  startProduct,
  startWorker,
  type Worker,
} from './program.ts'

const connections = 32
const warmUpRounds = 2
const batchItems = 100

type Entrance = 'http' | 'tls' | 'unix'
const lanes = ['http', 'tls', 'unix', 'batch'] as const
type Lane = (typeof lanes)[number]

/** One side of a comparison: who is measured, with which requests, and how many credentials one request carries. */
interface Side {
  readonly pid: number
  readonly target: LoadTarget
  readonly requests: readonly string[]
  readonly requestsMax: number
  readonly credentialsPerRequest: number
}

interface Measured {
  readonly cpuMicroseconds: number
  readonly report: LoadReport
}

interface Row {
  readonly lane: string
  readonly against: string
  readonly ratios: readonly number[]
  readonly product: readonly Measured[]
  readonly baseline: readonly Measured[]
  readonly credentialsPerRequest: number
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

async function measure(loader: Worker, side: Side): Promise<Measured> {
  const before = cpuSecondsOf(side.pid)
  const report = await load(loader, {
    target: side.target,
    connections,
    requestsMax: side.requestsMax,
    requests: side.requests,
    expect: '"valid":true',
    forbid: '"valid":false',
  })
  const seconds = cpuSecondsOf(side.pid) - before
  return { cpuMicroseconds: (seconds * 1e6) / (report.answers * side.credentialsPerRequest), report }
}

/** Product and baseline by turns; who begins changes from round to round. */
async function compare(
  loader: Worker,
  names: Pick<Row, 'lane' | 'against'>,
  sides: readonly [Side, Side],
  rounds: number,
): Promise<Row> {
  const [product, baseline] = sides
  for (let round = 0; round < warmUpRounds; round += 1) {
    await measure(loader, product)
    await measure(loader, baseline)
  }
  const row = { product: [] as Measured[], baseline: [] as Measured[], ratios: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    const first = round % 2 === 0 ? await measure(loader, product) : null
    const other = await measure(loader, baseline)
    const own = first ?? (await measure(loader, product))
    row.product.push(own)
    row.baseline.push(other)
    row.ratios.push(other.cpuMicroseconds / own.cpuMicroseconds)
  }
  return { ...names, ...row, credentialsPerRequest: product.credentialsPerRequest }
}

interface Settings {
  readonly folder: string
  readonly program: string
  readonly rounds: number
  readonly requests: number
  readonly keys: number
  readonly token: string
  readonly tls: { readonly key: string; readonly cert: string }
}

/** A certificate for localhost that lives as long as the benchmark. */
function makeCertificate(folder: string): Settings['tls'] {
  const [key, cert] = [join(folder, 'tls.key'), join(folder, 'tls.crt')]
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1'
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const what = ['-subj', '/CN=localhost', '-addext', names, '-days', '2', '-keyout', key, '-out', cert]
  execFileSync('openssl', ['req', '-x509', ...kind, ...what], { stdio: 'ignore' })
  return { key, cert }
}

async function listenFor(entrance: Entrance, folder: string, name: string): Promise<ListenTarget> {
  if (entrance === 'unix') return { kind: 'unix', path: join(folder, `${name}.sock`) }
  return { kind: 'tcp', host: '127.0.0.1', port: await freePort() }
}

function targetOf({ listen, ca }: Address): LoadTarget {
  return listen.kind === 'tcp' && ca !== null ? { ...listen, kind: 'tls', ca } : listen
}

async function serveProduct(settings: Settings, entrance: Entrance): Promise<Served> {
  const listen = await listenFor(entrance, settings.folder, 'product')
  const where = listen.kind === 'unix' ? `unix:${listen.path}` : `${listen.host}:${listen.port}`
  const tls = entrance === 'tls' ? ['--tls-cert', settings.tls.cert, '--tls-key', settings.tls.key] : []
  const data = ['--data-dir', join(settings.folder, `data-${entrance}`)]
  const kek = ['--kek', `file:${join(settings.folder, `kek-${entrance}`)}`]
  return startProduct({
    program: settings.program,
    arguments: ['serve', '--listen', where, ...data, ...kek, ...tls],
    environment: { KEYWRIGHT_OPERATOR_TOKEN: settings.token },
    address: { listen, ca: entrance === 'tls' ? readFileSync(settings.tls.cert, 'utf8') : null },
  })
}

async function serveBaseline(settings: Settings, entrance: Entrance, samples: readonly Sample[]): Promise<Served> {
  const worker = startWorker('baseline.ts')
  const listen = await listenFor(entrance, settings.folder, 'baseline')
  const cert = readFileSync(settings.tls.cert, 'utf8')
  const tls = entrance === 'tls' ? { key: readFileSync(settings.tls.key, 'utf8'), cert } : null
  const data: BaselineData = { listen, tls, token: settings.token, api: apiIdentifier, samples }
  await worker.ask(data)
  return { pid: worker.pid, address: { listen, ca: tls === null ? null : cert }, stop: worker.stop }
}

/** The comparisons that one running product serves: its entrance against the baseline, and batches where they were asked for. */
async function runEntrance(
  settings: Settings,
  loader: Worker,
  entrance: Entrance,
  wanted: readonly Lane[],
): Promise<Row[]> {
  const product = await serveProduct(settings, entrance)
  const stops = [product.stop]
  try {
    const secrets = await createKeys(product.address, settings.token, settings.keys)
    const samples = await sampleAnswers(product.address, settings.token, secrets)
    // Unix sockets are the product's own advantage over TCP, so their baseline is the one that listens on TCP.
    const plain = await serveBaseline(settings, entrance === 'tls' ? 'tls' : 'http', samples)
    stops.push(plain.stop)
    const requests = secrets.map((secret) => requestText('/v1/verify', settings.token, question(secret)))
    const side = (served: Served): Side => ({
      pid: served.pid,
      target: targetOf(served.address),
      requests,
      requestsMax: settings.requests,
      credentialsPerRequest: 1,
    })
    const against = entrance === 'tls' ? 'node:https' : 'node:http, TCP'
    const rows: Row[] = []
    if (wanted.includes(entrance)) {
      const names = { lane: { http: 'HTTP', tls: 'TLS', unix: 'Unix socket' }[entrance], against }
      rows.push(await compare(loader, names, [side(product), side(plain)], settings.rounds))
    }
    if (entrance === 'http' && wanted.includes('batch')) {
      const batch = { ...side(product), ...batchesOf(settings, secrets) }
      const names = { lane: `batch of ${batchItems}, per credential`, against: 'node:http, TCP, one by one' }
      rows.push(await compare(loader, names, [batch, side(plain)], settings.rounds))
    }
    return rows
  } finally {
    for (const stop of stops) await stop()
  }
}

function batchesOf(settings: Settings, secrets: readonly string[]): Partial<Side> {
  const starts = Array.from({ length: Math.floor(secrets.length / batchItems) }, (_, index) => index * batchItems)
  const requests = starts.map((from) => {
    const items = secrets.slice(from, from + batchItems).map(question)
    return requestText('/v1/verify/batch', settings.token, { items })
  })
  // A tenth of the requests is ten times the credentials: enough CPU time to read it off a clock of 10 ms.
  return { requests, requestsMax: Math.ceil(settings.requests / 10), credentialsPerRequest: batchItems }
}

function print(rows: readonly Row[], settings: Settings): void {
  const processors = cpus()
  const lines = [
    `${new Date().toISOString().slice(0, 10)}, Node.js ${process.versions.node}, ${processors.length} × ${processors[0]?.model ?? 'unknown processor'};`,
    `${connections} connections, keep-alive, ${settings.keys} keys, ${settings.rounds} rounds of ${settings.requests} requests. CPU is the server's own, user and system, all threads.`,
    '',
    '| entrance | against | times the credentials per CPU-second (lowest–highest round) | CPU µs | its CPU µs | credentials/s | its | p50 / p99 ms | its p50 / p99 ms |',
    '|---|---|---|---|---|---|---|---|---|',
  ]
  for (const row of rows) {
    const cpu = (side: readonly Measured[]) => median(side.map((round) => round.cpuMicroseconds)).toFixed(1)
    const rate = (side: readonly Measured[], each: number) =>
      Math.round(median(side.map(({ report }) => (report.answers * each) / report.seconds))).toLocaleString('en')
    const latency = (side: readonly Measured[]) =>
      `${median(side.map(({ report }) => report.p50Ms)).toFixed(2)} / ${median(side.map(({ report }) => report.p99Ms)).toFixed(2)}`
    const span = `${Math.min(...row.ratios).toFixed(2)}–${Math.max(...row.ratios).toFixed(2)}`
    lines.push(
      `| ${row.lane} | ${row.against} | **${median(row.ratios).toFixed(2)}** (${span}) | ${cpu(row.product)} | ${cpu(row.baseline)} | ${rate(row.product, row.credentialsPerRequest)} | ${rate(row.baseline, 1)} | ${latency(row.product)} | ${latency(row.baseline)} |`,
    )
  }
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '7' },
      requests: { type: 'string', default: '60000' },
      keys: { type: 'string', default: '1000' },
      only: { type: 'string', default: lanes.join(',') },
      program: { type: 'string', default: join(import.meta.dirname, '..', 'src', 'main.ts') },
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'keywright-bench-'))
  const loader = startWorker('load.ts')
  try {
    const settings: Settings = {
      folder,
      program: values.program,
      rounds: Number(values.rounds),
      requests: Number(values.requests),
      keys: Number(values.keys),
      token: newOperatorToken(),
      tls: makeCertificate(folder),
    }
    const wanted = lanes.filter((lane) => values.only.split(',').includes(lane))
    const entrances = (['http', 'tls', 'unix'] as const).filter(
      (entrance) => wanted.includes(entrance) || (entrance === 'http' && wanted.includes('batch')),
    )
    const rows: Row[] = []
    for (const entrance of entrances) rows.push(...(await runEntrance(settings, loader, entrance, wanted)))
    print(rows, settings)
  } finally {
    await loader.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

await main()
