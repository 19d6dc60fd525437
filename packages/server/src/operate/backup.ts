/**
 * `keywright backup` and `restore`: the database as one file, without any KEK. A restore starts a new feed epoch and applies again the revocations that a
 * journal export knows of.
 */
import { readFileSync, statSync } from 'node:fs'
import { BackupUnusable, copyOut, readBackup, restoredTables } from '../adapters/database/copy.ts'
import type { Config } from '../config/read.ts'
import { changeKeyState } from '../domain/keys/state.ts'
import { revokeSecret } from '../domain/keys/secrets.ts'
import { changeOperatorState } from '../domain/operators/operators.ts'
import { verifyJournal } from '../domain/journal/verify-journal.ts'
import { systemActor } from '../domain/records/change.ts'
import type { Domain } from '../domain/records/domain.ts'
import { openDeks } from '../domain/seal/keyring.ts'
import { startEpoch } from '../domain/tenants/epoch.ts'
import type { Caller } from '../domain/access/caller.ts'
import type { ApiId, Instant, TenantId } from '../model/ids.ts'
import type { Entry } from '../model/journal.ts'
import type { OperatorRecord } from '../model/records.ts'
import type { StoredDek, Write } from '../ports/database.ts'

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
  const source = readBackup(file)
  await requireOpeningKek(domain, source.deks as unknown as readonly StoredDek[])
  let rows = 0
  for (const table of restoredTables) rows += await fillTable(domain, table, source.rows(table))
  await domain.listener.catchUp()
  const tenants = [...(await domain.database.heads()).keys()]
  let lastChange: string | null = null
  for (const tenant of tenants) {
    const verdict = await verifyJournal(domain, tenant)
    if (!verdict.ok)
      throw new BackupUnusable(
        `The backup was tampered with: entry ${verdict.seq} (${verdict.reason}). Do not use what was restored.`,
      )
    const [last] = await domain.database.entries(tenant, verdict.to - 1, 1)
    const at = last === undefined ? null : (JSON.parse(last.entry) as Entry).at
    if (at !== null && (lastChange === null || at > lastChange)) lastChange = at
    await startEpoch(domain, tenant)
  }
  const revocations = revocationsFile === undefined ? 0 : await applyRevocations(domain, tenants, revocationsFile)
  return { rows, tenants: tenants.length, revocations, lastChange }
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

/** Revocations and disables of a journal export (JSON lines) that the backup does not know, made again. */
async function applyRevocations(domain: Domain, tenants: readonly TenantId[], path: string): Promise<number> {
  let applied = 0
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line.trim() === '') continue
    const entry = JSON.parse(line) as Entry
    for (const tenant of tenants) if (await applyRevocation(domain, tenant, entry)) applied += 1
  }
  return applied
}

async function applyRevocation(domain: Domain, tenant: TenantId, { action, target, changes }: Entry): Promise<boolean> {
  const caller = restorer(tenant)
  if (target.kind === 'key' && (await domain.store.fresh('keys', tenant, target.id)) !== undefined) {
    if (action === 'key.revoke') await changeKeyState(domain, caller, target.id, 'revoke')
    else if (action === 'key.disable') await changeKeyState(domain, caller, target.id, 'disable').catch(() => undefined)
    else if (action === 'secret.revoke')
      await revokeSecret(domain, caller, target.id, Number(changes['version'])).catch(() => undefined)
    else return false
    return true
  }
  if (target.kind === 'operator' && (await domain.store.fresh('operators', tenant, target.id)) !== undefined) {
    if (action !== 'operator.revoke' && action !== 'operator.disable') return false
    await changeOperatorState(domain, caller, target.id, action === 'operator.revoke' ? 'revoke' : 'disable').catch(
      () => undefined,
    )
    return true
  }
  return false
}

/** The program itself with an owner's rights, for what a restore makes again. */
function restorer(tenant: TenantId): Caller {
  const operator: OperatorRecord = {
    id: 'opr_restore' as OperatorRecord['id'],
    name: 'restore',
    role: 'owner',
    narrowing: { apis: null as readonly ApiId[] | null, consumers: null, environments: null },
    networks: null,
    expires_at: null,
    state: 'enabled',
    created_at: 0,
    versions: [],
  }
  return { tenant, operator, actor: systemActor }
}
