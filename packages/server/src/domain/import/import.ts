/**
 * Bringing credentials from elsewhere: each row becomes a key with one version that is recognised by its own text. Rows fail alone; consumers notice
 * nothing. What comes raw or as a plain hash must be strong enough for a fast digest, or is kept under argon2id.
 */
import { parseCredential } from '@keywright/credential/credential'
import { Fault } from '../../model/fault.ts'
import type { DigestKind, KeyRecord } from '../../model/records.ts'
import type { Secret } from '../../model/secret.ts'
import type { SlowHash } from '../../ports/slow-hash.ts'
import type { Caller } from '../access/caller.ts'
import { liveKeysOf } from '../consumers/consumers.ts'
import { commit, type Step } from '../journal/ledger.ts'
import { type KeyInput, partsOf, type PreparedKey, prepareKey } from '../keys/keys.ts'
import { sealVersion } from '../keys/versions.ts'
import { type ChangeDeps, creationStep } from '../records/change.ts'
import { keyIdOf, newKeyDigits } from '../records/ids.ts'
import type { RecordName } from '../records/projection.ts'
import { plainDigestOf } from '../seal/digest.ts'
import type { TenantKeys } from '../seal/tenant-keys.ts'
import { estimateEntropyBits } from './entropy.ts'
import { indexNames } from './index-name.ts'
import { parseSlowHash, writeSlowHash } from './slow-hash-text.ts'

export const importFormats = ['raw', 'sha256-hex', 'sha256-base64', 'sha512-hex', 'bcrypt', 'argon2id'] as const
export type ImportFormat = (typeof importFormats)[number]

export interface ImportItem extends KeyInput {
  readonly format: ImportFormat
  /** The credential itself, for `raw`. */
  readonly value?: Secret
  /** Its hash, for every other format. */
  readonly hash?: string
  readonly client_id?: string
  readonly lookup?: string
  /** A raw value that a person chose: kept under argon2id. */
  readonly human?: boolean
  /** The caller's word that what was hashed is random and long. */
  readonly high_entropy?: boolean
}

export type ImportResult =
  | { readonly ok: true; readonly key_id: string }
  | {
      readonly ok: false
      readonly code: 'duplicate' | 'invalid' | 'weak'
      readonly pointer: string
      readonly detail: string
    }

export interface ImportDeps extends ChangeDeps {
  readonly slowHash: SlowHash
}

export const fastDigestBitsMin = 128
export const rawLengthMin = 8

/** A row that was understood: what will be kept and the names that it takes. */
interface Row {
  readonly item: ImportItem
  readonly kind: DigestKind
  readonly digest: string
  readonly prepared: PreparedKey
  readonly names: readonly RecordName[]
  readonly id: KeyRecord['id']
}

class RowFault extends Error {
  readonly code: 'duplicate' | 'invalid' | 'weak'
  readonly pointer: string
  constructor(code: RowFault['code'], pointer: string, detail: string) {
    super(detail)
    this.code = code
    this.pointer = pointer
  }
}

/** Imports a batch, or says what it would do. One result per row, in order; the rows that are good go in together. */
export async function importKeys(
  deps: ImportDeps,
  caller: Caller,
  input: { readonly dry_run: boolean; readonly items: readonly ImportItem[] },
) {
  const keys = await deps.keyring.of(caller.tenant)
  const results: ImportResult[] = []
  const rows = new Map<number, Row>()
  const taken = new Set<string>()
  const planned = new Map<string, number>()
  for (const [index, item] of input.items.entries()) {
    const read = await readItem(deps, caller, keys, item, `/items/${index}`).catch((error: unknown) =>
      rowFaultOf(error, `/items/${index}`),
    )
    const full =
      read instanceof RowFault ? undefined : await fullConsumer(deps, caller, read, planned, `/items/${index}`)
    if (full !== undefined) {
      results.push(refusal(full))
      continue
    }
    const duplicate = read instanceof RowFault ? undefined : await firstTaken(deps, caller, read, taken)
    if (read instanceof RowFault) results.push(refusal(read))
    else if (duplicate !== undefined) results.push(alreadyThere(duplicate, read, index))
    else {
      for (const name of read.names) taken.add(`${name.kind} ${name.name}`)
      rows.set(index, read)
      planned.set(read.item.consumer_id, (planned.get(read.item.consumer_id) ?? 0) + 1)
      results.push({ ok: true, key_id: read.id })
    }
  }
  if (input.dry_run || rows.size === 0)
    return { results, dry_run: input.dry_run, seq: deps.listener.asOf(caller.tenant).seq }
  return await write(deps, caller, results, rows)
}

