/**
 * What of a record lies beside its body so that the database can find it: index columns, facets to filter by, names to look up. They decide
 * nothing: a row whose columns differ from its body's projection is refused, and a name or facet only leads to a row that must confirm it.
 */
import type { TargetKind } from '../../model/journal.ts'
import type { Meta, RecordKind, Records } from '../../model/records.ts'
import type { Values } from '../../ports/database.ts'

export interface Facet {
  readonly name: string
  readonly value: string
}

/** A name within the tenant that stands for one record: taken by one at a time. */
export interface RecordName {
  readonly kind: 'api_identifier' | 'consumer_external_id' | 'client_id' | 'lookup' | 'credential' | 'tenant_slug'
  readonly name: string
}

/** The tenant under which tenants' own slugs stand. */
export const everyTenant = '*'

export const targetKinds: Readonly<Record<RecordKind, TargetKind>> = {
  tenants: 'tenant',
  apis: 'api',
  consumers: 'consumer',
  keys: 'key',
  operators: 'operator',
}

type Projections = { readonly [Kind in RecordKind]: (record: Records[Kind]) => Values }

const columns: Projections = {
  tenants: (tenant) => ({ slug: tenant.slug, state: 'enabled' }),
  apis: (api) => ({ name: api.name, identifier: api.identifier, state: api.state }),
  consumers: (consumer) => ({ name: consumer.name, external_id: consumer.external_id, state: consumer.state }),
  keys: (key) => ({
    name: key.name,
    consumer_id: key.consumer_id,
    environment: key.environment,
    state: key.state,
    expires_at: key.expires_at,
  }),
  operators: (operator) => ({ name: operator.name, role: operator.role, state: operator.state }),
}

/** The index columns that a record must have. */
export function columnsOf<Kind extends RecordKind>(kind: Kind, record: Records[Kind]): Values {
  return columns[kind](record)
}

/** Marks keys that hold a slow hash. No name of meta, which all begin with `meta.`. */
export const slowFacet: Facet = { name: 'slow', value: 'yes' }

function holdsSlowHash(key: Records['keys']): boolean {
  return key.versions.some((version) => version.kind === 'bcrypt' || version.kind === 'argon2id')
}

function metaFacets(meta: Meta): Facet[] {
  return Object.entries(meta).map(([name, value]) => ({ name: `meta.${name}`, value: String(value) }))
}

const facets: { readonly [Kind in RecordKind]: (record: Records[Kind]) => Facet[] } = {
  tenants: () => [],
  apis: (api) => metaFacets(api.meta),
  consumers: (consumer) => metaFacets(consumer.meta),
  // A revoked key holds no api any longer: what keeps an api from being deleted is exactly what has this facet.
  keys: (key) => [
    ...metaFacets(key.meta),
    ...(holdsSlowHash(key) ? [slowFacet] : []),
    ...(key.state === 'revoked' ? [] : key.grants.map((grant) => ({ name: 'api', value: grant.api }))),
  ],
  operators: () => [],
}

/** What a record can be filtered by besides its columns. */
export function facetsOf<Kind extends RecordKind>(kind: Kind, record: Records[Kind]): readonly Facet[] {
  return facets[kind](record)
}

const names: { readonly [Kind in RecordKind]: (record: Records[Kind]) => RecordName[] } = {
  tenants: (tenant) => [{ kind: 'tenant_slug', name: tenant.slug }],
  apis: (api) => [{ kind: 'api_identifier', name: api.identifier }],
  consumers: (consumer) =>
    consumer.external_id === null ? [] : [{ kind: 'consumer_external_id', name: consumer.external_id }],
  keys: (key) => [
    ...(key.client_id === null ? [] : [{ kind: 'client_id' as const, name: key.client_id }]),
    ...(key.lookup === null ? [] : [{ kind: 'lookup' as const, name: key.lookup }]),
  ],
  operators: () => [],
}

/** The names that a record holds. Imported credentials hold one more each, which is written when they come. */
export function namesOf<Kind extends RecordKind>(kind: Kind, record: Records[Kind]): readonly RecordName[] {
  return names[kind](record)
}
