/**
 * The writer thread of the embedded database: it alone writes, so that no fsync ever holds up a verification. Each turn is one transaction for
 * everything that waited (group commit); each job in it stands under a savepoint of its own.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { genesisHash } from '../../model/journal.ts'
import { Queries } from './queries.ts'
import { errcodeOf, primaryOf, SqliteConnection, sqliteConstraint } from './sqlite-connection.ts'
import type { FromWriter, ToWriter, WireWrite } from './sqlite-protocol.ts'

const port = parentPort
if (port === null) throw new Error('broken invariant: the writer runs as a worker thread')

// The main thread opened and migrated this file before it started us.
const connection = new SqliteConnection((workerData as { readonly path: string }).path)
const queries = new Queries('sqlite')
let inTransaction = false

function answer(message: FromWriter): void {
  port?.postMessage(message)
}

function begin(tenants: readonly string[]): void {
  connection.exec('begin immediate')
  inTransaction = true
  const heads = tenants.map((tenant) => {
    const make = queries.makeHead(tenant, genesisHash)
    connection.run(make.sql, make.parameters)
    const hold = queries.holdHead(tenant)
    const [row] = connection.all(hold.sql, hold.parameters)
    return { tenant, seq: Number(row?.['seq']), hash: String(row?.['hash']), seals: Number(row?.['seals']) }
  })
  answer({ kind: 'began', heads })
}

function write(jobs: readonly (readonly WireWrite[])[]): void {
  let written = 0
  let refused: number | undefined
  for (const job of jobs) {
    connection.exec('savepoint job')
    refused = firstRefused(job)
    if (refused !== undefined) connection.exec('rollback to job')
    connection.exec('release job')
    if (refused !== undefined) break
    written += 1
  }
  connection.exec('commit')
  inTransaction = false
  answer({ kind: 'committed', jobs: written, refused })
}

/** The index of the first write whose condition does not hold. */
function firstRefused(job: readonly WireWrite[]): number | undefined {
  for (const [index, write] of job.entries()) if (!holds(write)) return index
  return undefined
}

function holds([sql, parameters, expect]: WireWrite): boolean {
  if (typeof expect === 'object') {
    const [row] = connection.all(sql, parameters)
    return Number(row?.['count']) < expect.below
  }
  if (expect === 'some_row' || expect === 'no_row')
    return connection.all(sql, parameters).length > 0 === (expect === 'some_row')
  try {
    const changed = connection.run(sql, parameters)
    return expect === 'one_changed' ? changed === 1 : true
  } catch (error) {
    if (expect === 'free_key' && primaryOf(errcodeOf(error)) === sqliteConstraint) return false
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

port.on('message', (message: ToWriter) => {
  try {
    if (message.kind === 'begin') begin(message.tenants)
    else if (message.kind === 'write') write(message.jobs)
    else if (message.kind === 'rollback') {
      rollback()
      answer({ kind: 'done' })
    } else {
      rollback()
      connection.close()
      answer({ kind: 'done' })
      port?.close()
    }
  } catch (error) {
    rollback()
    answer({ kind: 'failed', errcode: errcodeOf(error), reason: error instanceof Error ? error.message : 'unknown' })
  }
})