/** A consumer's `keys_max` holds for the rows of one batch together. */
async function fullConsumer(
  deps: ImportDeps,
  caller: Caller,
  row: Row,
  planned: ReadonlyMap<string, number>,
  pointer: string,
): Promise<RowFault | undefined> {
  const { consumer_id } = row.item
  const consumer = await deps.store.of('consumers', caller.tenant, consumer_id)
  const most = consumer?.record.keys_max ?? null
  if (most === null) return undefined
  const { enabled, disabled } = await liveKeysOf(deps.database, caller.tenant, consumer_id)
  if (enabled + disabled + (planned.get(consumer_id) ?? 0) < most) return undefined
  return new RowFault('invalid', `${pointer}/consumer_id`, 'This consumer has as many keys as its keys_max allows.')
}

/** The same credential for the same consumer again changes nothing; for another it is a duplicate (never the last one wins). */
function alreadyThere(taken: Taken, row: Row, index: number): ImportResult {
  if (taken.consumerId === row.item.consumer_id && taken.name.kind === 'credential')
    return { ok: true, key_id: taken.keyId }
  const pointer = `/items/${index}`
  return {
    ok: false,
    code: 'duplicate',
    pointer,
    detail: `Another key has this ${taken.name.kind === 'credential' ? 'credential' : taken.name.kind}.`,
  }
}

interface Taken {
  readonly name: RecordName
  readonly keyId: string
  readonly consumerId: string | undefined
}

async function firstTaken(
  deps: ImportDeps,
  caller: Caller,
  row: Row,
  taken: ReadonlySet<string>,
): Promise<Taken | undefined> {
  for (const name of row.names) {
    if (taken.has(`${name.kind} ${name.name}`)) return { name, keyId: '', consumerId: undefined }
    const keyId = await deps.database.named(caller.tenant, name.kind, name.name)
    if (keyId === undefined) continue
    const key = await deps.store.of('keys', caller.tenant, keyId)
    return { name, keyId, consumerId: key?.record.consumer_id }
  }
  return undefined
}

async function write(
  deps: ImportDeps,
  caller: Caller,
  results: readonly ImportResult[],
  rows: ReadonlyMap<number, Row>,
) {
  const steps: Step[] = [...rows.values()].map(({ item, kind, digest, prepared, names, id }) =>
    creationStep(
      caller,
      {
        kind: 'keys',
        id,
        action: 'key.import',
        changes: { ...partsOf(prepared.record).changes, format: item.format },
        contents: partsOf(prepared.record).contents,
        // The record names its own alias and head; the index of a plain digest stands beside it.
        names: names.filter((name) => name.kind === 'credential'),
        make: ({ at, sealer }) => ({
          ...prepared.record,
          id,
          state: 'enabled',
          created_at: at,
          revoked_at: null,
          client_id: item.client_id ?? null,
          lookup: item.lookup ?? null,
          versions: [
            sealVersion(sealer, id, digest, { version: 1, state: 'active', kind, created_at: at, expires_at: null }),
          ],
        }),
      },
      () => undefined,
    ),
  )
  const committed = await commit(deps, {
    tenant: caller.tenant,
    conditions: [...rows.values()].flatMap((row) => row.prepared.conditions),
    steps,
    answer: (seq) => ({ results, dry_run: false, seq }),
    ...(caller.keep === undefined ? {} : { keep: caller.keep }),
  })
  if ('refused' in committed)
    throw new Fault(
      'conflict',
      'One of these credentials, consumers or apis was changed at the same moment; send the batch again.',
    )
  return committed.answer
}

/** Checks one row and finds out how it will be kept. */
async function readItem(
  deps: ImportDeps,
  caller: Caller,
  keys: TenantKeys,
  item: ImportItem,
  pointer: string,
): Promise<Row> {
  const { format, value, hash, client_id, lookup, human: _human, high_entropy: _entropy, ...keyInput } = item
  if (client_id !== undefined && /^kw[a-z]_/.test(client_id))
    throw new RowFault('invalid', `${pointer}/client_id`, 'A client_id in this form belongs to the authority.')
  if (client_id !== undefined && typeof parseCredential(client_id) !== 'string')
    throw new RowFault('invalid', `${pointer}/client_id`, 'A client_id in this form belongs to the authority.')
  const prepared = await prepareKey(deps, caller, keyInput)
  const { kind, digest } = await digestOfItem(deps, item, pointer)
  const names: RecordName[] = [
    ...(client_id === undefined ? [] : [{ kind: 'client_id' as const, name: client_id }]),
    ...(lookup === undefined ? [] : [{ kind: 'lookup' as const, name: lookup }]),
  ]
  if (kind === 'sha256' || kind === 'sha512') {
    const name = indexNames(keys, kind, digest).at(0)
    if (name !== undefined) names.unshift({ kind: 'credential', name })
    // The same credential may have come as its other hash before; only a raw one tells.
    if (value !== undefined) {
      const other = indexNames(keys, 'sha512', plainDigestOf('sha512', value.reveal())).at(0)
      if (other !== undefined) names.unshift({ kind: 'credential', name: other })
    }
  } else if (client_id === undefined && lookup === undefined) {
    throw new RowFault('invalid', pointer, 'A slow hash cannot be looked up: bring lookup or client_id with it.')
  }
  return { item, kind, digest, prepared, names, id: keyIdOf(item.environment, newKeyDigits(deps.random)) }
}

