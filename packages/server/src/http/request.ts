/**
 * From a raw request to what a handler is given: body, query, token, conditions. Each step throws a Fault that names what is wrong.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { TObject } from 'typebox'
import { clientAddress } from '../domain/access/networks.ts'
import type { Caller } from '../domain/access/caller.ts'
import { Fault, invalidParameter } from '../model/fault.ts'
import { Secret } from '../model/secret.ts'
import type { Authority } from './authority.ts'
import type { Endpoint } from './endpoint.ts'
import { type JsonRefusal, parseJson, pointerNameLengthMax } from './json.ts'
import { credentialLike, requireValid, requireValidQuery } from './validate.ts'

/** What the framework hands over. */
export interface Incoming {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly peer: string | undefined
  readonly body: Buffer | undefined
  readonly parameters: Readonly<Record<string, string>>
}

const unreadable: Readonly<Record<JsonRefusal, string>> = {
  not_utf8: 'The body is not UTF-8.',
  syntax: 'The body is not JSON.',
  duplicate_member: 'A member stands twice in one object.',
  too_deep: 'The body is nested too deeply.',
  number_out_of_range: 'A number is out of range.',
}

/** The body as its schema wants it. */
export function readBody(endpoint: Endpoint, { headers, body }: Incoming): unknown {
  const empty = body === undefined || body.length === 0
  if (endpoint.body === undefined) {
    // Where any method is taken, the body belongs to the request that a proxy asks about.
    if (!empty && endpoint.method !== 'ANY') throw new Fault('unreadable-body', 'This endpoint takes no body.')
    return undefined
  }
  if (empty && endpoint.bodyOptional === true) return {}
  requireJson(endpoint, headers['content-type'])
  const reading = parseJson(empty ? Buffer.alloc(0) : body)
  if (!reading.ok) {
    const detail = unreadable[reading.reason]
    const pointer = reading.pointer
    throw new Fault('unreadable-body', detail, pointer === undefined ? {} : { errors: [{ pointer, detail }] })
  }
  requireValid(endpoint.body, reading.value)
  return reading.value
}

function requireJson(endpoint: Endpoint, contentType: string | undefined): void {
  const [type, ...parameters] = (contentType ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim())
  const taken = type === 'application/json' || (endpoint.method === 'PATCH' && type === 'application/merge-patch+json')
  const utf8 = parameters.every(
    (parameter) => !parameter.startsWith('charset=') || /^charset="?utf-8"?$/.test(parameter),
  )
  if (!taken || !utf8) {
    const also = endpoint.method === 'PATCH' ? ' or application/merge-patch+json' : ''
    throw new Fault('unsupported-media-type', `Send Content-Type: application/json${also}, in UTF-8.`)
  }
}

/** The query as its schema wants it: each parameter once, unless it is a list; `meta.NAME` apart. */
export function readQuery(
  endpoint: Endpoint,
  url: string,
): { query: Record<string, unknown>; meta: Record<string, string> } {
  const query: Record<string, unknown> = Object.create(null)
  const meta: Record<string, string> = Object.create(null)
  const at = url.indexOf('?')
  const text = at < 0 ? '' : url.slice(at + 1)
  requireReadable(text)
  const properties = (endpoint.query?.properties ?? {}) as Readonly<
    Record<string, { readonly type?: string; readonly enum?: readonly unknown[] }>
  >
  for (const [name, value] of new URLSearchParams(text)) {
    if (endpoint.metaFilters === true && /^meta\.[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name)) {
      if (name in meta || value.length > 500)
        throw invalidParameter(name, 'Give this filter once, with at most 500 characters.')
      meta[name.slice('meta.'.length)] = value
      continue
    }
    const schema = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (schema === undefined) throw invalidParameter(shownName(name), 'There is no such parameter.')
    if (schema.type === 'array') {
      const list = (query[name] as string[] | undefined) ?? []
      query[name] = [...list, value]
    } else if (name in query) throw invalidParameter(name, 'Give this parameter once.')
    else query[name] = typed(value, schema)
  }
  if (endpoint.query !== undefined) requireValidQuery(endpoint.query as TObject, query)
  return { query, meta }
}

