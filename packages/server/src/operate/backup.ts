/**
 * `keywright backup` and `restore`: the database as one file, without any KEK. A restore starts a new feed epoch and applies again the revocations that a
 * journal export knows of.
 */
import { statSync } from 'node:fs'
import { BackupUnusable, copyOut, readBackup, restoredTables } from '../adapters/database/copy.ts'
import type { Config } from '../config/read.ts'
import { verifyJournal } from '../domain/journal/verify-journal.ts'
import type { Domain } from '../domain/records/domain.ts'
import { openDeks } from '../domain/seal/keyring.ts'
import { startEpoch } from '../domain/tenants/epoch.ts'
import type { Instant } from '../model/ids.ts'
import type { Entry } from '../model/journal.ts'
import type { StoredDek, Write } from '../ports/database.ts'
import { applyRevocations, readExport } from './revocations.ts'

export interface BackedUp {
  readonly file: string
  readonly rows: number
  readonly bytes: number
}

/** Writes a backup while the server runs, and checks it. */
export async function backup(config: Config, file: string, now: Instant): Promise<BackedUp> {
  const rows = await copyOut({ url: config.database, dataDir: config.dataDir, caFile: config.caFile }, file, now)
  return { file, rows, bytes: statSync(file).size }
}

export interface Restored {
  readonly rows: number
  readonly tenants: number
  readonly revocations: number
  /** What happened after this instant is not in the backup. */
  readonly lastChange: string | null
}

const writesPerStep = 500

/** Fills an empty database from a backup. Refuses a KEK that does not open it before anything is written. */
export async function restore(domain: Domain, file: string, revocationsFile: string | undefined): Promise<Restored> {
  if ((await domain.database.heads()).size > 0)
    throw new BackupUnusable('The database is not empty. Restore into a new one: another --data-dir or --database.')
  // What cannot be read is refused before anything is written.
  const known = revocationsFile === undefined ? [] : readExport(revocationsFile)
  const source = readBackup(file)
  await requireOpeningKek(domain, source.deks as unknown as readonly StoredDek[])
  const { rows, tenants, lastChange } = await fillAndVerify(domain, source)
  for (const tenant of tenants) await startEpoch(domain, tenant)
  const revocations = await applyRevocations(domain, tenants, known)
  return { rows, tenants: tenants.length, revocations, lastChange }
}

/** Copies everything and believes it only when every journal and row holds; otherwise nothing stays. */
async function fillAndVerify(domain: Domain, source: ReturnType<typeof readBackup>) {
  try {
    let rows = 0
    for (const table of restoredTables) rows += await fillTable(domain, table, source.rows(table))
    await domain.listener.catchUp()
    const tenants = [...(await domain.database.heads()).keys()]
    let lastChange: string | null = null
    for (const tenant of tenants) {
      const verdict = await verifyJournal(domain, tenant)
      if (!verdict.ok)
        throw new BackupUnusable(
          `The backup was tampered with: entry ${verdict.seq} (${verdict.reason}). Nothing was restored.`,
        )
      const [last] = await domain.database.entries(tenant, verdict.to - 1, 1)
      const at = last === undefined ? null : (JSON.parse(last.entry) as Entry).at
      if (at !== null && (lastChange === null || at > lastChange)) lastChange = at
    }
    return { rows, tenants, lastChange }
  } catch (error) {
    // The database was empty before, so all that is in it came from this backup.
    await domain.database.maintain(
      restoredTables.map((table): Write => ({ kind: 'delete', table: table as Write['table'], where: {} })),
    )
    throw error
  }
}

async function fillTable(
  domain: Domain,
  table: string,
  rows: Iterable<Record<string, string | number | null>>,
): Promise<number> {
  let count = 0
  let writes: Write[] = []
  const flush = async () => {
    const written = await domain.database.maintain(writes)
    if (written.outcome === 'refused') throw new BackupUnusable(`The backup's table ${table} contradicts itself.`)
    writes = []
  }
  for (const values of rows) {
    writes.push({ kind: 'insert', table: table as Write['table'], values: { ...values } })
    count += 1
    if (writes.length >= writesPerStep) await flush()
  }
  if (writes.length > 0) await flush()
  return count
}

async function requireOpeningKek(domain: Domain, deks: readonly StoredDek[]): Promise<void> {
  for (const tenant of new Set(deks.map((dek) => dek.tenant))) {
    const wraps = deks.filter((dek) => dek.tenant === tenant)
    const opened = await openDeks(wraps, domain.keks)
    if (wraps.some((wrap) => !opened.has(wrap.version))) {
      const wanted = [...new Set(wraps.map((wrap) => wrap.kek))].join(' or ')
      throw new BackupUnusable(
        `The KEK does not open this backup: it was made under the KEK with the id ${wanted}. Name that one by --kek.`,
      )
    }
  }
}