async function digestOfItem(
  deps: ImportDeps,
  item: ImportItem,
  pointer: string,
): Promise<{ kind: DigestKind; digest: string }> {
  if (item.format === 'raw') return await digestOfRaw(deps, item, pointer)
  if (item.value !== undefined) throw new RowFault('invalid', `${pointer}/value`, 'Only the format raw brings a value.')
  const { hash } = item
  if (hash === undefined) throw new RowFault('invalid', `${pointer}/hash`, 'This format needs a hash.')
  if (item.format === 'bcrypt' || item.format === 'argon2id') {
    const read = parseSlowHash(hash)
    if (typeof read === 'string' || read.kind !== item.format) {
      throw new RowFault(
        'invalid',
        `${pointer}/hash`,
        'This is no hash of that format within the limits: bcrypt of cost 4 to 14, argon2id of at most 64 MiB and 4 passes.',
      )
    }
    return { kind: item.format, digest: hash }
  }
  if (item.high_entropy !== true) {
    throw new RowFault(
      'weak',
      `${pointer}/high_entropy`,
      'A plain hash is taken only with high_entropy: true, your word that what was hashed is random.',
    )
  }
  const digest = plainHexOf(item.format, hash)
  if (digest === undefined) throw new RowFault('invalid', `${pointer}/hash`, 'This is no hash of that format.')
  return { kind: item.format === 'sha512-hex' ? 'sha512' : 'sha256', digest }
}

async function digestOfRaw(
  deps: ImportDeps,
  item: ImportItem,
  pointer: string,
): Promise<{ kind: DigestKind; digest: string }> {
  if (item.value === undefined) throw new RowFault('invalid', `${pointer}/value`, 'The format raw needs a value.')
  if (item.hash !== undefined)
    throw new RowFault('invalid', `${pointer}/hash`, 'The format raw brings a value and no hash.')
  const text = item.value.reveal()
  if (text.length < rawLengthMin)
    throw new RowFault('weak', `${pointer}/value`, `A credential has at least ${rawLengthMin} characters.`)
  if (estimateEntropyBits(text) >= fastDigestBitsMin) return { kind: 'sha256', digest: plainDigestOf('sha256', text) }
  if (item.human !== true) {
    throw new RowFault(
      'weak',
      `${pointer}/value`,
      'This credential is estimated at under 128 bits. With human: true and a lookup or client_id it is kept under argon2id.',
    )
  }
  const { lookup } = item
  if (lookup !== undefined && !text.startsWith(lookup)) {
    throw new RowFault('invalid', `${pointer}/lookup`, 'The lookup must be the head of the credential.')
  }
  const made = await deps.slowHash.make(text)
  if (typeof made === 'string')
    throw new Fault('unavailable', 'Too many slow hashes are being made.', { retryAfterSeconds: 1 })
  return { kind: 'argon2id', digest: writeSlowHash(made) }
}

/** A plain hash as lower-case hex, or `undefined` where it is not exactly that. */
function plainHexOf(format: 'sha256-hex' | 'sha256-base64' | 'sha512-hex', hash: string): string | undefined {
  if (format === 'sha256-base64') {
    const bytes = Buffer.from(hash, 'base64')
    const exact = bytes.length === 32 && bytes.toString('base64') === hash
    return exact ? bytes.toString('hex') : undefined
  }
  const digits = format === 'sha256-hex' ? 64 : 128
  return hash.length === digits && /^[0-9a-fA-F]+$/.test(hash) ? hash.toLowerCase() : undefined
}

/** A fault of a field of the row's key is that row's; anything else stops the whole batch. */
function rowFaultOf(error: unknown, pointer: string): RowFault {
  if (error instanceof RowFault) return error
  if (
    error instanceof Fault &&
    (error.code === 'invalid-field' || error.code === 'forbidden' || error.code === 'conflict')
  ) {
    const place = error.errors[0]
    const inner = place !== undefined && 'pointer' in place ? place.pointer : ''
    return new RowFault('invalid', pointer + inner, error.detail)
  }
  throw error
}

function refusal({ code, pointer, message }: RowFault): ImportResult {
  return { ok: false, code, pointer, detail: message }
}
