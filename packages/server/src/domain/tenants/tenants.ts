/**
 * Tenants: a space of its own for each API provider, with its own keys, journal and owner. Slugs are never reused, since tenants are never deleted.
 */
import { Fault } from '../../model/fault.ts'
import { defaultTenantSlug, type TenantId } from '../../model/ids.ts'
import { writeInstant } from '../../model/instant.ts'
import type { Actor } from '../../model/journal.ts'
import type { Secret } from '../../model/secret.ts'
import type { Random } from '../../ports/random.ts'
import type { Caller } from '../access/caller.ts'
import { makeCheckpointKey } from '../journal/checkpoint-key.ts'
import { commit } from '../journal/ledger.ts'
import { operatorDraft } from '../operators/operators.ts'
import { creationStep, systemActor } from '../records/change.ts'
import type { Domain } from '../records/domain.ts'
import { newOperatorDigits, newOperatorToken, newTenantId, operatorIdOf } from '../records/ids.ts'
import { everyTenant } from '../records/projection.ts'
import type { Loaded } from '../records/rows.ts'
import { digestOf } from '../seal/digest.ts'
import { makeDek } from '../seal/keyring.ts'
import { TenantKeys } from '../seal/tenant-keys.ts'

export interface TenantInput {
  readonly slug: string
  readonly name: string
}

export type TenantDeps = Pick<Domain, 'database' | 'keks' | 'keyring' | 'store' | 'listener' | 'clock' | 'random'>

/** Narrowing that confines to nothing. */
const unconfined = { apis: null, consumers: null, environments: null }

export interface CreatedTenant {
  readonly slug: string
  readonly name: string
  readonly created_at: string
  /** The owner's token: here and never again. */
  readonly token: string
  readonly seq: number
}

/** Makes a tenant. Only an owner of the tenant `default` may. */
export async function createTenant(deps: TenantDeps, caller: Caller, input: TenantInput): Promise<CreatedTenant> {
  await requireDefaultTenant(deps, caller)
  return await makeTenant(deps, caller.actor, input, newOwner(deps.random), caller)
}

/**
 * Makes a tenant with its DEK, its checkpoint key and its owner: its first two journal entries. 409 where the slug was ever used.
 */
async function makeTenant(
  deps: TenantDeps,
  actor: Actor,
  input: TenantInput,
  { id: digits, token }: NewOwner,
  caller?: Caller,
): Promise<CreatedTenant> {
  const id = newTenantId(deps.random)
  const { dek, write } = await makeDek(deps, deps.keks[0], id, 1)
  deps.keyring.adopt(new TenantKeys(id, new Map([[1, dek]])))
  const owner = operatorDraft(
    operatorIdOf(digits),
    { name: 'owner', role: 'owner', networks: null, expires_at: null },
    unconfined,
  )
  let created: Loaded<'tenants'> | undefined
  const where = { tenant: id, actor }
  const committed = await commit<CreatedTenant>(deps, {
    tenant: id,
    conditions: [write],
    steps: [
      creationStep(
        where,
        {
          kind: 'tenants',
          id,
          action: 'tenant.create',
          changes: { slug: input.slug },
          contents: { name: input.name },
          make: ({ at, sealer }) => ({
            id,
            ...input,
            created_at: at,
            checkpoint_key: makeCheckpointKey(sealer, id),
            epoch: 1,
          }),
        },
        (loaded) => {
          created = loaded
        },
      ),
      creationStep(where, owner(digestOf(token.reveal())), () => undefined),
    ],
    answer: () => {
      if (created === undefined) throw new Error('broken invariant: a tenant is made before its answer')
      return { ...presentTenant(created), token: token.reveal(), seq: created.revision }
    },
    ...(caller?.keep === undefined ? {} : { keep: caller.keep, keepFor: caller.tenant }),
  })
  if ('refused' in committed) {
    deps.keyring.forget(id)
    throw new Fault('conflict', 'This slug is taken.', {
      errors: [{ pointer: '/slug', detail: 'This slug is taken.' }],
    })
  }
  return committed.answer
}

/** An owner to be: the digits of its id and its token. */
export interface NewOwner {
  readonly id: string
  readonly token: Secret
}

export function newOwner(random: Random): NewOwner {
  const id = newOperatorDigits(random)
  return { id, token: newOperatorToken(random, id) }
}

/** The tenant `default` of an empty database, with this owner. Throws a conflict where another process was first. */
export async function foundDefaultTenant(deps: TenantDeps, owner: NewOwner): Promise<void> {
  await makeTenant(deps, systemActor, { slug: defaultTenantSlug, name: 'Default' }, owner)
}

/** The id of the tenant with this slug. */
export async function tenantIdOf(deps: Pick<Domain, 'database'>, slug: string): Promise<TenantId | undefined> {
  return (await deps.database.named(everyTenant, 'tenant_slug', slug)) as TenantId | undefined
}

async function requireDefaultTenant(deps: TenantDeps, caller: Caller): Promise<void> {
  if ((await tenantIdOf(deps, defaultTenantSlug)) !== caller.tenant) {
    throw new Fault('forbidden', 'Only an owner of the tenant default makes and lists tenants.')
  }
}

/** A tenant as the wire shows it. */
export function presentTenant({ record, revision }: Loaded<'tenants'>) {
  return { slug: record.slug, name: record.name, created_at: writeInstant(record.created_at), seq: revision }
}

/** All tenants, in the order of their slugs. */
export async function listTenants(deps: TenantDeps, caller: Caller) {
  await requireDefaultTenant(deps, caller)
  const tenants = await Promise.all(
    [...(await deps.database.heads()).keys()].map(async (id) => await deps.store.of('tenants', id, id)),
  )
  const data = tenants.filter((tenant) => tenant !== undefined).map(presentTenant)
  return { data: data.sort((one, other) => (one.slug < other.slug ? -1 : 1)), next_cursor: null }
}