/** Refuses what the URL's own reader would mend: broken percent signs, text that is not UTF-8, NUL. Names the parameter. */
function requireReadable(query: string): void {
  for (const part of query.split('&')) {
    const [name = '', ...value] = part.split('=')
    if (isReadable(name) && isReadable(value.join('='))) continue
    throw invalidParameter(isReadable(name) ? shownName(decode(name)) : '…', 'This is not UTF-8, or holds NUL.')
  }
}

function isReadable(text: string): boolean {
  try {
    return !decode(text).includes('\0')
  } catch {
    return false
  }
}

function decode(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}

/** A parameter's name as an answer shows it: cut, and not at all where it could be a credential. */
function shownName(name: string): string {
  return credentialLike.test(name) ? '…' : name.slice(0, pointerNameLengthMax).toWellFormed()
}

/** A query parameter's text as what its schema says it is, or as it came where it is none. */
function typed(value: string, schema: { readonly type?: string; readonly enum?: readonly unknown[] }): unknown {
  const number = schema.type === 'integer' || typeof schema.enum?.[0] === 'number'
  if (number && /^-?(0|[1-9]\d{0,15})$/.test(value)) return Number(value)
  if (schema.type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true'
  return value
}

/** The address of the client: that of the peer, or what a named proxy says it is. */
export function sourceOf(authority: Authority, { peer, headers }: Incoming): string {
  const forwarded = headers['x-forwarded-for']
  const text = Array.isArray(forwarded) ? forwarded.join(',') : forwarded
  // A Unix socket has no address; whoever reaches it is on this machine.
  return clientAddress(peer ?? '127.0.0.1', text, authority.trustedProxies)
}

const verifierTokenHeader = 'keywright-verifier-token'

/** Whether an endpoint's token stands in a header of its own, since `Authorization` there is the client's. */
export function isForwardAuth(endpoint: Endpoint): boolean {
  return endpoint.path.startsWith('/v1/forward-auth')
}

/** The operator token that came with a request. */
export function tokenOf(endpoint: Endpoint, headers: IncomingHttpHeaders): Secret {
  const own = headers[verifierTokenHeader]
  const token = isForwardAuth(endpoint)
    ? Array.isArray(own)
      ? undefined
      : own
    : /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  return new Secret(token ?? '')
}

/** The caller, with the rights that this endpoint asks for. */
export async function authorize(
  authority: Authority,
  endpoint: Endpoint,
  token: Secret,
  source: string,
  slug: string | undefined,
): Promise<Caller | undefined> {
  if (endpoint.roles === 'public') return undefined
  try {
    const caller = await authority.authenticator.authenticate(token, source, slug)
    if (!endpoint.roles.includes(caller.operator.role)) {
      throw new Fault('forbidden', `This needs one of the roles ${endpoint.roles.join(', ')}.`)
    }
    return caller
  } catch (error) {
    // At forward-auth 401 is a verdict about the client; the proxy's own mistake must look different.
    if (isForwardAuth(endpoint) && error instanceof Fault && error.code === 'unauthenticated') {
      throw new Fault('forbidden', 'Send a valid operator token in Keywright-Verifier-Token.')
    }
    throw error
  }
}

const idempotencyForm = /^[\x21-\x7E]{1,255}$/

/** The `Idempotency-Key` of a request, checked. */
export function idempotencyKeyOf(endpoint: Endpoint, headers: IncomingHttpHeaders): string | undefined {
  const header = headers['idempotency-key']
  if (header === undefined || endpoint.idempotent !== true) return undefined
  if (Array.isArray(header) || !idempotencyForm.test(header)) {
    throw new Fault('unreadable-body', 'An Idempotency-Key has 1 to 255 visible ASCII characters.')
  }
  return header
}
