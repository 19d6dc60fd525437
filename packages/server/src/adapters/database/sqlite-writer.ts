/**
 * The writer thread of the embedded database: it alone writes, so that no fsync ever holds up a verification. Each turn is one transaction for
 * everything that waited (group commit). When a job in it ends badly, what was written is undone, and the jobs before it are written again.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { genesisHash } from '../../model/journal.ts'
import { Queries } from './queries.ts'
import { errcodeOf, isStatementsFault, isTaken, messageOf, SqliteConnection } from './sqlite-connection.ts'
import type { FromWriter, ToWriter, Undone, WireHead, WireJob, WireWrite } from './sqlite-protocol.ts'

const port = parentPort
if (port === null) throw new Error('broken invariant: the writer runs as a worker thread')

// The main thread opened and migrated this file before it started us.
const connection = new SqliteConnection((workerData as { readonly path: string }).path)
const queries = new Queries('sqlite')
const statements: string[] = []
let inTransaction = false

function begin(tenants: readonly string[]): FromWriter {
  connection.exec('begin immediate')
  inTransaction = true
  const heads = tenants.map((tenant): WireHead => {
    const make = queries.makeHead(tenant, genesisHash)
    connection.run(make.sql, make.parameters)
    const hold = queries.holdHead(tenant)
    const [row] = connection.all(hold.sql, hold.parameters)
    return [tenant, Number(row?.['seq']), String(row?.['hash']), Number(row?.['seals'])]
  })
  return { kind: 'began', heads }
}

function write(jobs: readonly WireJob[]): FromWriter {
  connection.exec('savepoint jobs')
  const { written, undone } = writeUntilUndone(jobs)
  const good = jobs.slice(0, written)
  if (undone !== undefined) {
    connection.exec('rollback to jobs')
    if (writeUntilUndone(good).written !== written) throw new Error('broken invariant: a write held once and not again')
  }
  setHeads(good)
  connection.exec(written === 0 ? 'rollback' : 'commit')
  inTransaction = false
  return { kind: 'committed', jobs: written, undone }
}

function writeUntilUndone(jobs: readonly WireJob[]): { written: number; undone: Undone | undefined } {
  for (const [written, { writes }] of jobs.entries()) {
    const undone = whyUndone(writes)
    if (undone !== undefined) return { written, undone }
  }
  return { written: jobs.length, undone: undefined }
}

function whyUndone(writes: readonly WireWrite[]): Undone | undefined {
  for (const [index, write] of writes.entries()) {
    try {
      if (!holds(write)) return { refused: index }
    } catch (error) {
      if (isStatementsFault(error)) return { failed: messageOf(error) }
      throw error
    }
  }
  return undefined
}

/** Each tenant's last head: those in between, nobody would see. */
function setHeads(jobs: readonly WireJob[]): void {
  const last = new Map(jobs.flatMap(({ heads }) => heads.map((head) => [head[0], head])))
  for (const [tenant, seq, hash, seals] of last.values()) {
    const query = queries.setHead(tenant, { seq, hash, seals })
    if (connection.run(query.sql, query.parameters) !== 1) throw new Error('broken invariant: a head is gone')
  }
}

function holds([statement, parameters, expect]: WireWrite): boolean {
  const sql = statements[statement] ?? ''
  if (typeof expect === 'object') {
    const [row] = connection.all(sql, parameters)
    return Number(row?.['count']) < expect.below
  }
  if (expect === 'some_row' || expect === 'no_row') {
    return connection.all(sql, parameters).length > 0 === (expect === 'some_row')
  }
  try {
    const changed = connection.run(sql, parameters)
    return expect === 'one_changed' ? changed === 1 : true
  } catch (error) {
    if (isTaken(error)) return false
    throw error
  }
}

function rollback(): void {
  if (!inTransaction) return
  inTransaction = false
  try {
    connection.exec('rollback')
  } catch {
    // SQLite rolled back by itself already (disk full, I/O error).
  }
}

function answerTo(message: ToWriter): FromWriter {
  switch (message.kind) {
    case 'begin':
      return begin(message.tenants)
    case 'write':
      statements.push(...message.statements)
      return write(message.jobs)
    case 'close':
      rollback()
      connection.close()
      return { kind: 'closed' }
  }
}

port.on('message', (text: string) => {
  const message = JSON.parse(text) as ToWriter
  let answer: FromWriter
  try {
    answer = answerTo(message)
  } catch (error) {
    rollback()
    answer = { kind: 'failed', errcode: errcodeOf(error), reason: messageOf(error) }
  }
  port.postMessage(JSON.stringify(answer))
  if (message.kind === 'close') port.close()
})
