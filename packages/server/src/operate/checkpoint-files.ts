/**
 * Checkpoints outside the database, and the sweep against them. A note is replaced only by one that continues it: the note of a journal that was cut off
 * or put back stays where it lies, since it is the evidence.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { replacePublicFile } from '../adapters/system/files.ts'
import { type Checkpointed, checkpointAll } from '../domain/journal/checkpoints.ts'
import { checkpointOrigin } from '../domain/journal/entry.ts'
import { verifyJournal } from '../domain/journal/verify-journal.ts'
import type { Domain } from '../domain/records/domain.ts'

/** What a sweep looks at in one go, and how long it leaves the node to its callers in between. */
const sweepPace = { perRead: 100, restMilliseconds: 20 }

/** Signs the journals that grew, and leaves the notes in `folder` where one is named. */
export async function publishCheckpoints(domain: Domain, folder: string | undefined): Promise<void> {
  const made = await checkpointAll(domain).catch(() => [])
  if (folder === undefined) return
  for (const one of made) {
    const path = join(folder, `${one.slug}.checkpoint`)
    if (!(await continues(domain, one, path))) continue
    replacePublicFile(path, one.note)
    replacePublicFile(join(folder, `${one.slug}.vkey`), `${one.verifierKey}\n`)
  }
}

async function continues(domain: Domain, made: Checkpointed, path: string): Promise<boolean> {
  const outside = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  if (outside === undefined || outside === made.previous || outside === made.note) return true
  const verdict = await verifyJournal(domain, made.tenant, [outside]).catch(() => undefined)
  if (verdict?.ok === false) logViolation(domain, made.tenant, verdict)
  return verdict?.ok === true
}

/** Looks through every journal and row in small steps, against the checkpoints that lie outside too; what it finds is in the log. */
export async function sweep(domain: Domain, folder: string | undefined): Promise<void> {
  const pace = { perRead: sweepPace.perRead, rest: () => domain.clock.sleep(sweepPace.restMilliseconds) }
  const tenants = [...(await domain.database.heads().catch(() => new Map())).keys()]
  let entries = 0
  for (const tenant of tenants) {
    const outside = outsideCheckpoints(folder, checkpointOrigin(tenant))
    const verdict = await verifyJournal(domain, tenant, outside, pace).catch(() => undefined)
    if (verdict?.ok === true) entries += verdict.to
    else if (verdict !== undefined) logViolation(domain, tenant, verdict)
  }
  domain.log.info('sweep.finished', { tenants: tenants.length, entries })
}

function logViolation(domain: Domain, tenant: string, { seq, reason }: { seq: number; reason: string }): void {
  domain.log.error('integrity.violated', { tenant, table: 'journal', id: String(seq), reason })
}

function outsideCheckpoints(folder: string | undefined, origin: string): readonly string[] {
  if (folder === undefined || !existsSync(folder)) return []
  const notes = readdirSync(folder)
    .filter((name) => name.endsWith('.checkpoint'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
  return notes.filter((note) => note.startsWith(`${origin}\n`))
}
