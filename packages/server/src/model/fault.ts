/**
 * The closed table of what can stop a request, and the one exception that carries it. It knows no HTTP: `http/problem.ts` renders it.
 *
 * A fault has two messages: `detail` is for the caller and never holds a value the caller sent; `note` is for the operator's log.
 */

/** Every reason for which a request is stopped, with the title that its problem document bears. */
export const faultTitles = {
  'unreadable-body': 'The body cannot be read',
  'invalid-field': 'A field is not valid',
  unauthenticated: 'An operator token is needed',
  forbidden: 'This operator may not do that',
  'not-found': 'There is no such thing',
  'method-not-allowed': 'This path does not take that method',
  conflict: 'That conflicts with what is there',
  'precondition-failed': 'The thing has changed since it was read',
  'too-large': 'The body is too large',
  'unsupported-media-type': 'This media type is not taken here',
  'too-many-requests': 'Too many failed attempts from this source',
  unavailable: 'The authority cannot answer at the moment',
  internal: 'Something went wrong inside',
} as const

export type FaultCode = keyof typeof faultTitles

/** Where a fault lies: a JSON pointer (RFC 6901) into the body, or a query parameter's name. */
export type FaultPlace =
  | { readonly pointer: string; readonly detail: string }
  | { readonly parameter: string; readonly detail: string }

export interface FaultOptions {
  /** The fields at fault, for `invalid-field` and `unreadable-body`. */
  readonly errors?: readonly FaultPlace[]
  /** For the operator's log only. Holds no secret either. */
  readonly note?: string
  /** Seconds after which the caller may try again. */
  readonly retryAfterSeconds?: number
  /** The methods that a path takes, for `method-not-allowed`. */
  readonly allow?: readonly string[]
}

/** Stops a request. Ordinary outcomes (a refused credential, a lost race) are values, not faults. */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly code: FaultCode
  readonly detail: string
  readonly errors: readonly FaultPlace[]
  readonly note: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly allow: readonly string[] | undefined

  constructor(code: FaultCode, detail: string, options: FaultOptions = {}) {
    super(detail)
    this.code = code
    this.detail = detail
    this.errors = options.errors ?? []
    this.note = options.note
    this.retryAfterSeconds = options.retryAfterSeconds
    this.allow = options.allow
  }
}

/** The fault of one field of the body. */
export function invalidField(pointer: string, detail: string): Fault {
  return new Fault('invalid-field', detail, { errors: [{ pointer, detail }] })
}

/** The fault of one query parameter. */
export function invalidParameter(parameter: string, detail: string): Fault {
  return new Fault('invalid-field', detail, { errors: [{ parameter, detail }] })
}

/** An invariant that the program itself must keep. Breaking it is a 500, never an answer. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${message}`)
}
