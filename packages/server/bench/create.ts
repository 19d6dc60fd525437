/**
 * Durable creation of keys on the embedded database (write-ahead log, synchronous=FULL), and how long verifications take meanwhile: in this process
 * through the functions behind the endpoints, one by one and by import in batches, and over HTTP against the whole product.
 *
 *   node --conditions=@keywright/source packages/server/bench/create.ts [--count=30000] [--callers=32] [--rounds=3]
 *
 * Each answer means that the change is on the disk. Prints a Markdown table, each line the round with the median rate.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { closeDomain } from '../src/compose.ts'
import { type ImportResult, importKeys } from '../src/domain/import/import.ts'
import { judge } from '../src/domain/verify/verify.ts'
import { FactsCache } from '../src/domain/verify/facts.ts'
import { SlowCosts } from '../src/domain/import/slow-costs.ts'
import { createMany, type Opened, openAuthority } from './authority.ts'
import { apiIdentifier, createKeys, newOperatorToken, question, requestText, sampleAnswers, scope } from './dataset.ts'
import { machine, quantile } from './machine.ts'
import { call, cpuSecondsOf, freePort, load, startProduct, startWorker } from './program.ts'

const importRows = 100
const hotKeys = 100

interface Measured {
  readonly perSecond: number
  readonly cpuMicroseconds: number
  readonly verifyP50Ms: number
  readonly verifyP99Ms: number
}

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '30000' },
    callers: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '3' },
  },
})
const [count, callers, rounds] = [Number(values.count), Number(values.callers), Number(values.rounds)]

/** Verifications of hot keys by a thread beside, while `work` runs here. */
async function whileVerifying(
  opened: Opened,
  secrets: readonly string[],
  work: () => Promise<void>,
): Promise<Measured> {
  const { domain, caller } = opened
  const facts = new FactsCache()
  domain.listener.listen((_tenant, entry) => facts.follow(entry))
  const deps = { ...domain, facts, slowCosts: new SlowCosts(domain) }
  const probe = new Worker(new URL('./probe.ts', import.meta.url), { execArgv: process.execArgv })
  let asked = 0
  const latencies = new Promise<number[]>((resolve, reject) => {
    probe.on('error', reject)
    probe.on('message', async (message: 'question' | number[]) => {
      if (message !== 'question') return resolve(message)
      const credential = secrets[asked++ % secrets.length] ?? ''
      const { code } = await judge(deps, caller, { credential, api: apiIdentifier, scopes: [scope], ip: '10.1.2.3' })
      if (code !== 'ok') reject(new Error(`A key that was just made is answered ${code}.`))
      probe.postMessage('answer')
    })
  })
  const cpuBefore = process.cpuUsage()
  const began = performance.now()
  await work()
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  probe.postMessage('end')
  const milliseconds = await latencies
  return {
    perSecond: count / seconds,
    cpuMicroseconds: (user + system) / count,
    verifyP50Ms: quantile(milliseconds, 0.5),
    verifyP99Ms: quantile(milliseconds, 0.99),
  }
}

async function importMany({ domain, caller, input }: Opened): Promise<void> {
  let begun = 0
  const one = async () => {
    while (begun < count) {
      begun += importRows
      const items = Array.from({ length: importRows }, () => ({
        ...input,
        format: 'sha256-hex' as const,
        hash: randomBytes(32).toString('hex'),
        high_entropy: true,
      }))
      const answer = await importKeys(domain, caller, { items, dry_run: false })
      const { results } = answer as { readonly results: readonly ImportResult[] }
      const refused = results.find((result) => !result.ok)
      if (refused !== undefined) throw new Error(`A row was refused: ${JSON.stringify(refused)}`)
    }
  }
  await Promise.all(Array.from({ length: callers }, one))
}

async function inProcess(folder: string, token: string): Promise<ReadonlyMap<string, Measured[]>> {
  const opened = await openAuthority(folder, token)
  const secrets: string[] = []
  await createMany(opened, hotKeys, callers, (secret) => secrets.push(secret))
  const rows = new Map<string, Measured[]>([
    ['in process, one key a call', []],
    [`in process, import of ${importRows} keys a call`, []],
  ])
  for (let round = 0; round < rounds; round += 1) {
    rows
      .get('in process, one key a call')
      ?.push(await whileVerifying(opened, secrets, () => createMany(opened, count, callers, () => undefined)))
    rows
      .get(`in process, import of ${importRows} keys a call`)
      ?.push(await whileVerifying(opened, secrets, () => importMany(opened)))
  }
  await closeDomain(opened.domain)
  return rows
}

