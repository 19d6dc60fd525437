/**
 * The loop behind the promise that no acknowledged change is lost: writers change keys over HTTP and note what was acknowledged, the server is killed
 * with SIGKILL in the middle of it, started again, and has to show every noted change; what was under way has to be there wholly or not at all.
 * Shared by the journey and by the benchmark. It judges nothing by time.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Body, Json, Place, Server } from './harness.ts'
import { runBinary, startServer } from './harness.ts'

export interface CrashReport {
  readonly kills: number
  /** Changes whose answer reached the writers. */
  readonly acknowledged: number
  /** Changes that were under way when the server was killed, and how many of those were there afterwards. */
  readonly underWay: number
  readonly underWayMade: number
  /** Acknowledged changes that were not there after a restart. */
  readonly lost: readonly string[]
  /** Keys that were neither before nor after the change that was under way. */
  readonly halfApplied: readonly string[]
  /** Verdicts of `keywright audit verify` other than ok, and journals that do not agree with the keys. */
  readonly journalBreaks: readonly string[]
  /** Answers that a writer did not expect. */
  readonly unexpected: readonly string[]
  readonly entries: number
}

export interface CrashOptions {
  readonly kills: number
  readonly writers: number
  /** The least and the most time under load before each kill. */
  readonly loadMilliseconds: readonly [number, number]
}

type State = 'enabled' | 'disabled' | 'revoked'

/** `value` is unknown where the answer with it never came. */
interface Version {
  readonly value: string | undefined
  readonly dead: boolean
}

interface Expected {
  readonly state: State
  readonly versions: readonly Version[]
}

interface Subject {
  readonly id: string
  acknowledged: Expected
  /** What the key is if the change was made whose answer never came. */
  pending: Expected | undefined
}

const batchItems = 500
const readsAtOnce = 32
/** Keys that were not touched since the last kill and are looked at again after each restart; at the end all are. */
const settledLookedAt = 1_000
const rotationsMax = 4
const api = 'https://api.example.com/crash'

class Loop {
  readonly #place: Place
  readonly #options: CrashOptions
  readonly #subjects: Subject[] = []
  #touched = new Set<Subject>()
  #consumerId = ''
  #killing = false
  #createsUnderWay = 0
  #acknowledged = 0
  #underWay = 0
  #underWayMade = 0
  #entries = 0
  readonly #lost: string[] = []
  readonly #halfApplied: string[] = []
  readonly #journalBreaks: string[] = []
  readonly #unexpected: string[] = []

  constructor(place: Place, options: CrashOptions) {
    this.#place = place
    this.#options = options
  }

