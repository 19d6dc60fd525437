/**
 * `/v1/audit`: the tenant's journal.
 */
import { Type } from 'typebox'
import { listAudit } from '../../domain/journal/audit.ts'
import { eraseContents } from '../../domain/journal/erase.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { Answer, ListAnswer, Shape } from '../schemas.ts'
import { invalidParameter } from '../../model/fault.ts'

const Entry = Answer(
  'An entry. `hash` is SHA-256 over the RFC 8785 form of all its other members, `contents` excepted.',
  {
    seq: Type.Integer(),
    at: Type.String(),
    action: Type.String(),
    prev: Type.String(),
    hash: Type.String(),
  },
)

/** `kind:id` of what entries are about. */
const TargetText = Type.String({ minLength: 3, maxLength: 300, pattern: '^(tenant|api|consumer|key|operator):' })

export const auditEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/audit',
    tag: 'Journal',
    summary: 'Read the journal, oldest first',
    description:
      'Every change of the tenant in one gapless, hash-chained order. `contents=true` adds names, addresses and meta, which are erasable and stand behind `commitment`.',
    roles: ['owner', 'admin', 'auditor'],
    query: Shape({
      after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
      cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 16, pattern: '^[0-9]+$' })),
      page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
      target: Type.Optional(TargetText),
      contents: Type.Optional(Type.Boolean()),
    }),
    answers: { 200: ListAnswer(Entry) },
    handle: async ({ authority, caller, query }) => {
      if (query.cursor !== undefined && query.after !== undefined)
        throw invalidParameter('after', 'Give either after or cursor.')
      const page = {
        after: query.after ?? Number(query.cursor ?? 0),
        pageSize: query.page_size ?? 100,
        contents: query.contents ?? false,
        ...(query.target === undefined ? {} : { target: query.target }),
      }
      return { status: 200, body: await listAudit(authority, caller, page) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/audit/erase',
    tag: 'Journal',
    summary: 'Erase names, addresses and meta from the entries about one target',
    description:
      'The contents of these entries become `null` for good; every hash still holds. At most 1,000 entries a call: while `more` is true, call again.',
    roles: ['owner', 'admin'],
    idempotent: true,
    body: Shape({ target: TargetText }),
    example: { target: 'consumer:con_4fzyo82mvyqf' },
    answers: {
      200: Answer('How many entries lost their contents.', {
        target: Type.String(),
        entries: Type.Integer(),
        more: Type.Boolean(),
      }),
    },
    handle: async ({ authority, caller, body }) => ({
      status: 200,
      body: await eraseContents(authority, caller, body.target),
    }),
  }),
]