async function overHttp(folder: string, token: string): Promise<Measured[]> {
  const address = { listen: { kind: 'tcp', host: '127.0.0.1', port: await freePort() }, ca: null } as const
  const product = await startProduct({
    program: join(import.meta.dirname, '..', 'src', 'main.ts'),
    arguments: [
      ...['serve', '--listen', `127.0.0.1:${address.listen.port}`, '--data-dir', join(folder, 'data')],
      ...['--kek', `file:${join(folder, 'kek', 'kek')}`],
    ],
    environment: { KEYWRIGHT_OPERATOR_TOKEN: token },
    address,
  })
  const [maker, verifier] = [startWorker('load.ts'), startWorker('load.ts')]
  try {
    const secrets = await createKeys(address, token, hotKeys)
    await sampleAnswers(address, token, secrets)
    const headers = { authorization: `Bearer ${token}` }
    const listed = JSON.parse((await call(address, 'GET', '/v1/consumers', headers)).body) as {
      readonly data: readonly { readonly id: string }[]
    }
    const body = {
      consumer_id: listed.data[0]?.id,
      name: 'Benchmark',
      grants: [{ api: apiIdentifier, scopes: [scope] }],
      meta: { plan: 'pro' },
    }
    const creation = {
      target: address.listen,
      connections: callers,
      requestsMax: count,
      requests: [requestText('/v1/keys', token, body)],
      expect: '"secret"',
      forbid: '"errors"',
    }
    const verification = {
      target: address.listen,
      connections: 1,
      requests: secrets.map((secret) => requestText('/v1/verify', token, question(secret))),
      expect: '"valid":true',
      forbid: '"valid":false',
    }
    const measured: Measured[] = []
    for (let round = 0; round < rounds; round += 1) {
      const before = cpuSecondsOf(product.pid)
      let making = true
      const made = load(maker, creation).finally(() => {
        making = false
      })
      const parts: { p50Ms: number; p99Ms: number }[] = []
      // In parts, since a plan has a fixed number of requests and the creation no fixed time.
      while (making) parts.push(await load(verifier, { ...verification, requestsMax: 500 }))
      const report = await made
      measured.push({
        perSecond: report.answers / report.seconds,
        cpuMicroseconds: ((cpuSecondsOf(product.pid) - before) * 1e6) / report.answers,
        verifyP50Ms: quantile(
          parts.map((part) => part.p50Ms),
          0.5,
        ),
        verifyP99Ms: quantile(
          parts.map((part) => part.p99Ms),
          0.5,
        ),
      })
    }
    return measured
  } finally {
    await maker.stop()
    await verifier.stop()
    await product.stop()
  }
}

const folder = mkdtempSync(join(tmpdir(), 'keywright-bench-'))
try {
  const rows = new Map(await inProcess(join(folder, 'domain'), newOperatorToken()))
  rows.set(
    'over HTTP, one key a call (CPU with that of the verifications)',
    await overHttp(join(folder, 'http'), newOperatorToken()),
  )
  const lines = [...rows].map(([name, measured]) => {
    const sorted = measured.toSorted((one, other) => one.perSecond - other.perSecond)
    const middle = sorted[Math.floor(sorted.length / 2)]
    const range = `${Math.round(sorted[0]?.perSecond ?? 0)}–${Math.round(sorted.at(-1)?.perSecond ?? 0)}`
    return `| ${name} | **${Math.round(middle?.perSecond ?? 0)}** (${range}) | ${middle?.cpuMicroseconds.toFixed(0)} | ${middle?.verifyP50Ms.toFixed(2)} / ${middle?.verifyP99Ms.toFixed(2)} |`
  })
  console.log(`${machine()}; ${callers} callers, ${rounds} rounds of ${count} keys.\n`)
  console.log('| way | keys/s (lowest–highest round) | CPU µs a key | verification meanwhile, p50 / p99 ms |')
  console.log(`|---|---|---|---|\n${lines.join('\n')}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
