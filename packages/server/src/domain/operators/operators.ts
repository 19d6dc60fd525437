/**
 * Operators: the persons and programs that administer a tenant. Nobody makes, changes or resets one that exceeds their own rights.
 */
import { Fault, invalidField } from '../../model/fault.ts'
import type { ConsumerId, Instant, OperatorId } from '../../model/ids.ts'
import { writeInstant, writeInstantOrNull } from '../../model/instant.ts'
import type { Json } from '../../model/journal.ts'
import type { Environment, Narrowing, Networks, OperatorRecord, OperatorRole } from '../../model/records.ts'
import { type Caller, mayGovern, noSuchThing } from '../access/caller.ts'
import { findApi } from '../apis/apis.ts'
import { identifiersOf, type Identifiers } from '../keys/present.ts'
import { isLive, nextVersion, retire, revokeVersion, sealVersion, statusAt, withRoom } from '../keys/versions.ts'
import { type Alteration, type ChangeDeps, changeRecord, createRecord, type IfMatch } from '../records/change.ts'
import { newOperatorDigits, newOperatorToken, operatorIdOf } from '../records/ids.ts'
import { type PageQuery, pageOf } from '../records/page.ts'
import type { Loaded } from '../records/rows.ts'
import { digestOf } from '../seal/digest.ts'

export interface OperatorInput {
  readonly name: string
  readonly role: OperatorRole
  readonly apis: readonly string[] | null
  readonly consumers: readonly string[] | null
  readonly environments: readonly Environment[] | null
  readonly networks: Networks | null
  readonly expires_at: Instant | null
}

/** An operator as the wire shows it; never its token. */
export function presentOperator({ record, revision }: Loaded<'operators'>, identifiers: Identifiers, at: Instant) {
  const { id, versions, narrowing, created_at, expires_at, ...rest } = record
  return {
    id,
    ...rest,
    apis: narrowing.apis?.map((api) => identifiers.get(api) ?? api) ?? null,
    consumers: narrowing.consumers,
    environments: narrowing.environments,
    expires_at: writeInstantOrNull(expires_at),
    created_at: writeInstant(created_at),
    tokens: versions
      .filter((version) => isLive(version, at))
      .map((version) => ({
        version: version.version,
        state: statusAt(version, at),
        until: writeInstantOrNull(version.until),
      })),
    seq: revision,
  }
}

export type OperatorAnswer = ReturnType<typeof presentOperator>

async function narrowingOf(deps: ChangeDeps, caller: Caller, input: OperatorInput): Promise<Narrowing> {
  const apis =
    input.apis === null
      ? null
      : await Promise.all(
          input.apis.map(async (api, index) => {
            const found = await findApi(deps.store, caller.tenant, api)
            if (found === undefined) throw invalidField(`/apis/${index}`, 'There is no such api.')
            return found.record.id
          }),
        )
  for (const [index, consumer] of (input.consumers ?? []).entries()) {
    if ((await deps.store.of('consumers', caller.tenant, consumer)) === undefined) {
      throw invalidField(`/consumers/${index}`, 'There is no such consumer.')
    }
  }
  return { apis, consumers: input.consumers as readonly ConsumerId[] | null, environments: input.environments }
}

function identifiers(
  deps: ChangeDeps,
  record: Pick<OperatorRecord, 'narrowing'>,
  caller: Caller,
): Promise<Identifiers> {
  return identifiersOf(
    deps.store,
    caller.tenant,
    (record.narrowing.apis ?? []).map((api) => ({ api, scopes: [] })),
  )
}

function requireGovernable(caller: Caller, role: OperatorRole, narrowing: Narrowing): void {
  if (!mayGovern(caller, role, narrowing)) {
    throw new Fault('forbidden', 'An operator cannot make or change one whose rights exceed its own.')
  }
}

/** Makes an operator with its first token, which the answer alone shows. */
export async function createOperator(deps: ChangeDeps, caller: Caller, input: OperatorInput) {
  const narrowing = await narrowingOf(deps, caller, input)
  requireGovernable(caller, input.role, narrowing)
  if (input.expires_at !== null && input.expires_at <= deps.clock.now()) {
    throw invalidField('/expires_at', 'An operator must expire in the future.')
  }
  const digits = newOperatorDigits(deps.random)
  const token = newOperatorToken(deps.random, digits)
  const draft = operatorDraft(operatorIdOf(digits), input, narrowing)
  const known = await identifiers(deps, { narrowing }, caller)
  return await createRecord(
    deps,
    caller,
    draft(digestOf(token.reveal())),
    (loaded) => {
      const { seq, ...operator } = presentOperator(loaded, known, deps.clock.now())
      return { ...operator, token: token.reveal(), seq }
    },
    () => new Fault('conflict', 'The id of this operator is taken; try again.'),
  )
}

