/**
 * How many changes a database takes in a second: callers that each append a row and its journal entry and wait for the commit.
 *
 *   node --conditions=@keywright/source bench/ledger-append.ts embedded|postgres [SECONDS] [CALLERS…]
 *
 * The folder of the embedded database is a temporary one; a PostgreSQL is started for the measurement, with fsync on.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../src/adapters/database/open.ts'
import { startPostgres } from '../src/adapters/database/postgres-for-tests.ts'
import { systemClock } from '../src/adapters/system/clock.ts'
import type { TenantId } from '../src/model/ids.ts'
import type { Database } from '../src/ports/database.ts'
import { emptyHead, entryOn, keyRow } from '../src/testing/appending.ts'

const tenant = 'ten_bench' as TenantId

const [dialect = 'embedded', seconds = '3', ...callers] = process.argv.slice(2)
const dataDir = mkdtempSync(join(tmpdir(), 'keywright-bench-'))
const postgres = dialect === 'postgres' ? await startPostgres() : undefined
const url = postgres === undefined ? 'embedded' : await postgres.freshDatabase()
const database = await openDatabase({ url, dataDir, clock: systemClock })
try {
  for (const count of callers.length > 0 ? callers : ['1', '32', '256']) {
    await measure(database, Number(count), Number(seconds))
  }
} finally {
  await database.close()
  await postgres?.stop()
  rmSync(dataDir, { recursive: true })
}

async function measure(on: Database, count: number, duration: number): Promise<void> {
  const end = performance.now() + duration * 1_000
  const latencies: number[] = []
  const call = async (caller: number): Promise<void> => {
    for (let number = 0; performance.now() < end; number += 1) {
      const start = performance.now()
      const id = `key_${count}_${caller}_${number}`
      await on.transact([tenant], (heads) => {
        const { head, write } = entryOn(tenant, heads.get(tenant) ?? emptyHead, `key:${id}`)
        const row = keyRow(tenant, id, head.seq)
        return { heads: new Map([[tenant, head]]), writes: [{ kind: 'insert', table: 'keys', values: row }, write] }
      })
      latencies.push(performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: count }, (_, caller) => call(caller)))
  latencies.sort((one, other) => one - other)
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(2)
  const rate = Math.round(latencies.length / duration)
  console.log(`${dialect}, ${count} callers: ${rate} changes/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`)
}
