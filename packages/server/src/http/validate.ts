/**
 * Bodies and queries against their schemas, and what is wrong with them in words that never repeat a value.
 */
import { Compile } from 'typebox/compile'
import type { TObject, TSchema } from 'typebox'
import { Fault, type FaultPlace } from '../model/fault.ts'
import { findBadText, pointerNameLengthMax } from './json.ts'

interface Finding {
  readonly keyword: string
  readonly instancePath: string
  readonly params: Readonly<Record<string, unknown>>
}

export interface Validator {
  Check(value: unknown): boolean
  Errors(value: unknown): readonly Finding[]
}

const validators = new WeakMap<TSchema, Validator>()

function validatorOf(schema: TSchema): Validator {
  const known = validators.get(schema)
  if (known !== undefined) return known
  const compiled = Compile(schema) as unknown as Validator
  validators.set(schema, compiled)
  return compiled
}

/** Errors that one answer lists. */
const errorsMax = 20

/** Throws `invalid-field` where the value does not fit its schema, or holds text that no database keeps. */
export function requireValid(schema: TSchema, value: unknown): void {
  const bad = findBadText(value)
  if (bad !== undefined) throw invalid([{ pointer: bad, detail: 'Text holds neither NUL nor half a surrogate pair.' }])
  const validator = validatorOf(schema)
  if (validator.Check(value)) return
  throw invalid(placesOf(validator.Errors(value)).map(({ path, detail }) => ({ pointer: path, detail })))
}

/** As `requireValid` for query parameters, each of which came as text. */
export function requireValidQuery(schema: TObject, query: Readonly<Record<string, unknown>>): void {
  const validator = validatorOf(schema)
  if (validator.Check(query)) return
  const places = placesOf(validator.Errors(query))
  throw invalid(places.map(({ path, detail }) => ({ parameter: path.slice(1), detail })))
}

function invalid(errors: readonly FaultPlace[]): Fault {
  return new Fault('invalid-field', errors[0]?.detail ?? 'A field is not valid.', {
    errors: errors.slice(0, errorsMax),
  })
}

interface Place {
  readonly path: string
  readonly detail: string
}

/** One place a field. Of a field's alternatives only those are told that the value comes near to. */
function placesOf(findings: readonly Finding[]): readonly Place[] {
  const places = new Map<string, string>()
  const types = new Map<string, string[]>()
  for (const finding of findings) {
    // It only says that one of the others does.
    if (finding.keyword === 'boolean') continue
    for (const { path, detail } of placesOfOne(finding)) {
      if (!places.has(path)) places.set(path, detail)
      if (finding.keyword === 'type') types.set(path, [...(types.get(path) ?? []), ...typesOf(finding.params)])
    }
  }
  for (const [path, names] of types) {
    const other = findings.some(({ keyword, instancePath }) => !choices.has(keyword) && safePath(instancePath) === path)
    if (!other) places.set(path, sentenceOf('type', { type: names }))
  }
  // Whatever is wrong inside a value is nearer than that it is not another type.
  const paths = [...places.keys()]
  const outer = (path: string) => types.has(path) && paths.some((other) => other.startsWith(`${path}/`))
  const kept = [...places].filter(([path]) => !outer(path)).map(([path, detail]) => ({ path, detail }))
  return kept.length === 0 ? [{ path: '', detail: 'The value is not valid.' }] : kept
}

/** Keywords that speak of a choice, not of the value. */
const choices: ReadonlySet<string> = new Set(['type', 'anyOf', 'boolean'])

function typesOf(params: Finding['params']): string[] {
  return [params['type']].flat().map(String)
}

function placesOfOne({ keyword, instancePath, params }: Finding): Place[] {
  const at = safePath(instancePath)
  const named = (member: string, detail: string) =>
    (Array.isArray(params[member]) ? params[member] : []).map((name) => ({
      path: `${at}/${safeName(String(name))}`,
      detail,
    }))
  if (keyword === 'required') return named('requiredProperties', 'This field is missing.')
  if (keyword === 'additionalProperties') return named('additionalProperties', 'There is no such field.')
  return [{ path: at, detail: sentenceOf(keyword, params) }]
}

function sentenceOf(keyword: string, params: Readonly<Record<string, unknown>>): string {
  const limit = typeof params['limit'] === 'number' ? params['limit'] : undefined
  switch (keyword) {
    case 'type':
      return `This must be of type ${[...new Set(typesOf(params))].join(' or ')}.`
    case 'minLength':
      return `This must have at least ${limit} characters.`
    case 'maxLength':
      return `This must have at most ${limit} characters.`
    case 'minimum':
      return `This must be at least ${limit}.`
    case 'maximum':
      return `This must be at most ${limit}.`
    case 'minItems':
      return `This must have at least ${limit} items.`
    case 'maxItems':
      return `This must have at most ${limit} items.`
    case 'minProperties':
    case 'maxProperties':
      return `This has too many or too few members.`
    case 'enum':
    case 'const':
      return Array.isArray(params['allowedValues'])
        ? `This must be one of: ${params['allowedValues'].join(', ')}.`
        : 'This must be another value.'
    case 'pattern':
    case 'format':
      return 'This does not have the right form.'
    case 'uniqueItems':
      return 'The items must differ.'
    default:
      return 'This is not valid here.'
  }
}

/** What could be a credential in the wrong place. */
export const credentialLike = /kw[skat]_/

/** Member names come from the caller too: long ones are cut, and what looks like a credential is not repeated. */
function safeName(name: string): string {
  if (credentialLike.test(name)) return '…'
  return name.slice(0, pointerNameLengthMax).toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1')
}

function safePath(path: string): string {
  return path
    .split('/')
    .map((part) => (credentialLike.test(part) ? '…' : part.slice(0, pointerNameLengthMax)))
    .join('/')
}
