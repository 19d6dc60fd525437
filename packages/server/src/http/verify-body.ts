/**
 * A strict reader for the bodies that nearly every verifier sends to `/v1/verify` and `/v1/verify/batch`: one flat object of known members, strings and one list of strings, in
 * printable ASCII without escapes. It accepts less than `parseJson` with the schema and never more or otherwise: for everything else it answers
 * `undefined`, and the ordinary route reads the body again.
 */
import type { VerifyRequest } from '../domain/verify/decision.ts'

/** Control characters, backslashes and everything outside ASCII are for the ordinary reader. */
const careful = /[^\x20-\x5b\x5d-\x7e]/
const quote = 34
const comma = 44
const colon = 58
const openBracket = 91
const closeBracket = 93
const openBrace = 123
const closeBrace = 125
const space = 32

const lengthsMax = { credential: 4_096, api: 500, ip: 45, scopes: 200 } as const
const scopeForm = /^[\x21\x23-\x5B\x5D-\x7E]{1,100}$/

/** Where the reader is in its text. */
interface Cursor {
  at: number
}

/** The request, if the body is ordinary. */
export function readVerifyBody(text: string): VerifyRequest | undefined {
  if (careful.test(text)) return undefined
  const cursor = { at: after(text, 0) }
  const request = readQuestion(text, cursor)
  return after(text, cursor.at + 1) === text.length ? request : undefined
}

/** The requests of a batch, `{"items": [...]}`, if every one of its at most `itemsMax` items is ordinary. */
export function readVerifyBatch(text: string, itemsMax: number): readonly VerifyRequest[] | undefined {
  if (careful.test(text)) return undefined
  const start = batchStart.exec(text)?.[0]
  if (start === undefined) return undefined
  const cursor = { at: start.length }
  const requests: VerifyRequest[] = []
  for (;;) {
    const request = readQuestion(text, cursor)
    if (request === undefined || requests.push(request) > itemsMax) return undefined
    const at = after(text, cursor.at + 1)
    if (text.charCodeAt(at) === comma) cursor.at = after(text, at + 1)
    else return batchEnd.test(text.slice(at)) ? requests : undefined
  }
}

const batchStart = /^ *\{ *"items" *: *\[ */
const batchEnd = /^\] *\} *$/

/** Reads one flat object that begins at the cursor, and leaves the cursor on its closing brace. */
function readQuestion(text: string, cursor: Cursor): VerifyRequest | undefined {
  let credential: string | undefined
  let api: string | undefined
  let ip: string | undefined
  let scopes: string[] | undefined
  let { at } = cursor
  if (text.charCodeAt(at) !== openBrace) return undefined
  for (;;) {
    at = after(text, at + 1)
    const nameEnd = text.charCodeAt(at) === quote ? text.indexOf('"', at + 1) : -1
    if (nameEnd < 0) return undefined
    const name = text.slice(at + 1, nameEnd)
    at = after(text, nameEnd + 1)
    if (text.charCodeAt(at) !== colon) return undefined
    at = after(text, at + 1)
    if (name === 'scopes') {
      if (scopes !== undefined) return undefined
      scopes = []
      at = readStrings(text, at, scopes)
      if (at < 0) return undefined
    } else {
      const end = text.charCodeAt(at) === quote ? text.indexOf('"', at + 1) : -1
      if (end < 0) return undefined
      const value = text.slice(at + 1, end)
      if (name === 'credential' && credential === undefined && value.length <= lengthsMax.credential) credential = value
      else if (name === 'api' && api === undefined && value.length > 0 && value.length <= lengthsMax.api) api = value
      else if (name === 'ip' && ip === undefined && value.length > 1 && value.length <= lengthsMax.ip) ip = value
      else return undefined
      at = end
    }
    at = after(text, at + 1)
    const code = text.charCodeAt(at)
    if (code === comma) continue
    if (code !== closeBrace || credential === undefined) return undefined
    cursor.at = at
    return requestOf(credential, api, ip, scopes)
  }
}

function requestOf(
  credential: string,
  api: string | undefined,
  ip: string | undefined,
  scopes: readonly string[] | undefined,
): VerifyRequest | undefined {
  if (scopes !== undefined && (scopes.length > lengthsMax.scopes || !scopes.every((scope) => scopeForm.test(scope))))
    return undefined
  const request: Ordinary = { credential }
  if (api !== undefined) request.api = api
  if (scopes !== undefined) request.scopes = scopes
  if (ip !== undefined) request.ip = ip
  return request
}

/** What an ordinary body holds, while it is put together. */
interface Ordinary {
  credential: string
  api?: string
  scopes?: readonly string[]
  ip?: string
}

/** Reads a list of strings that begins at `from` into `list`; the index of its closing bracket, or -1. */
function readStrings(text: string, from: number, list: string[]): number {
  if (text.charCodeAt(from) !== openBracket) return -1
  let at = after(text, from + 1)
  if (text.charCodeAt(at) === closeBracket) return at
  for (;;) {
    const end = text.charCodeAt(at) === quote ? text.indexOf('"', at + 1) : -1
    if (end < 0) return -1
    list.push(text.slice(at + 1, end))
    at = after(text, end + 1)
    const code = text.charCodeAt(at)
    if (code === closeBracket) return at
    if (code !== comma) return -1
    at = after(text, at + 1)
  }
}

/** The index of the first character from `at` on that is no space. */
function after(text: string, at: number): number {
  let index = at
  while (text.charCodeAt(index) === space) index += 1
  return index
}
