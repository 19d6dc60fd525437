/**
 * A program for tests: one more process that appends keys to tenants' journals, several at a time, and prints each id once it is acknowledged.
 *
 *   node append.ts DATABASE_URL DATA_DIR COUNT PREFIX TENANT…
 */
import { openDatabase } from '../adapters/database/open.ts'
import { systemClock } from '../adapters/system/clock.ts'
import type { TenantId } from '../model/ids.ts'
import { emptyHead, newKey } from './appending.ts'

const callers = 8
/** What the program ends with when nothing written any more could be relied on. */
const fatalExitCode = 3

const [url = '', dataDir = '', count = '0', prefix = '', ...tenants] = process.argv.slice(2)
const database = await openDatabase({ url, dataDir, clock: systemClock, onFatal: () => process.exit(fatalExitCode) })
let next = 0

async function append(): Promise<void> {
  while (next < Number(count)) {
    const number = next++
    const tenant = (tenants[number % tenants.length] ?? '') as TenantId
    const id = `${prefix}_${number}`
    const { outcome } = await database.transact([tenant], (heads) => newKey(tenant, heads.get(tenant) ?? emptyHead, id))
    process.stdout.write(`${outcome} ${tenant} ${id}\n`)
  }
}

await Promise.all(Array.from({ length: callers }, append))
await database.close()
