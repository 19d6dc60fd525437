/**
 * What a restore makes again: the revocations and disables of a journal export that the backup does not know of. Only what takes rights away is made
 * again, never what gives them.
 */
import { readFileSync } from 'node:fs'
import { BackupUnusable } from '../adapters/database/copy.ts'
import type { Caller } from '../domain/access/caller.ts'
import { setApiState } from '../domain/apis/apis.ts'
import { setConsumerState } from '../domain/consumers/consumers.ts'
import { revokeSecret } from '../domain/keys/secrets.ts'
import { changeKeyState } from '../domain/keys/state.ts'
import { changeOperatorState } from '../domain/operators/operators.ts'
import { systemActor } from '../domain/records/change.ts'
import type { Domain } from '../domain/records/domain.ts'
import { Fault } from '../model/fault.ts'
import type { TenantId } from '../model/ids.ts'
import type { Entry } from '../model/journal.ts'
import { type OperatorRecord, type RecordKind, recordKinds } from '../model/records.ts'

/** Reads a journal export: one entry a line. Refuses what is none, by its line. */
export function readExport(path: string): readonly Entry[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    throw new BackupUnusable(`The file ${path} of --revocations cannot be read.`)
  }
  const entries: Entry[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const entry = readLine(line)
    if (entry === undefined)
      throw new BackupUnusable(`Line ${index + 1} of ${path} is no journal entry. Make it by: keywright audit export`)
    entries.push(entry)
  }
  return entries
}

function readLine(line: string): Entry | undefined {
  try {
    const value = JSON.parse(line) as Partial<Entry> | null
    const whole =
      Number.isSafeInteger(value?.seq) &&
      typeof value?.hash === 'string' &&
      typeof value.action === 'string' &&
      typeof value.target?.id === 'string' &&
      typeof value.changes === 'object'
    return whole ? (value as Entry) : undefined
  } catch {
    return undefined
  }
}

/** Makes the revocations of an export again; how many changed something. Entries that the backup holds itself are history and are passed over. */
export async function applyRevocations(
  domain: Domain,
  tenants: readonly TenantId[],
  entries: readonly Entry[],
): Promise<number> {
  let applied = 0
  for (const entry of entries) {
    for (const tenant of tenants) {
      const { database } = domain
      const [known] = await database.entries(tenant, entry.seq - 1, 1)
      if (known?.hash === entry.hash) continue
      const before = (await database.heads()).get(tenant)?.seq
      await applyEntry(domain, tenant, entry)
      if ((await database.heads()).get(tenant)?.seq !== before) applied += 1
    }
  }
  return applied
}

async function applyEntry(domain: Domain, tenant: TenantId, entry: Entry): Promise<void> {
  const kind = tableOf(entry)
  if (kind === undefined) return
  const { id } = entry.target
  if ((await domain.store.fresh(kind, tenant, id)) === undefined) return
  const apply = appliers[entry.action]
  if (apply === undefined) return
  try {
    await apply(domain, restorer(tenant), id, entry)
  } catch (error) {
    // What is revoked already, or a version that the backup never knew, needs nothing more.
    if (!(error instanceof Fault && (error.code === 'conflict' || error.code === 'not-found'))) throw error
  }
}

function tableOf(entry: Entry): RecordKind | undefined {
  return recordKinds.find((kind) => kind.slice(0, -1) === entry.target.kind)
}

type Apply = (domain: Domain, caller: Caller, id: string, entry: Entry) => Promise<unknown>

const appliers: Readonly<Record<string, Apply>> = {
  'key.revoke': (domain, caller, id) => changeKeyState(domain, caller, id, 'revoke'),
  'key.disable': (domain, caller, id) => changeKeyState(domain, caller, id, 'disable'),
  'secret.revoke': (domain, caller, id, { changes }) => revokeSecret(domain, caller, id, Number(changes['version'])),
  'secret.create': (domain, caller, id, entry) =>
    entry.changes['state'] === 'active' ? endOverlap(domain, caller, id, entry) : Promise.resolve(),
  'secret.activate': (domain, caller, id, entry) => endOverlap(domain, caller, id, entry),
  'consumer.disable': (domain, caller, id) => setConsumerState(domain, caller, id, 'disable'),
  'api.disable': (domain, caller, id) => setApiState(domain, caller, id, 'disable'),
  'operator.revoke': (domain, caller, id) => changeOperatorState(domain, caller, id, 'revoke'),
  'operator.disable': (domain, caller, id) => changeOperatorState(domain, caller, id, 'disable'),
}

/** A rotation after the backup sent the versions of the backup into retirement: those whose overlap has ended since must not live again. */
async function endOverlap(domain: Domain, caller: Caller, id: string, entry: Entry): Promise<void> {
  const until = Date.parse(entry.at) + Number(entry.changes['overlap_seconds'] ?? 0) * 1_000
  if (!(until <= domain.clock.now())) return
  const key = await domain.store.fresh('keys', caller.tenant, id)
  const promoted = key?.record.versions.filter(
    ({ version, state }) =>
      version !== Number(entry.changes['version']) && (state === 'active' || state === 'retiring'),
  )
  for (const { version } of promoted ?? []) await revokeSecret(domain, caller, id, version)
}

/** The program itself with an owner's rights, for what a restore makes again. */
function restorer(tenant: TenantId): Caller {
  const operator: OperatorRecord = {
    id: 'opr_restore' as OperatorRecord['id'],
    name: 'restore',
    role: 'owner',
    narrowing: { apis: null, consumers: null, environments: null },
    networks: null,
    expires_at: null,
    state: 'enabled',
    created_at: 0,
    versions: [],
  }
  return { tenant, operator, actor: systemActor }
}
