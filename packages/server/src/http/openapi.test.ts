/**
 * The OpenAPI document and the reference page follow from the list of endpoints, whole and without fault.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { docsPage } from './docs.ts'
import type { Endpoint } from './endpoint.ts'
import { endpoints } from './endpoints.ts'
import { openApi } from './openapi.ts'

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required: boolean
  readonly schema: object
}
interface Operation {
  readonly operationId: string
  readonly parameters: readonly Parameter[]
  readonly responses: Readonly<
    Record<
      string,
      { readonly description?: string; readonly content?: Readonly<Record<string, { readonly schema: object }>> }
    >
  >
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: TSchema; readonly example?: unknown }>>
  }
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
}

/** The document as a client reads it. */
const document = JSON.parse(JSON.stringify(openApi(endpoints, 'https://keys.example'))) as {
  readonly openapi: string
  readonly servers: readonly { readonly url: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>
    readonly securitySchemes: Readonly<Record<string, object>>
  }
}
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation, name: `${method} ${path}` })),
)
const described = endpoints.filter(({ path }) => !path.endsWith('*'))

/** Every schema within a value, with where it stands. */
function* schemasOf(value: unknown, at: string): Generator<{ readonly at: string; readonly schema: object }> {
  if (typeof value !== 'object' || value === null) return
  for (const [name, child] of Object.entries(value)) {
    if (name === 'schema' && typeof child === 'object' && child !== null) yield { at, schema: child }
    else yield* schemasOf(child, `${at}/${name}`)
  }
}

/** The parts of a schema that are schemas. */
function partsOf(schema: object): object[] {
  const { properties, patternProperties, items, anyOf, additionalProperties } = schema as Record<string, unknown>
  const parts = [
    ...Object.values((properties as object) ?? {}),
    ...Object.values((patternProperties as object) ?? {}),
    items,
    ...((anyOf as unknown[]) ?? []),
    additionalProperties,
  ]
  return parts.filter((part): part is object => typeof part === 'object' && part !== null)
}

describe('the OpenAPI document', () => {
  it('is of version 3.1 and has every endpoint once', () => {
    assert.equal(document.openapi, '3.1.0')
    assert.deepEqual(document.servers, [{ url: 'https://keys.example' }])
    assert.equal(operations.length, described.length)
    for (const { method, path } of described) {
      const operation =
        document.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method === 'ANY' ? 'get' : method.toLowerCase()]
      assert.ok(operation !== undefined, `${method} ${path}`)
    }
  })

  it('names every operation differently', () => {
    assert.equal(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length)
  })

  it('declares just the parameters that a path has, and no parameter twice', () => {
    for (const { name, path, operation } of operations) {
      const inPath = operation.parameters.filter((parameter) => parameter.in === 'path')
      assert.deepEqual(
        inPath.map((parameter) => parameter.name),
        [...path.matchAll(/\{(\w+)\}/g)].map(([, one]) => one),
        name,
      )
      assert.ok(
        inPath.every((parameter) => parameter.required),
        name,
      )
      assert.equal(
        new Set(operation.parameters.map((parameter) => `${parameter.in} ${parameter.name}`)).size,
        operation.parameters.length,
        name,
      )
      assert.ok(
        operation.parameters.every((parameter) => typeof parameter.schema === 'object'),
        name,
      )
    }
  })

  it('describes every answer, and every refusal as a problem document', () => {
    for (const { name, operation } of operations) {
      assert.ok(
        Object.keys(operation.responses).some((status) => status < '400'),
        name,
      )
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        assert.match(status, /^[1-5]\d\d$/, name)
        assert.ok(description !== undefined && description !== '', `${name} ${status}`)
        if (content?.['application/problem+json'] !== undefined) {
          assert.deepEqual(content['application/problem+json'].schema, { $ref: '#/components/schemas/Problem' })
        }
      }
    }
  })

  it('refers only to what it holds', () => {
    const text = JSON.stringify(document)
    for (const [, section, name] of text.matchAll(/"#\/components\/(\w+)\/(\w+)"/g)) {
      assert.ok(
        (document.components as Record<string, Record<string, object>>)[section ?? '']?.[name ?? ''] !== undefined,
        `${section}/${name}`,
      )
    }
    for (const { name, operation } of operations) {
      for (const scheme of operation.security ?? [])
        for (const one of Object.keys(scheme)) assert.ok(one in document.components.securitySchemes, name)
    }
  })

  it('holds only schemas that compile', () => {
    let count = 0
    for (const { at, schema } of schemasOf(document, '')) {
      if ('$ref' in schema) continue
      assert.doesNotThrow(() => Compile(schema as TSchema), at)
      count += 1
    }
    assert.ok(count > 100)
  })

  it('shows examples that fit their schemas', () => {
    const shown = operations.flatMap(({ name, operation }) =>
      Object.values(operation.requestBody?.content ?? {})
        .filter(({ example }) => example !== undefined)
        .map((content) => ({ name, ...content })),
    )
    assert.ok(shown.length > 8)
    for (const { name, schema, example } of shown) assert.ok(Compile(schema).Check(example), name)
  })

  it('asks for the verifier’s token in a header of its own at forward-auth', () => {
    assert.deepEqual(document.paths['/v1/forward-auth']?.['get']?.security, [{ verifierToken: [] }])
  })
})

