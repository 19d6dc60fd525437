/**
 * `/v1/operators` and `/v1/tenants`: who administers, and the spaces that are administered.
 */
import { Type } from 'typebox'
import {
  changeOperatorState,
  createOperator,
  getOperator,
  listOperators,
  renewToken,
} from '../../domain/operators/operators.ts'
import { createTenant, listTenants } from '../../domain/tenants/tenants.ts'
import { operatorRoles } from '../../model/records.ts'
import { type Endpoint, endpoint, representation, requireParameter } from '../endpoint.ts'
import { present, readInstantField, readNetworks, readPage } from '../read.ts'
import {
  Answer,
  Environment,
  IdText,
  InstantText,
  ListAnswer,
  NameText,
  Networks,
  OrNull,
  OverlapSeconds,
  PageParameters,
  Shape,
} from '../schemas.ts'

const admins = ['owner', 'admin'] as const
const readers = ['owner', 'admin', 'auditor'] as const
const Operator = Answer('An operator; never its token.', {
  id: Type.String(),
  name: Type.String(),
  role: Type.String(),
  state: Type.String(),
  seq: Type.Integer(),
})
const Tenant = Answer('A tenant.', { slug: Type.String(), name: Type.String(), seq: Type.Integer() })
const narrowTo = (item: typeof IdText) => Type.Optional(OrNull(Type.Array(item, { minItems: 1, maxItems: 500 })))

export const operatorEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/v1/operators',
    tag: 'Operators',
    summary: 'Make an operator with its first token',
    description:
      'The token is in this answer and nowhere else. Nobody makes an operator whose rights exceed their own.',
    roles: admins,
    idempotent: true,
    example: { name: 'ci', role: 'verifier', apis: ['https://api.example.com/orders'] },
    body: Shape({
      name: NameText,
      role: Type.Enum([...operatorRoles]),
      apis: narrowTo(Type.String({ minLength: 1, maxLength: 500 })),
      consumers: narrowTo(IdText),
      environments: Type.Optional(OrNull(Type.Array(Environment, { minItems: 1, maxItems: 2 }))),
      networks: Type.Optional(Networks),
      expires_at: Type.Optional(OrNull(InstantText)),
    }),
    answers: {
      201: Answer('The operator and its token: here and never again.', { id: Type.String(), token: Type.String() }),
    },
    handle: async ({ authority, caller, body }) =>
      representation(
        await createOperator(authority, caller, {
          name: body.name,
          role: body.role,
          apis: body.apis ?? null,
          consumers: body.consumers ?? null,
          environments: body.environments ?? null,
          networks: readNetworks(body.networks),
          expires_at: readInstantField(body.expires_at, '/expires_at'),
        }),
        201,
      ),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/operators',
    tag: 'Operators',
    summary: 'List operators',
    roles: readers,
    query: Shape({
      ...PageParameters,
      name: Type.Optional(NameText),
      role: Type.Optional(Type.Enum([...operatorRoles])),
      state: Type.Optional(Type.Enum(['enabled', 'disabled', 'revoked'])),
    }),
    answers: { 200: ListAnswer(Operator) },
    handle: async ({ authority, caller, query }) => {
      const { page_size: _size, cursor: _cursor, ...filters } = query
      return { status: 200, body: await listOperators(authority, caller, present(filters), readPage(query)) }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/operators/:id',
    tag: 'Operators',
    summary: 'Show an operator',
    roles: readers,
    answers: { 200: Operator },
    handle: async ({ authority, caller, parameters }) =>
      representation(await getOperator(authority, caller, requireParameter(parameters, 'id'))),
  }),
  ...(['disable', 'enable', 'revoke'] as const).map((verb) =>
    endpoint({
      method: 'POST',
      path: `/v1/operators/:id/${verb}`,
      tag: 'Operators',
      summary: `${verb[0]?.toUpperCase()}${verb.slice(1)} an operator`,
      roles: admins,
      idempotent: true,
      conditional: true,
      body: Shape({}),
      bodyOptional: true,
      answers: { 200: Operator },
      handle: async ({ authority, caller, parameters, ifMatch }) =>
        representation(await changeOperatorState(authority, caller, requireParameter(parameters, 'id'), verb, ifMatch)),
    }),
  ),
  endpoint({
    method: 'POST',
    path: '/v1/operators/:id/token',
    tag: 'Operators',
    summary: 'Give an operator a new token',
    description: 'The old one dies at once, or after `overlap_seconds`. Everybody may renew their own.',
    roles: operatorRoles,
    idempotent: true,
    conditional: true,
    body: Shape({ overlap_seconds: OverlapSeconds }),
    bodyOptional: true,
    answers: {
      200: Answer('The operator and its new token: here and never again.', { id: Type.String(), token: Type.String() }),
    },
    handle: async ({ authority, caller, parameters, body, ifMatch }) =>
      representation(
        await renewToken(authority, caller, requireParameter(parameters, 'id'), body.overlap_seconds ?? 0, ifMatch),
      ),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/tenants',
    tag: 'Tenants',
    summary: 'Make a tenant with its owner',
    description:
      'For the owner of the tenant `default`. Its paths are `/t/{slug}/v1/…`; its owner’s token is in this answer and nowhere else.',
    roles: ['owner'],
    example: { slug: 'acme', name: 'Acme' },
    idempotent: true,
    body: Shape({
      slug: Type.String({ minLength: 2, maxLength: 40, pattern: '^[a-z0-9](?:[a-z0-9-]*[a-z0-9])$' }),
      name: NameText,
    }),
    answers: {
      201: Answer('The tenant and its owner’s token.', {
        slug: Type.String(),
        name: Type.String(),
        token: Type.String(),
        seq: Type.Integer(),
      }),
    },
    handle: async ({ authority, caller, body }) => representation(await createTenant(authority, caller, body), 201),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/tenants',
    tag: 'Tenants',
    summary: 'List tenants',
    roles: ['owner'],
    answers: { 200: ListAnswer(Tenant) },
    handle: async ({ authority, caller }) => ({ status: 200, body: await listTenants(authority, caller) }),
  }),
]
