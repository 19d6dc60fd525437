/**
 * One entry of the journal: how it is written, hashed and authenticated, and how a read one is checked. Pure.
 *
 * The hash is SHA-256 over the RFC 8785 form of the entry without `hash`; the MAC is an HMAC of that hash under the tenant's `journal` subkey,
 * so that a writer of the database who recomputes the whole chain still cannot make an entry.
 */
import canonicalize from 'canonicalize'
import { invariant } from '../../model/fault.ts'
import type { Seq, TenantId } from '../../model/ids.ts'
import type { Actor, Contents, Entry, Json, Target } from '../../model/journal.ts'
import type { StoredEntry, Write } from '../../ports/database.ts'
import { sha256Hex } from '../seal/digest.ts'
import { sameMac, type TenantKeys } from '../seal/tenant-keys.ts'

/** An entry before it has its place. */
export interface EntryDraft {
  readonly actor: Actor
  readonly action: string
  readonly target: Target
  /** What the change set, without names, addresses and meta. */
  readonly changes: { readonly [name: string]: Json }
  /** Names, addresses, meta: kept beside the chain and erasable. */
  readonly contents?: { readonly [name: string]: Json }
}

/** Where in the chain an entry stands. */
export interface Place {
  readonly seq: Seq
  readonly at: string
  readonly prev: string
}

/** RFC 8785 canonical JSON. */
export function canonical(value: Json | Entry | Omit<Entry, 'hash'>): string {
  const text = canonicalize(value)
  invariant(text !== undefined, 'only JSON values are made canonical')
  return text
}

/** An entry in its place: what is appended. */
export interface PlacedEntry {
  readonly entry: Entry
  readonly contents: Contents | null
  /** The canonical form of the entry without its hash, which the hash is over: made once, since it costs the most of it all. */
  readonly text: string
}

/** Completes a draft. `salt` hides the contents behind the commitment. */
export function placeEntry(draft: EntryDraft, place: Place, salt: () => string): PlacedEntry {
  const values = draft.contents ?? {}
  const contents = Object.keys(values).length === 0 ? null : { salt: salt(), values }
  const open = {
    seq: place.seq,
    at: place.at,
    actor: draft.actor,
    action: draft.action,
    target: draft.target,
    changes: draft.changes,
    commitment: contents === null ? null : commitmentOf(contents),
    prev: place.prev,
  }
  const text = canonical(open)
  return { entry: { ...open, hash: sha256Hex(text) }, contents, text }
}

/** What an entry's `commitment` must be for these contents. */
export function commitmentOf(contents: Contents): string {
  return sha256Hex(canonical({ salt: contents.salt, values: contents.values }))
}

/** The write that appends an entry. */
export function appendEntry(keys: TenantKeys, { entry, contents, text }: PlacedEntry): Write {
  const { hash } = entry
  return {
    kind: 'insert',
    table: 'journal',
    values: {
      tenant: keys.tenant,
      seq: entry.seq,
      prev: entry.prev,
      target: targetText(entry.target),
      entry: text,
      hash,
      mac: entryMac(keys, keys.current, entry.seq, hash) ?? '',
      dek: keys.current,
      contents: contents === null ? null : JSON.stringify(contents),
    },
  }
}

export function targetText(target: Target): string {
  return `${target.kind}:${target.id}`
}

function entryMac(keys: TenantKeys, dek: number, seq: Seq, hash: string): string | undefined {
  return keys.mac(dek, 'journal', [keys.tenant, seq, hash])
}

/** Why a stored entry does not follow the one before it. Safe to print. */
export type EntryFault = 'gap' | 'broken_chain' | 'wrong_hash' | 'wrong_mac' | 'wrong_columns' | 'wrong_contents'

export interface ReadEntry {
  readonly entry: Entry
  readonly contents: Contents | null
}

/** Reads the entry that must follow `previous`, or says why it does not. Without keys, everything but the MAC is checked. */
export function readEntry(
  stored: StoredEntry,
  previous: { readonly seq: Seq; readonly hash: string },
  keys: TenantKeys | undefined,
): ReadEntry | EntryFault {
  if (stored.seq !== previous.seq + 1) return 'gap'
  if (stored.prev !== previous.hash) return 'broken_chain'
  if (sha256Hex(stored.entry) !== stored.hash) return 'wrong_hash'
  if (keys !== undefined) {
    const mac = entryMac(keys, stored.dek, stored.seq, stored.hash)
    if (mac === undefined || !sameMac(mac, stored.mac)) return 'wrong_mac'
  }
  const open = readOpenEntry(stored.entry)
  if (open === undefined) return 'wrong_columns'
  const columnsHold = open.seq === stored.seq && open.prev === stored.prev && targetText(open.target) === stored.target
  if (!columnsHold) return 'wrong_columns'
  // Erased contents leave their commitment behind; contents that are there must fit it.
  const contents = stored.contents === null ? null : (JSON.parse(stored.contents) as Contents)
  if (contents !== null && commitmentOf(contents) !== open.commitment) return 'wrong_contents'
  return { entry: { ...open, hash: stored.hash }, contents }
}

function readOpenEntry(text: string): Omit<Entry, 'hash'> | undefined {
  try {
    // Its hash and MAC hold, so it is an entry that this program wrote.
    return JSON.parse(text) as Omit<Entry, 'hash'>
  } catch {
    return undefined
  }
}

/** The tenant's journal as it is signed and checked elsewhere: the origin line of its checkpoints. */
export function checkpointOrigin(tenant: TenantId): string {
  return `keywright.dev/journal/${tenant}`
}
