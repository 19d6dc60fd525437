/**
 * `/v1/apis`: resource servers.
 */
import { Type } from 'typebox'
import { createApi, deleteApi, getApi, listApis, patchApi, setApiState } from '../../domain/apis/apis.ts'
import { type Endpoint, endpoint, representation, requireParameter } from '../endpoint.ts'
import { present, readLimits, readPage } from '../read.ts'
import {
  Answer,
  Identifier,
  Limits,
  ListAnswer,
  Meta,
  NameText,
  PageParameters,
  ScopeName,
  Seconds,
  Shape,
} from '../schemas.ts'

const admins = ['owner', 'admin'] as const
const readers = ['owner', 'admin', 'issuer', 'auditor'] as const

const Scopes = Type.Array(Shape({ name: ScopeName, description: Type.Optional(Type.String({ maxLength: 500 })) }), {
  maxItems: 500,
})
const fields = {
  name: NameText,
  scopes: Type.Optional(Scopes),
  token_format: Type.Optional(Type.Enum(['jwt', 'opaque'])),
  token_ttl_seconds: Type.Optional(Seconds(30, 86_400)),
  limits: Type.Optional(Limits),
  meta: Type.Optional(Meta),
}
const ApiInput = Shape({ identifier: Identifier, ...fields })
const ApiPatch = Shape({ ...fields, name: Type.Optional(NameText) })
const Api = Answer('An api.', {
  id: Type.String(),
  identifier: Type.String(),
  name: Type.String(),
  state: Type.String(),
  seq: Type.Integer(),
})

const scopesOf = (scopes: readonly { name: string; description?: string }[]) =>
  scopes.map(({ name, description }) => ({ name, description: description ?? '' }))

export const apiEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/v1/apis',
    tag: 'Apis',
    summary: 'Make an api',
    description: 'A resource server with its audience identifier (an absolute URI), its scopes and its defaults.',
    roles: admins,
    idempotent: true,
    body: ApiInput,
    example: {
      identifier: 'https://api.example.com/orders',
      name: 'Orders',
      scopes: [
        { name: 'orders:read', description: 'Read orders' },
        { name: 'orders:write', description: 'Change orders' },
      ],
    },
    answers: { 201: Api },
    handle: async ({ authority, caller, body }) =>
      representation(
        await createApi(authority, caller, {
          identifier: body.identifier,
          name: body.name,
          scopes: scopesOf(body.scopes ?? []),
          token_format: body.token_format ?? 'jwt',
          token_ttl_seconds: body.token_ttl_seconds ?? 300,
          limits: readLimits(body.limits ?? []),
          meta: body.meta ?? {},
        }),
        201,
      ),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/apis',
    tag: 'Apis',
    summary: 'List apis',
    roles: readers,
    metaFilters: true,
    query: Shape({
      ...PageParameters,
      name: Type.Optional(NameText),
      identifier: Type.Optional(Identifier),
      state: Type.Optional(Type.Enum(['enabled', 'disabled'])),
    }),
    answers: { 200: ListAnswer(Api) },
    handle: async ({ authority, caller, query, meta }) => {
      const { page_size: _size, cursor: _cursor, ...filters } = query
      return { status: 200, body: await listApis(authority, caller, { ...present(filters), meta }, readPage(query)) }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/apis/:id',
    tag: 'Apis',
    summary: 'Show an api, by id or identifier',
    roles: readers,
    answers: { 200: Api },
    handle: async ({ authority, caller, parameters }) =>
      representation(await getApi(authority, caller, requireParameter(parameters, 'id'))),
  }),
  endpoint({
    method: 'PATCH',
    path: '/v1/apis/:id',
    tag: 'Apis',
    summary: 'Change an api',
    description:
      'Absent fields stay, lists replace. The identifier never changes. A scope that goes away stops working at once.',
    roles: admins,
    conditional: true,
    body: ApiPatch,
    example: { name: 'Orders and returns' },
    answers: { 200: Api },
    handle: async ({ authority, caller, parameters, body, ifMatch }) => {
      const { scopes, limits, ...rest } = body
      const patch = {
        ...present(rest),
        ...(scopes === undefined ? {} : { scopes: scopesOf(scopes) }),
        ...(limits === undefined ? {} : { limits: readLimits(limits) }),
      }
      return representation(await patchApi(authority, caller, requireParameter(parameters, 'id'), patch, ifMatch))
    },
  }),
  ...(['disable', 'enable'] as const).map((verb) =>
    endpoint({
      method: 'POST',
      path: `/v1/apis/:id/${verb}`,
      tag: 'Apis',
      summary: `${verb === 'disable' ? 'Disable' : 'Enable'} an api, at once for every key`,
      roles: admins,
      idempotent: true,
      conditional: true,
      body: Shape({}),
      bodyOptional: true,
      answers: { 200: Api },
      handle: async ({ authority, caller, parameters, ifMatch }) =>
        representation(await setApiState(authority, caller, requireParameter(parameters, 'id'), verb, ifMatch)),
    }),
  ),
  endpoint({
    method: 'DELETE',
    path: '/v1/apis/:id',
    tag: 'Apis',
    summary: 'Delete an api that no live key is granted',
    roles: admins,
    conditional: true,
    answers: { 204: null },
    handle: async ({ authority, caller, parameters, ifMatch }) => {
      await deleteApi(authority, caller, requireParameter(parameters, 'id'), ifMatch)
      return { status: 204 }
    },
  }),
]