  async run(): Promise<CrashReport> {
    let server = await startReady(this.#place)
    try {
      await this.#prepare(server)
      for (let kill = 0; kill < this.#options.kills; kill += 1) {
        await this.#loadAndKill(server, kill)
        server = await startReady(this.#place)
        await Promise.all([this.#auditVerify(), this.#check(server, this.#someSettled(kill))])
      }
      await this.#check(server, this.#subjects)
      await this.#agree(server)
      await this.#auditVerify()
    } finally {
      await server.stop()
    }
    return {
      kills: this.#options.kills,
      acknowledged: this.#acknowledged,
      underWay: this.#underWay,
      underWayMade: this.#underWayMade,
      lost: this.#lost,
      halfApplied: this.#halfApplied,
      journalBreaks: this.#journalBreaks,
      unexpected: this.#unexpected,
      entries: this.#entries,
    }
  }

  async #prepare(server: Server): Promise<void> {
    await server.call('POST', '/v1/apis', { identifier: api, name: 'Orders', scopes: [{ name: 'orders:read' }] })
    const consumer = await server.call('POST', '/v1/consumers', { name: 'Acme' })
    this.#consumerId = String(consumer.body['id'])
  }

  /** Writers at work, and then the cut. */
  async #loadAndKill(server: Server, kill: number): Promise<void> {
    const [least, most] = this.#options.loadMilliseconds
    this.#killing = false
    const writers = Array.from({ length: this.#options.writers }, (_, index) => this.#write(server, kill + index))
    // Spread over the range without randomness, so that two runs differ by the machine alone.
    await sleep(least + ((kill * 37) % 101) * 0.01 * (most - least))
    this.#killing = true
    await server.kill()
    await Promise.all(writers)
  }

  /** One writer: makes a key of its own and changes it again and again; no two writers share a key. */
  async #write(server: Server, turn: number): Promise<void> {
    for (let round = turn; !this.#killing; round += 1) {
      const subject = await this.#create(server)
      if (subject === undefined) return
      for (let step = 0; step < round % (rotationsMax + 1); step += 1) {
        if (!(await this.#change(server, subject, rotation(subject, (round + step) % 2 === 0 ? 0 : 3_600)))) return
      }
      if (round % 2 === 0 && !(await this.#change(server, subject, stateChange(subject, 'disable')))) return
      if (round % 4 === 0 && !(await this.#change(server, subject, stateChange(subject, 'enable')))) return
      if (round % 3 === 0 && !(await this.#change(server, subject, stateChange(subject, 'revoke')))) return
    }
  }

  async #create(server: Server): Promise<Subject | undefined> {
    this.#createsUnderWay += 1
    const grants = [{ api, scopes: ['orders:read'] }]
    const made = await this.#send(server, '/v1/keys', { consumer_id: this.#consumerId, grants }, 201)
    if (made === undefined) return undefined
    this.#createsUnderWay -= 1
    const value = secretIn(made.body['secret'])
    const acknowledged: Expected = { state: 'enabled', versions: [{ value, dead: false }] }
    const subject: Subject = { id: String(made.body['id']), acknowledged, pending: undefined }
    this.#subjects.push(subject)
    this.#touched.add(subject)
    return subject
  }

  async #change(server: Server, subject: Subject, change: Change): Promise<boolean> {
    subject.pending = change.after(undefined)
    const answer = await this.#send(server, change.path, change.body, change.status)
    if (answer === undefined) return false
    subject.acknowledged = change.after(answer)
    subject.pending = undefined
    return true
  }

  /** The answer, or `undefined` where it never came. */
  async #send(server: Server, path: string, body: Json, status: number): Promise<Answer | undefined> {
    try {
      const answer = await server.call('POST', path, body)
      if (answer.status !== status) {
        this.#unexpected.push(`POST ${path} answered ${answer.status} ${JSON.stringify(answer.body)}`)
        return undefined
      }
      this.#acknowledged += 1
      return answer
    } catch (error) {
      if (this.#killing) this.#underWay += 1
      else this.#unexpected.push(`POST ${path} got no answer before the kill: ${String(error)}`)
      return undefined
    }
  }

  #someSettled(kill: number): readonly Subject[] {
    const settled = this.#subjects.filter((subject) => !this.#touched.has(subject))
    const start = settled.length === 0 ? 0 : (kill * settledLookedAt) % settled.length
    return settled.slice(start, start + settledLookedAt)
  }

  async #check(server: Server, settled: readonly Subject[]): Promise<void> {
    await this.#checkCodes(server, settled)
    // A key that was changed is read as a whole too: its state and each of its versions.
    const touched = [...this.#touched]
    for (let from = 0; from < touched.length; from += readsAtOnce) {
      const part = touched.slice(from, from + readsAtOnce)
      await Promise.all(part.map(async (subject) => this.#settle(subject, await observe(server, subject))))
    }
    await this.#checkCodes(server, touched)
    this.#touched = new Set()
  }

  /** Decides which of the two possible ends a change had that was under way. */
  #settle(subject: Subject, observed: Observed): void {
    const { acknowledged, pending } = subject
    subject.pending = undefined
    if (agrees(observed, acknowledged)) return
    if (pending !== undefined && agrees(observed, pending)) {
      this.#underWayMade += 1
      subject.acknowledged = pending
      return
    }
    const found = `${subject.id}: ${JSON.stringify(observed)}`
    if (pending === undefined) this.#lost.push(found)
    else this.#halfApplied.push(found)
  }

  /** Each known secret must be answered as its key's acknowledged changes say. */
  async #checkCodes(server: Server, subjects: readonly Subject[]): Promise<void> {
    const asked = subjects.flatMap(({ id, acknowledged }) =>
      acknowledged.versions.flatMap((version) =>
        version.value === undefined ? [] : [{ id, credential: version.value, code: codeOf(acknowledged, version) }],
      ),
    )
    for (let from = 0; from < asked.length; from += batchItems) {
      const part = asked.slice(from, from + batchItems)
      const items = part.map(({ credential }) => ({ credential, api, scopes: ['orders:read'] }))
      const { body } = await server.call('POST', '/v1/verify/batch', { items })
      const results = body['results'] as Body[] | undefined
      for (const [index, { id, code }] of part.entries()) {
        const answered = results?.[index]?.['code']
        if (answered !== code) this.#lost.push(`${id}: a secret is answered ${String(answered)} instead of ${code}`)
      }
    }
  }

  /** As many keys as the journal says were made, all acknowledged ones among them, and no more others than were under way. */
  async #agree(server: Server): Promise<void> {
    const keys = new Set((await readAll(server, '/v1/keys')).map((key) => String(key['id'])))
    const entries = await readAll(server, '/v1/audit')
    this.#entries = entries.length
    const gap = entries.findIndex((entry, index) => entry['seq'] !== index + 1)
    if (gap >= 0) this.#journalBreaks.push(`entry ${gap + 1} is not where it must be`)
    const made = entries.filter((entry) => entry['action'] === 'key.create')
    if (made.length !== keys.size) this.#journalBreaks.push(`${made.length} keys in the journal, ${keys.size} listed`)
    for (const { id } of this.#subjects) if (!keys.has(id)) this.#lost.push(`${id}: is not listed`)
    const others = keys.size - this.#subjects.length
    this.#underWayMade += Math.max(0, others)
    if (others > this.#createsUnderWay) this.#journalBreaks.push(`${others} keys that nobody asked for`)
  }

  async #auditVerify(): Promise<void> {
    const { code, out, err } = await runBinary(['audit', 'verify', ...this.#place.flags])
    if (code !== 0) this.#journalBreaks.push(`audit verify ended with ${code}: ${out}${err}`)
  }
}

/** Runs the loop on a fresh place and says what it found. */
export async function crashLoop(place: Place, options: CrashOptions): Promise<CrashReport> {
  return await new Loop(place, options).run()
}

async function startReady(place: Place): Promise<Server> {
  const server = await startServer(place)
  while ((await server.call('GET', '/readyz')).status !== 200) await sleep(10)
  return server
}

interface Change {
  readonly path: string
  readonly body: Json
  readonly status: number
  /** What the key is afterwards; without an answer the new secret is unknown. */
  after(answer: Answer | undefined): Expected
}

function rotation({ id, acknowledged }: Subject, overlapSeconds: number): Change {
  const old = acknowledged.versions.map((version) => ({ ...version, dead: version.dead || overlapSeconds === 0 }))
  return {
    path: `/v1/keys/${id}/secrets`,
    body: { overlap_seconds: overlapSeconds },
    status: 201,
    after: (answer) => ({
      state: acknowledged.state,
      versions: [...old, { value: answer === undefined ? undefined : secretIn(answer.body), dead: false }],
    }),
  }
}

function stateChange({ id, acknowledged }: Subject, verb: 'enable' | 'disable' | 'revoke'): Change {
  const state = ({ enable: 'enabled', disable: 'disabled', revoke: 'revoked' } as const)[verb]
  const versions =
    verb === 'revoke' ? acknowledged.versions.map((version) => ({ ...version, dead: true })) : acknowledged.versions
  return { path: `/v1/keys/${id}/${verb}`, body: {}, status: 200, after: () => ({ state, versions }) }
}

function secretIn(secret: Json | undefined): string {
  return String((secret as Body)['value'])
}

function codeOf({ state }: Expected, version: Version): string {
  if (state !== 'enabled') return state
  return version.dead ? 'revoked' : 'ok'
}

interface Observed {
  readonly state: string
  readonly dead: readonly boolean[]
}

async function observe(server: Server, { id }: Subject): Promise<Observed> {
  const [key, secrets] = await Promise.all([
    server.call('GET', `/v1/keys/${id}`),
    server.call('GET', `/v1/keys/${id}/secrets`),
  ])
  const versions = (secrets.body['data'] as Body[] | undefined) ?? []
  const oldestFirst = versions.toSorted((one, other) => Number(one['version']) - Number(other['version']))
  return {
    state: key.status === 200 ? String(key.body['state']) : `status ${key.status}`,
    dead: oldestFirst.map((version) => version['state'] === 'revoked'),
  }
}

function agrees(observed: Observed, expected: Expected): boolean {
  return (
    observed.state === expected.state &&
    observed.dead.length === expected.versions.length &&
    expected.versions.every((version, index) => version.dead === observed.dead[index])
  )
}

async function readAll(server: Server, path: string): Promise<Body[]> {
  const all: Body[] = []
  let cursor = ''
  for (;;) {
    const { status, body } = await server.call('GET', `${path}?page_size=1000${cursor}`)
    if (status !== 200) throw new Error(`GET ${path} answered ${status}`)
    all.push(...(body['data'] as Body[]))
    const next = body['next_cursor']
    if (typeof next !== 'string') return all
    cursor = `&cursor=${encodeURIComponent(next)}`
  }
}
