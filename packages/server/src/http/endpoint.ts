/**
 * What an endpoint is: one definition from which routing, validation, permissions, OpenAPI and the reference page follow.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Static, TObject, TSchema } from 'typebox'
import { Fault } from '../model/fault.ts'
import type { OperatorRole } from '../model/records.ts'
import type { Caller } from '../domain/access/caller.ts'
import type { IfMatch } from '../domain/records/change.ts'
import type { Authority } from './authority.ts'

export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'

/** What a handler is given. */
export interface Context<Body, Query> {
  readonly authority: Authority
  readonly caller: Caller
  readonly parameters: Readonly<Record<string, string>>
  readonly query: Query
  /** Filters by meta: `meta.NAME=value`. */
  readonly meta: Readonly<Record<string, string>>
  readonly body: Body
  readonly ifMatch: IfMatch
  /** The client's network address. */
  readonly source: string
  readonly headers: IncomingHttpHeaders
  readonly method: string
}

export interface Reply {
  readonly status: number
  /** JSON, unless `type` says otherwise and it is a text. */
  readonly body?: unknown
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Endpoint {
  readonly method: Method | 'ANY'
  /** With `:name` for each parameter. Everything below `/v1` also answers under `/t/:slug`. */
  readonly path: string
  readonly tag: string
  /** One line, in the imperative. */
  readonly summary: string
  readonly description?: string
  /** Who may call it; `public` takes no token. */
  readonly roles: readonly OperatorRole[] | 'public'
  readonly query?: TObject
  /** Whether `meta.NAME` filters are taken. */
  readonly metaFilters?: true
  readonly body?: TSchema
  /** A body as a person would send it, for the reference. It fits `body`. */
  readonly example?: unknown
  /** Whether an empty body stands for `{}`. */
  readonly bodyOptional?: true
  /** A POST that changes something: takes an `Idempotency-Key`. */
  readonly idempotent?: true
  /** Answers for many things at once, and so without an ETag. */
  readonly batch?: true
  /** Takes `If-Match`. */
  readonly conditional?: true
  /** The media type of good answers that are no JSON. */
  readonly answerType?: string
  /** Request headers that the handler reads, with a sentence. */
  readonly requestHeaders?: Readonly<Record<string, string>>
  /** What a good answer looks like, by status. */
  readonly answers: Readonly<Record<number, TSchema | null>>
  handle(context: Context<unknown, Readonly<Record<string, unknown>>>): Promise<Reply>
}

type Known<Schema, Fallback> = Schema extends TSchema ? Static<Schema> : Fallback

/** Defines an endpoint whose handler gets body and query as their schemas say. */
export function endpoint<Body extends TSchema | undefined = undefined, Query extends TObject | undefined = undefined>(
  definition: Omit<Endpoint, 'handle' | 'body' | 'query'> & {
    readonly body?: Body
    readonly query?: Query
    handle(context: Context<Known<Body, undefined>, Known<Query, Record<string, never>>>): Promise<Reply>
  },
): Endpoint {
  // The server hands over what it has validated against just these schemas.
  return definition as unknown as Endpoint
}

/** 200 with a representation and its ETag. */
export function representation(
  body: { readonly seq: number },
  status = 200,
  headers: Record<string, string> = {},
): Reply {
  return { status, body, headers: { etag: etagOf(body.seq), ...headers } }
}

export function etagOf(revision: number): string {
  return `"${revision}"`
}

/** Reads `If-Match` (RFC 9110 section 13.1.1). A tag that was never ours matches nothing. */
export function readIfMatch(header: string | undefined): IfMatch {
  if (header === undefined) return undefined
  if (header.trim() === '*') return '*'
  return header.split(',').map((tag) => {
    const revision = /^\s*"(\d{1,15})"\s*$/.exec(tag)?.[1]
    return revision === undefined ? -1 : Number(revision)
  })
}

/** A parameter of the path, which the router has matched. No name of ours holds NUL, which not every database can even be asked for. */
export function requireParameter(parameters: Readonly<Record<string, string>>, name: string): string {
  const value = parameters[name]
  if (value === undefined || value.includes('\0')) throw new Fault('not-found', 'There is no such thing.')
  return value
}
