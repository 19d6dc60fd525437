/**
 * Who asks, and how far their rights go. Every rule about narrowing and about not exceeding one's own rights is here.
 */
import { Fault } from '../../model/fault.ts'
import type { ApiId, ConsumerId, TenantId } from '../../model/ids.ts'
import type { Actor, Json } from '../../model/journal.ts'
import type { Environment, KeyRecord, Narrowing, OperatorRecord, OperatorRole } from '../../model/records.ts'
import type { Write } from '../../ports/database.ts'
import type { Sealer } from '../seal/sealer.ts'

/** An authenticated operator in the act of calling. */
export interface Caller {
  readonly tenant: TenantId
  readonly operator: OperatorRecord
  readonly actor: Actor
  /** The network address that the call came from, for the erasable part of the journal. */
  readonly address?: string
  /** Keeps the answer of an idempotent call in the same transaction as its change. */
  keep?(answer: unknown, sealer: Sealer): readonly Write[]
}

/** What a caller leaves in the erasable part of an entry. */
export function traceOf(caller: Caller): { readonly [name: string]: Json } {
  return caller.address === undefined ? {} : { address: caller.address }
}

/** Which roles a role may hand out: nobody makes what exceeds themselves. */
const grantableRoles: Readonly<Record<OperatorRole, readonly OperatorRole[]>> = {
  owner: ['owner', 'admin', 'issuer', 'crypto', 'verifier', 'auditor'],
  admin: ['admin', 'issuer', 'crypto', 'verifier', 'auditor'],
  issuer: [],
  crypto: [],
  verifier: [],
  auditor: [],
}

/** Whether the caller may create, change or reset an operator with these rights (security rule 8). */
export function mayGovern(caller: Caller, role: OperatorRole, narrowing: Narrowing): boolean {
  return grantableRoles[caller.operator.role].includes(role) && isWithin(narrowing, caller.operator.narrowing)
}

/** Whether one narrowing lies wholly inside another. */
export function isWithin(inner: Narrowing, outer: Narrowing): boolean {
  return (
    listWithin(inner.apis, outer.apis) &&
    listWithin(inner.consumers, outer.consumers) &&
    listWithin(inner.environments, outer.environments)
  )
}

function listWithin(inner: readonly string[] | null, outer: readonly string[] | null): boolean {
  if (outer === null) return true
  return inner?.every((one) => outer.includes(one)) ?? false
}

export function seesApi(caller: Caller, api: ApiId): boolean {
  return caller.operator.narrowing.apis?.includes(api) ?? true
}

export function seesConsumer(caller: Caller, consumer: ConsumerId): boolean {
  return caller.operator.narrowing.consumers?.includes(consumer) ?? true
}

export function seesEnvironment(caller: Caller, environment: Environment): boolean {
  return caller.operator.narrowing.environments?.includes(environment) ?? true
}

/** Whether a key lies wholly within the caller's narrowing: all its grants, its consumer and its environment. */
export function seesKey(caller: Caller, key: Pick<KeyRecord, 'grants' | 'consumer_id' | 'environment'>): boolean {
  return (
    seesConsumer(caller, key.consumer_id) &&
    seesEnvironment(caller, key.environment) &&
    key.grants.every((grant) => seesApi(caller, grant.api))
  )
}

/** Stops a narrowed caller from what reaches beyond any narrowing. */
export function refuseNarrowed(caller: Caller, narrowedBy: 'apis' | 'consumers'): void {
  if (caller.operator.narrowing[narrowedBy] !== null) {
    throw new Fault('forbidden', `This operator is narrowed to certain ${narrowedBy} and cannot make new ones.`)
  }
}

export const noSuchThing = (noun: string) => new Fault('not-found', `There is no such ${noun}.`)
