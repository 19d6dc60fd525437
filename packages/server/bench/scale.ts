/**
 * Many keys in the embedded database: how long the product takes to be ready, what it holds in memory, what the first verification of a key costs
 * beside a later one, and whether hot keys are as fast as with few.
 *
 *   node --conditions=@keywright/source packages/server/bench/scale.ts [--keys=1000000] [--few=1000] [--rounds=5] [--requests=40000]
 *
 * The keys are made through the domain, each as durable as any. Prints a Markdown table.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { closeDomain } from '../src/compose.ts'
import { createMany, openAuthority } from './authority.ts'
import { newOperatorToken, question, requestText } from './dataset.ts'
import type { LoadReport } from './load.ts'
import { machine, quantile, residentMegabytesOf } from './machine.ts'
import {
  type Address,
  call,
  cpuSecondsOf,
  freePort,
  load,
  type Served,
  startProduct,
  startWorker,
  type Worker,
} from './program.ts'

const callers = 64
const connections = 32
/** Keys that are asked about again and again, the same number on both sides: what differs is what lies behind them. */
const hotKeys = 1_000
const coldKeys = 2_000

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    few: { type: 'string', default: String(hotKeys) },
    rounds: { type: 'string', default: '5' },
    requests: { type: 'string', default: '40000' },
  },
})

interface Filled {
  readonly folder: string
  readonly token: string
  readonly hot: readonly string[]
  readonly cold: readonly string[]
  readonly megabytes: number
  readonly perSecond: number
}

/** Makes the keys and keeps some secrets, spread over the order of creation. */
async function fill(folder: string, keys: number): Promise<Filled> {
  const token = newOperatorToken()
  const opened = await openAuthority(folder, token)
  const kept: string[] = []
  const every = Math.max(1, Math.floor(keys / (hotKeys + coldKeys)))
  let made = 0
  const began = performance.now()
  await createMany(opened, keys, callers, (secret) => {
    made += 1
    if (made % every === 0) kept.push(secret)
    if (made % 100_000 === 0) console.error(`${made} keys after ${((performance.now() - began) / 1000).toFixed(0)} s`)
  })
  const perSecond = (keys * 1000) / (performance.now() - began)
  await closeDomain(opened.domain)
  const megabytes = statSync(join(folder, 'data', 'keywright.db')).size / 1e6
  // Every third one is cold, as far as there are enough: with few keys all of them are hot.
  const cold = keys > hotKeys + coldKeys ? kept.filter((_secret, index) => index % 3 !== 0).slice(0, coldKeys) : []
  const hot = kept.filter((secret) => !cold.includes(secret)).slice(0, hotKeys)
  return { folder, token, hot, cold, megabytes, perSecond }
}

interface Running {
  readonly served: Served
  readonly readySeconds: number
}

async function start({ folder, token }: Filled): Promise<Running> {
  const address: Address = { listen: { kind: 'tcp', host: '127.0.0.1', port: await freePort() }, ca: null }
  const port = address.listen.kind === 'tcp' ? address.listen.port : 0
  const began = performance.now()
  const served = await startProduct({
    program: join(import.meta.dirname, '..', 'src', 'main.ts'),
    arguments: [
      ...['serve', '--listen', `127.0.0.1:${port}`, '--data-dir', join(folder, 'data')],
      ...['--kek', `file:${join(folder, 'kek', 'kek')}`],
    ],
    environment: { KEYWRIGHT_OPERATOR_TOKEN: token },
    address,
  })
  return { served, readySeconds: (performance.now() - began) / 1000 }
}

/** Milliseconds of each verification, one at a time over one connection's worth of calls. */
async function oneByOne(address: Address, token: string, secrets: readonly string[]): Promise<number[]> {
  const milliseconds: number[] = []
  for (const secret of secrets) {
    const body = JSON.stringify(question(secret))
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const length = { 'content-length': String(Buffer.byteLength(body)) }
    const began = performance.now()
    const answer = await call(address, 'POST', '/v1/verify', { ...headers, ...length }, body)
    milliseconds.push(performance.now() - began)
    if (!answer.body.includes('"valid":true')) throw new Error(`A key that was made is refused: ${answer.body}`)
  }
  return milliseconds
}

