/**
 * The OpenAPI 3.1 document, made from the list of endpoints. Their schemas are JSON Schema 2020-12 already.
 */
import { type TSchema, Type } from 'typebox'
import { type FaultCode, faultTitles } from '../model/fault.ts'
import type { Endpoint } from './endpoint.ts'
import { problemType, statuses } from './problem.ts'
import { isForwardAuth } from './request.ts'
import { version } from './version.ts'

const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.Optional(Type.String()),
          parameter: Type.Optional(Type.String()),
          detail: Type.String(),
        }),
      ),
    ),
    request_id: Type.String(),
  },
  { description: 'A problem document (RFC 9457). It never repeats a value that was sent.' },
)

/** The faults that any endpoint may answer with, besides its own answers. */
function faultStatuses(endpoint: Endpoint): readonly number[] {
  const always = [statuses['unreadable-body'], statuses['invalid-field'], statuses['too-large'], statuses.unavailable]
  const guarded =
    endpoint.roles === 'public'
      ? endpoint.path === '/metrics'
        ? [statuses.unauthenticated]
        : []
      : [statuses.unauthenticated, statuses.forbidden, statuses['too-many-requests']]
  const named = endpoint.path.includes(':') ? [statuses['not-found']] : []
  const writing =
    endpoint.method === 'GET' || endpoint.method === 'ANY'
      ? []
      : [statuses['not-found'], statuses.conflict, statuses['unsupported-media-type']]
  const conditional = endpoint.conditional === true ? [statuses['precondition-failed']] : []
  return [...new Set([...always, ...guarded, ...named, ...writing, ...conditional])]
    .filter((status) => !(status in endpoint.answers))
    .sort()
}

const phrases: Readonly<Record<number, string>> = {
  200: 'Done',
  201: 'Made',
  204: 'Gone',
  303: 'Elsewhere',
  401: 'Not let through',
  403: 'Not let through',
  429: 'Over a limit',
  503: 'Cannot be known now',
}

/** The titles of the faults that come with a status. */
function titleOf(status: number): string {
  const faults = (Object.keys(statuses) as FaultCode[]).filter((code) => statuses[code] === status)
  return faults.map((code) => faultTitles[code]).join('; ')
}

function responsesOf(endpoint: Endpoint) {
  const good = Object.entries(endpoint.answers).map(([status, schema]) => [
    status,
    {
      description: phrases[Number(status)] ?? 'Answered',
      ...contentOf(endpoint, schema),
    },
  ])
  const bad = faultStatuses(endpoint).map((status) => [
    String(status),
    { description: titleOf(status), content: { [problemType]: { schema: { $ref: '#/components/schemas/Problem' } } } },
  ])
  return Object.fromEntries([...good, ...bad])
}

function contentOf(endpoint: Endpoint, schema: TSchema | null) {
  if (endpoint.answerType !== undefined) return { content: { [endpoint.answerType]: { schema: { type: 'string' } } } }
  return schema === null ? {} : { content: { 'application/json': { schema } } }
}

const headerOf = (name: string, schema: object, description: string) => ({
  name,
  in: 'header',
  required: false,
  schema,
  description,
})
const idempotencyKey = headerOf(
  'Idempotency-Key',
  { type: 'string', minLength: 1, maxLength: 255 },
  'The same key and body within 10 minutes get the same answer.',
)
const ifMatch = headerOf('If-Match', { type: 'string' }, 'The ETag of the revision that the change is meant for.')

function parametersOf(endpoint: Endpoint) {
  const inPath = [...endpoint.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const required = new Set<string>((endpoint.query as { required?: string[] } | undefined)?.required ?? [])
  const inQuery = Object.entries(endpoint.query?.properties ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.has(name),
    schema,
  }))
  // OpenAPI leaves `Authorization` to the security schemes.
  const own = Object.entries(endpoint.requestHeaders ?? {}).filter(([name]) => name !== 'Authorization')
  const headers = [
    ...own.map(([name, description]) => headerOf(name, { type: 'string' }, description)),
    ...(endpoint.idempotent === true ? [idempotencyKey] : []),
    ...(endpoint.conditional === true ? [ifMatch] : []),
  ]
  return [...inPath, ...inQuery, ...headers]
}

function requestBodyOf(endpoint: Endpoint, schema: TSchema) {
  const content = { schema, ...(endpoint.example === undefined ? {} : { example: endpoint.example }) }
  const types = ['application/json', ...(endpoint.method === 'PATCH' ? ['application/merge-patch+json'] : [])]
  return {
    required: endpoint.bodyOptional !== true,
    content: Object.fromEntries(types.map((type) => [type, content])),
  }
}

function securityOf(endpoint: Endpoint) {
  if (endpoint.roles === 'public') return { security: [] }
  const roles = { 'x-keywright-roles': endpoint.roles }
  return isForwardAuth(endpoint) ? { ...roles, security: [{ verifierToken: [] }] } : roles
}

/** What is said of an endpoint, with what a parameter's schema cannot say. */
function descriptionOf(endpoint: Endpoint): string {
  const filters = endpoint.metaFilters === true ? 'Takes `meta.NAME=value` to filter by meta.' : ''
  const methods = endpoint.method === 'ANY' ? 'Takes every method, and every path below this one.' : ''
  return [endpoint.description ?? '', filters, methods].filter((part) => part !== '').join(' ')
}

function operationOf(endpoint: Endpoint, method: string) {
  return {
    operationId: `${method.toLowerCase()}${endpoint.path.replaceAll(/[^A-Za-z0-9]+(\w?)/g, (_all, letter: string) => letter.toUpperCase())}`,
    tags: [endpoint.tag],
    summary: endpoint.summary,
    ...(descriptionOf(endpoint) === '' ? {} : { description: descriptionOf(endpoint) }),
    ...securityOf(endpoint),
    parameters: parametersOf(endpoint),
    ...(endpoint.body === undefined ? {} : { requestBody: requestBodyOf(endpoint, endpoint.body) }),
    responses: responsesOf(endpoint),
  }
}

/** The whole document for a server that is reached at `url`. */
export function openApi(endpoints: readonly Endpoint[], url: string) {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const endpoint of endpoints) {
    if (endpoint.path.endsWith('*')) continue
    const path = endpoint.path.replaceAll(/:(\w+)/g, '{$1}')
    const method = endpoint.method === 'ANY' ? 'GET' : endpoint.method
    paths[path] = { ...paths[path], [method.toLowerCase()]: operationOf(endpoint, method) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Keywright',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'The self-hosted authority for API secrets. Every path under `/v1` also answers under `/t/{slug}` for the tenant of that slug.',
    },
    servers: [{ url }],
    security: [{ operatorToken: [] }],
    tags: [...new Set(endpoints.map((endpoint) => endpoint.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Problem },
      securitySchemes: {
        operatorToken: { type: 'http', scheme: 'bearer', description: 'An operator token, `kwa_…`.' },
        verifierToken: {
          type: 'apiKey',
          in: 'header',
          name: 'Keywright-Verifier-Token',
          description: 'An operator token where `Authorization` is the client’s own.',
        },
      },
    },
  }
}