describe('the fields that a caller may send', () => {
  const sent = endpoints.flatMap((endpoint) =>
    [endpoint.body, endpoint.query].filter((schema) => schema !== undefined).map((schema) => ({ endpoint, schema })),
  )

  it('are closed in every object, and bounded in every text, list and number', () => {
    for (const { endpoint, schema } of sent) checkBounds(schema, `${endpoint.method} ${endpoint.path}`)
  })
})

function checkBounds(schema: object, at: string): void {
  const {
    type,
    enum: values,
    pattern,
    maxLength,
    maxItems,
    maximum,
    minimum,
    additionalProperties,
    maxProperties,
  } = schema as Record<string, unknown>
  if (type === 'object') {
    assert.equal(additionalProperties, false, `${at} is open`)
    if ('patternProperties' in schema) assert.ok(typeof maxProperties === 'number', `${at} has any number of members`)
  }
  if (type === 'string' && values === undefined)
    assert.ok(typeof maxLength === 'number', `${at} is a text of any length (${String(pattern)})`)
  if (type === 'array') assert.ok(typeof maxItems === 'number', `${at} is a list of any length`)
  if (type === 'integer')
    assert.ok(typeof maximum === 'number' && typeof minimum === 'number', `${at} is a number of any size`)
  for (const part of partsOf(schema)) checkBounds(part, at)
}

describe('the reference page', () => {
  const page = docsPage(endpoints)

  it('has a section for every endpoint, and every link of it leads somewhere', () => {
    assert.equal([...page.matchAll(/<section id=/g)].length, described.length)
    const ids = new Set([...page.matchAll(/id="([^"]+)"/g)].map(([, id]) => id))
    for (const [, target = ''] of page.matchAll(/href="#([^"]+)"/g)) assert.ok(ids.has(target), target)
    for (const { summary } of described)
      assert.ok(page.includes(summary.replaceAll('&', '&amp;').replaceAll('<', '&lt;')), summary)
  })

  it('runs no script and asks nobody else for anything', () => {
    assert.doesNotMatch(page, /<script|\son\w+=|<link|<img|<iframe|@import|url\(/i)
  })

  it('shows a text of the list as text', () => {
    const hostile: Endpoint = {
      ...(described[0] as Endpoint),
      summary: '<img src=x onerror=alert(1)>',
      path: '/a"><b>',
    }
    const shown = docsPage([hostile])
    assert.ok(!shown.includes('<img') && !shown.includes('<b>'))
  })
})
