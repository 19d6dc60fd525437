/**
 * `/v1/consumers`: the parties that hold keys.
 */
import { type Static, Type } from 'typebox'
import {
  type ConsumerPatch,
  createConsumer,
  deleteConsumer,
  getConsumer,
  listConsumers,
  patchConsumer,
  setConsumerState,
} from '../../domain/consumers/consumers.ts'
import { type Endpoint, endpoint, representation, requireParameter } from '../endpoint.ts'
import { present, readCredits, readLimits, readPage, readQuotas } from '../read.ts'
import {
  Answer,
  Credits,
  Limits,
  ListAnswer,
  Meta,
  NameText,
  OrNull,
  PageParameters,
  Quotas,
  Shape,
} from '../schemas.ts'

const issuers = ['owner', 'admin', 'issuer'] as const
const readers = ['owner', 'admin', 'issuer', 'auditor'] as const

const ExternalId = Type.String({ minLength: 1, maxLength: 200 })
const fields = {
  external_id: Type.Optional(OrNull(ExternalId)),
  keys_max: Type.Optional(OrNull(Type.Integer({ minimum: 0, maximum: 1_000_000 }))),
  limits: Type.Optional(Limits),
  quotas: Type.Optional(Quotas),
  credits: Type.Optional(Credits),
  contacts: Type.Optional(
    Type.Array(Shape({ kind: Type.Enum(['email', 'webhook']), value: Type.String({ minLength: 3, maxLength: 500 }) }), {
      maxItems: 20,
    }),
  ),
  meta: Type.Optional(Meta),
}
const ConsumerInput = Shape({ name: NameText, ...fields })
const ConsumerChange = Shape({ name: Type.Optional(NameText), ...fields })
const Consumer = Answer('A consumer.', {
  id: Type.String(),
  name: Type.String(),
  state: Type.String(),
  seq: Type.Integer(),
})

function patchOf(body: Static<typeof ConsumerChange>): ConsumerPatch {
  const { limits, quotas, credits, ...rest } = body
  return {
    ...present(rest),
    ...(limits === undefined ? {} : { limits: readLimits(limits) }),
    ...(quotas === undefined ? {} : { quotas: readQuotas(quotas) }),
    ...(credits === undefined ? {} : { credits: readCredits(credits) }),
  }
}

export const consumerEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/v1/consumers',
    tag: 'Consumers',
    summary: 'Make a consumer',
    roles: issuers,
    idempotent: true,
    body: ConsumerInput,
    example: { name: 'Acme', external_id: 'acme-42', meta: { plan: 'pro' } },
    answers: { 201: Consumer },
    handle: async ({ authority, caller, body }) =>
      representation(
        await createConsumer(authority, caller, {
          name: body.name,
          external_id: null,
          keys_max: null,
          limits: [],
          quotas: [],
          credits: null,
          contacts: [],
          meta: {},
          ...patchOf(body),
        }),
        201,
      ),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/consumers',
    tag: 'Consumers',
    summary: 'List consumers',
    roles: readers,
    metaFilters: true,
    query: Shape({
      ...PageParameters,
      name: Type.Optional(NameText),
      external_id: Type.Optional(ExternalId),
      state: Type.Optional(Type.Enum(['enabled', 'disabled'])),
    }),
    answers: { 200: ListAnswer(Consumer) },
    handle: async ({ authority, caller, query, meta }) => {
      const { page_size: _size, cursor: _cursor, ...filters } = query
      return {
        status: 200,
        body: await listConsumers(authority, caller, { ...present(filters), meta }, readPage(query)),
      }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/consumers/:id',
    tag: 'Consumers',
    summary: 'Show a consumer',
    roles: readers,
    answers: { 200: Consumer },
    handle: async ({ authority, caller, parameters }) =>
      representation(await getConsumer(authority, caller, requireParameter(parameters, 'id'))),
  }),
  endpoint({
    method: 'PATCH',
    path: '/v1/consumers/:id',
    tag: 'Consumers',
    summary: 'Change a consumer',
    description: 'Absent fields stay, `null` clears, lists replace (RFC 7396).',
    roles: issuers,
    conditional: true,
    body: ConsumerChange,
    example: { external_id: null, meta: { plan: 'free' } },
    answers: { 200: Consumer },
    handle: async ({ authority, caller, parameters, body, ifMatch }) =>
      representation(
        await patchConsumer(authority, caller, requireParameter(parameters, 'id'), patchOf(body), ifMatch),
      ),
  }),
  ...(['disable', 'enable'] as const).map((verb) =>
    endpoint({
      method: 'POST',
      path: `/v1/consumers/:id/${verb}`,
      tag: 'Consumers',
      summary: `${verb === 'disable' ? 'Disable' : 'Enable'} a consumer, at once for all its keys`,
      roles: issuers,
      idempotent: true,
      conditional: true,
      body: Shape({}),
      bodyOptional: true,
      answers: { 200: Consumer },
      handle: async ({ authority, caller, parameters, ifMatch }) =>
        representation(await setConsumerState(authority, caller, requireParameter(parameters, 'id'), verb, ifMatch)),
    }),
  ),
  endpoint({
    method: 'DELETE',
    path: '/v1/consumers/:id',
    tag: 'Consumers',
    summary: 'Delete a consumer without live keys',
    roles: issuers,
    conditional: true,
    answers: { 204: null },
    handle: async ({ authority, caller, parameters, ifMatch }) => {
      await deleteConsumer(authority, caller, requireParameter(parameters, 'id'), ifMatch)
      return { status: 204 }
    },
  }),
]
