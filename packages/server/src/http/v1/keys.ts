/**
 * `/v1/keys`: the public identities of clients.
 */
import { Type } from 'typebox'
import { type ImportItem, importFormats, importKeys } from '../../domain/import/import.ts'
import { lookupLengthMax, lookupLengthMin } from '../../domain/verify/prove-imported.ts'
import { createKey, getKey, listKeys, patchKey } from '../../domain/keys/keys.ts'
import { changeKeyState } from '../../domain/keys/state.ts'
import { Secret } from '../../model/secret.ts'
import { type Endpoint, endpoint, representation, requireParameter } from '../endpoint.ts'
import { present, readPage } from '../read.ts'
import { Answer, Environment, IdText, ListAnswer, NameText, PageParameters, Shape } from '../schemas.ts'
import { Key, KeyBody, keyFields, KeyPatchBody, readKeyInput, readKeyPatch } from './key-fields.ts'

const issuers = ['owner', 'admin', 'issuer'] as const
const readers = ['owner', 'admin', 'issuer', 'auditor'] as const

const CreatedKey = Answer('The key, and its secret: here and never again.', {
  id: Type.String(),
  secret: Type.Object({ version: Type.Integer(), value: Type.String(), state: Type.String() }),
  seq: Type.Integer(),
})

const ImportItemBody = Shape({
  ...keyFields,
  format: Type.Enum([...importFormats]),
  value: Type.Optional(Type.String({ minLength: 1, maxLength: 4_096 })),
  hash: Type.Optional(Type.String({ minLength: 20, maxLength: 300 })),
  client_id: Type.Optional(Type.String({ minLength: 1, maxLength: 200, pattern: '^[\\x20-\\x7E]+$' })),
  lookup: Type.Optional(
    Type.String({ minLength: lookupLengthMin, maxLength: lookupLengthMax, pattern: '^[\\x21-\\x7E]+$' }),
  ),
  human: Type.Optional(Type.Boolean()),
  high_entropy: Type.Optional(Type.Boolean()),
})

const verbs = {
  disable: 'Disable a key: its credentials stop working at once',
  enable: 'Enable a key again',
  revoke: 'Revoke a key and all its credentials',
  restore: 'Restore a revoked key within 30 days; its credentials stay dead',
} as const

export const keyEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/v1/keys',
    tag: 'Keys',
    summary: 'Make a key with its first secret',
    description: 'The secret is in this answer and nowhere else. Without grants the key can do nothing.',
    roles: issuers,
    idempotent: true,
    body: KeyBody,
    example: {
      consumer_id: 'con_5oio3cGfGOz1',
      name: 'Acme backend',
      grants: [{ api: 'https://api.example.com/orders', scopes: ['orders:read'] }],
      networks: { in: ['10.0.0.0/8'], not_in: ['10.9.0.0/16'] },
      meta: { plan: 'pro' },
    },
    answers: { 201: CreatedKey },
    handle: async ({ authority, caller, body }) =>
      representation(await createKey(authority, caller, readKeyInput(body)), 201),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/keys',
    tag: 'Keys',
    summary: 'List keys',
    description: 'Filtered by any of these, and by `meta.NAME=value`. `api` finds keys that are not revoked.',
    roles: readers,
    metaFilters: true,
    query: Shape({
      ...PageParameters,
      consumer_id: Type.Optional(IdText),
      name: Type.Optional(NameText),
      state: Type.Optional(Type.Enum(['enabled', 'disabled', 'revoked'])),
      environment: Type.Optional(Environment),
      api: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
    }),
    answers: { 200: ListAnswer(Key) },
    handle: async ({ authority, caller, query, meta }) => {
      const { page_size: _size, cursor: _cursor, ...filters } = query
      return { status: 200, body: await listKeys(authority, caller, { ...present(filters), meta }, readPage(query)) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/keys/import',
    tag: 'Keys',
    summary: 'Import credentials from elsewhere',
    description:
      'Each row becomes a key that is presented as its own text. Rows fail alone. `dry_run` says what would happen.',
    roles: issuers,
    idempotent: true,
    batch: true,
    example: {
      dry_run: true,
      items: [
        { consumer_id: 'con_5oio3cGfGOz1', format: 'raw', value: 'the-credential-as-its-holder-sends-it' },
        {
          consumer_id: 'con_5oio3cGfGOz1',
          format: 'sha256-hex',
          hash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
          high_entropy: true,
        },
      ],
    },
    body: Shape({
      dry_run: Type.Optional(Type.Boolean()),
      items: Type.Array(ImportItemBody, { minItems: 1, maxItems: 1_000 }),
    }),
    answers: {
      200: Answer('One result per row, in order.', {
        results: Type.Array(Type.Object({ ok: Type.Boolean() })),
        seq: Type.Integer(),
      }),
    },
    handle: async ({ authority, caller, body }) => {
      const items = body.items.map((item, index): ImportItem => {
        const { format, value, hash, client_id, lookup, human, high_entropy, ...key } = item
        return {
          ...readKeyInput(key, `/items/${index}`),
          format,
          ...present({ hash, client_id, lookup, human, high_entropy }),
          ...(value === undefined ? {} : { value: new Secret(value) }),
        }
      })
      return { status: 200, body: await importKeys(authority, caller, { dry_run: body.dry_run ?? false, items }) }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/keys/:id',
    tag: 'Keys',
    summary: 'Show a key',
    roles: readers,
    answers: { 200: Key },
    handle: async ({ authority, caller, parameters }) =>
      representation(await getKey(authority, caller, requireParameter(parameters, 'id'))),
  }),
  endpoint({
    method: 'PATCH',
    path: '/v1/keys/:id',
    tag: 'Keys',
    summary: 'Change a key',
    description: 'Absent fields stay, `null` clears, lists replace (RFC 7396).',
    roles: issuers,
    conditional: true,
    body: KeyPatchBody,
    example: { expires_at: '2027-01-01T00:00:00Z', networks: null },
    answers: { 200: Key },
    handle: async ({ authority, caller, parameters, body, ifMatch }) =>
      representation(
        await patchKey(authority, caller, requireParameter(parameters, 'id'), readKeyPatch(body), ifMatch),
      ),
  }),
  ...(['disable', 'enable', 'revoke', 'restore'] as const).map((verb) =>
    endpoint({
      method: 'POST',
      path: `/v1/keys/:id/${verb}`,
      tag: 'Keys',
      summary: verbs[verb],
      roles: issuers,
      idempotent: true,
      conditional: true,
      body: Shape({}),
      bodyOptional: true,
      answers: { 200: Key },
      handle: async ({ authority, caller, parameters, ifMatch }) =>
        representation(await changeKeyState(authority, caller, requireParameter(parameters, 'id'), verb, ifMatch)),
    }),
  ),
]