/** The creation of an operator around the digest of its first token. */
export function operatorDraft(
  id: OperatorId,
  input: Pick<OperatorInput, 'name' | 'role' | 'networks' | 'expires_at'>,
  narrowing: Narrowing,
) {
  const { name, role, networks, expires_at } = input
  return (digest: string) => ({
    kind: 'operators' as const,
    id,
    action: 'operator.create',
    changes: { role, ...narrowing, expires_at: writeInstantOrNull(expires_at) } as unknown as {
      readonly [name: string]: Json
    },
    contents: { name, networks } as unknown as { readonly [name: string]: Json },
    make: ({
      at,
      sealer,
    }: {
      readonly at: Instant
      readonly sealer: Parameters<typeof sealVersion>[0]
    }): OperatorRecord => ({
      id,
      name,
      role,
      narrowing,
      networks,
      expires_at,
      state: 'enabled',
      created_at: at,
      versions: [
        sealVersion(sealer, id, digest, {
          version: 1,
          state: 'active',
          kind: 'native',
          created_at: at,
          expires_at: null,
        }),
      ],
    }),
  })
}

export async function getOperator(deps: ChangeDeps, caller: Caller, id: string): Promise<OperatorAnswer> {
  const operator = await deps.store.of('operators', caller.tenant, id)
  if (operator === undefined) throw noSuchThing('operator')
  return presentOperator(operator, await identifiers(deps, operator.record, caller), deps.clock.now())
}

export interface OperatorFilters {
  readonly name?: string
  readonly role?: OperatorRole
  readonly state?: OperatorRecord['state']
}

export function listOperators(deps: ChangeDeps, caller: Caller, filters: OperatorFilters, page: PageQuery) {
  return pageOf(
    deps.store,
    'operators',
    caller.tenant,
    { columns: { ...filters }, facets: [] },
    page,
    () => true,
    async (operator) => presentOperator(operator, await identifiers(deps, operator.record, caller), deps.clock.now()),
  )
}

/** Disables, enables or revokes an operator. Nothing leads out of `revoked`. Nobody does it to themselves, so an owner is always left. */
export async function changeOperatorState(
  deps: ChangeDeps,
  caller: Caller,
  id: string,
  verb: 'enable' | 'disable' | 'revoke',
  ifMatch?: IfMatch,
): Promise<OperatorAnswer> {
  const state = verb === 'enable' ? 'enabled' : verb === 'disable' ? 'disabled' : 'revoked'
  return await alterOperator(deps, caller, id, ifMatch, ({ record }) => {
    if (record.state === state) return undefined
    if (record.state === 'revoked') throw new Fault('conflict', 'This operator is revoked: nothing leads out of that.')
    // Only an owner governs owners; with oneself excepted, the caller is an enabled owner that is left.
    if (record.id === caller.operator.id) throw new Fault('conflict', 'An operator cannot change its own state.')
    return {
      action: `operator.${verb}`,
      changes: { state },
      make: ({ at }) => ({
        ...record,
        state,
        versions: verb === 'revoke' ? record.versions.map((version) => revokeVersion(version, at)) : record.versions,
      }),
    }
  })
}

/** Gives an operator a new token; the old ones die at once, or after the overlap. */
export async function renewToken(
  deps: ChangeDeps,
  caller: Caller,
  id: string,
  overlapSeconds: number,
  ifMatch?: IfMatch,
) {
  const digits = id.slice('opr_'.length)
  const shown = { value: '' }
  const answer = await alterOperator(
    deps,
    caller,
    id,
    ifMatch,
    ({ record }) => {
      if (record.state === 'revoked')
        throw new Fault('conflict', 'This operator is revoked: nothing leads out of that.')
      const token = newOperatorToken(deps.random, digits)
      shown.value = token.reveal()
      const digest = digestOf(shown.value)
      const version = nextVersion(record.versions)
      return {
        action: 'operator.token',
        changes: { version, overlap_seconds: overlapSeconds },
        make: ({ at, sealer }) => {
          const retired = retire(record.versions, at, overlapSeconds)
          const made = sealVersion(sealer, record.id, digest, {
            version,
            state: 'active',
            kind: 'native',
            created_at: at,
            expires_at: null,
          })
          return { ...record, versions: [...(withRoom(retired, at) ?? retired.slice(1)), made] }
        },
      }
    },
    () => ({ token: shown.value }),
  )
  return answer
}

async function alterOperator<Extra extends object = Record<never, never>>(
  deps: ChangeDeps,
  caller: Caller,
  id: string,
  ifMatch: IfMatch,
  alter: (before: Loaded<'operators'>) => Alteration<'operators'> | undefined,
  extra?: () => Extra,
): Promise<OperatorAnswer & Extra> {
  const operator = await deps.store.of('operators', caller.tenant, id)
  if (operator === undefined) throw noSuchThing('operator')
  const known = await identifiers(deps, operator.record, caller)
  return await changeRecord(
    deps,
    caller,
    'operators',
    id,
    (before) => {
      // Everybody may renew their own token; anything else needs rights over the other.
      const own = before.record.id === caller.operator.id && extra !== undefined
      if (!own) requireGovernable(caller, before.record.role, before.record.narrowing)
      return alter(before)
    },
    (after) => ({ ...presentOperator(after, known, deps.clock.now()), ...(extra?.() as Extra) }),
    { ifMatch, visible: () => true },
  )
}
