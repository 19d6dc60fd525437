/**
 * Signed checkpoints of the journals (C2SP tlog-checkpoint): what shows that a journal was cut or rewritten, wherever a copy of them is kept.
 * The leaves of the Merkle tree are the entries' canonical texts, so that anybody can recompute a root from an export.
 */
import type { TenantId } from '../../model/ids.ts'
import type { StoredEntry } from '../../ports/database.ts'
import type { Domain } from '../records/domain.ts'
import { checkpointPublicKey, openCheckpointKey } from './checkpoint-key.ts'
import { signCheckpoint } from './checkpoint.ts'
import { checkpointOrigin } from './entry.ts'
import { append, emptyFrontier, type Frontier, leafHash, rootOf } from './merkle.ts'
import { noteSigner, noteVerifier, writeVerifierKey } from './note.ts'

export interface Checkpointed {
  readonly tenant: TenantId
  readonly slug: string
  readonly size: number
  readonly note: string
  /** The note before it, as the database has it. */
  readonly previous: string | undefined
  /** The verifier key by which others check the note (C2SP signed-note). */
  readonly verifierKey: string
}

const entriesPerRead = 500

export function leafOf(stored: Pick<StoredEntry, 'entry'>): Uint8Array {
  return leafHash(Buffer.from(stored.entry))
}

export function writeFrontier(frontier: Frontier): string {
  return JSON.stringify({
    size: frontier.size,
    hashes: frontier.hashes.map((hash) => Buffer.from(hash).toString('base64')),
  })
}

export function readFrontier(text: string): Frontier {
  const { size, hashes } = JSON.parse(text) as { size: number; hashes: string[] }
  return { size, hashes: hashes.map((hash) => Buffer.from(hash, 'base64')) }
}

/** Writes a checkpoint of a tenant's journal if it grew since the last one. */
export async function checkpoint(domain: Domain, tenant: TenantId): Promise<Checkpointed | undefined> {
  const last = await domain.database.latestCheckpoint(tenant)
  let frontier = last === undefined ? emptyFrontier : readFrontier(last.frontier)
  for (;;) {
    const entries = await domain.database.entries(tenant, frontier.size, entriesPerRead)
    for (const entry of entries) frontier = append(frontier, leafOf(entry))
    if (entries.length < entriesPerRead) break
  }
  const loaded = await domain.store.of('tenants', tenant, tenant)
  if (loaded === undefined || frontier.size === (last?.size ?? 0)) return undefined
  const keys = await domain.keyring.of(tenant)
  const privateKey = openCheckpointKey(keys, tenant, loaded.record.checkpoint_key.sealed)
  if (privateKey === undefined) return undefined
  const origin = checkpointOrigin(tenant)
  const note = signCheckpoint({ origin, size: frontier.size, root: rootOf(frontier), extensions: [] }, [
    noteSigner(origin, privateKey),
  ])
  const values = { tenant, size: frontier.size, note, frontier: writeFrontier(frontier) }
  // Another node may have signed the same size; its note says the same.
  await domain.database.maintain([{ kind: 'insert', table: 'checkpoints', values }])
  domain.log.info('journal.checkpointed', { tenant, size: frontier.size })
  const verifierKey = writeVerifierKey(noteVerifier(origin, checkpointPublicKey(loaded.record)))
  return { tenant, slug: loaded.record.slug, size: frontier.size, note, previous: last?.note, verifierKey }
}

/** Checkpoints of all tenants whose journals grew. */
export async function checkpointAll(domain: Domain): Promise<readonly Checkpointed[]> {
  const made: Checkpointed[] = []
  for (const tenant of (await domain.database.heads()).keys()) {
    const one = await checkpoint(domain, tenant)
    if (one !== undefined) made.push(one)
  }
  return made
}