async function hotLoad(
  loader: Worker,
  { served }: Running,
  { token, hot }: Filled,
): Promise<LoadReport & { cpu: number }> {
  const before = cpuSecondsOf(served.pid)
  const { listen } = served.address
  const report = await load(loader, {
    target: listen,
    connections,
    requestsMax: Number(values.requests),
    requests: hot.map((secret) => requestText('/v1/verify', token, question(secret))),
    expect: '"valid":true',
    forbid: '"valid":false',
  })
  return { ...report, cpu: ((cpuSecondsOf(served.pid) - before) * 1e6) / report.answers }
}

const folder = mkdtempSync(join(tmpdir(), 'keywright-bench-'))
const loader = startWorker('load.ts')
const stops: (() => Promise<void>)[] = [loader.stop]
try {
  const few = await fill(join(folder, 'few'), Number(values.few))
  const many = await fill(join(folder, 'many'), Number(values.keys))
  // The first start finds a database that was just written; the second is what a restart costs.
  const starts: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const { served, readySeconds } = await start(many)
    starts.push(readySeconds)
    await served.stop()
  }
  const [fewRunning, manyRunning] = [await start(few), await start(many)]
  stops.push(fewRunning.served.stop, manyRunning.served.stop)
  const residentReady = residentMegabytesOf(manyRunning.served.pid)
  const { address } = manyRunning.served
  // Warm code, cold keys: the first calls of a process pay for its compilation, not for the key.
  await oneByOne(address, many.token, many.hot)
  const cold = await oneByOne(address, many.token, many.cold)
  const warm = await oneByOne(address, many.token, many.cold)
  const residentCold = residentMegabytesOf(manyRunning.served.pid)
  const ratios: number[] = []
  const cpus: { few: number[]; many: number[] } = { few: [], many: [] }
  await hotLoad(loader, fewRunning, few)
  await hotLoad(loader, manyRunning, many)
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const one = await hotLoad(loader, fewRunning, few)
    const other = await hotLoad(loader, manyRunning, many)
    ratios.push(one.cpu / other.cpu)
    cpus.few.push(one.cpu)
    cpus.many.push(other.cpu)
  }
  const residentLoaded = residentMegabytesOf(manyRunning.served.pid)
  const ms = (list: readonly number[], share: number) => quantile(list, share).toFixed(2)
  const extra = (share: number) => (quantile(cold, share) - quantile(warm, share)).toFixed(2)
  console.log(`${machine()}; ${values.keys} keys against ${values.few}, embedded database.\n`)
  console.log('| what | measured |\n|---|---|')
  console.log(
    `| keys made, each durable, ${callers} callers | ${Math.round(many.perSecond)} a second; ${many.megabytes.toFixed(0)} MB on the disk |`,
  )
  console.log(`| start to ready, median of ${starts.length} | ${quantile(starts, 0.5).toFixed(2)} s |`)
  console.log(
    `| resident memory once ready / after ${hotKeys + coldKeys} different keys / after the load | ${residentReady.toFixed(0)} / ${residentCold.toFixed(0)} / ${residentLoaded.toFixed(0)} MB |`,
  )
  console.log(
    `| first verification of a key, with its connection, p50 / p99 | ${ms(cold, 0.5)} / ${ms(cold, 0.99)} ms |`,
  )
  console.log(`| the same again | ${ms(warm, 0.5)} / ${ms(warm, 0.99)} ms |`)
  console.log(`| so the key being cold costs | ${extra(0.5)} / ${extra(0.99)} ms |`)
  console.log(
    `| hot keys: CPU µs a verification with ${values.keys} keys / with ${values.few} | ${quantile(cpus.many, 0.5).toFixed(1)} / ${quantile(cpus.few, 0.5).toFixed(1)} |`,
  )
  console.log(
    `| hot keys: verifications per CPU-second as a share of those with ${values.few}, median (lowest–highest of ${ratios.length}) | ${quantile(ratios, 0.5).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}) |`,
  )
} finally {
  for (const stop of stops.toReversed()) await stop()
  rmSync(folder, { recursive: true, force: true })
}
