/**
 * The shapes that several endpoints share, as TypeBox schemas: JSON Schema 2020-12, and so OpenAPI 3.1 as they are. Every text, list and number has its
 * limit here.
 */
import { type TProperties, type TSchema, Type } from 'typebox'
import { environments, keyUses } from '../model/records.ts'

/** An object without any field that is not named. */
export const Shape = <Fields extends TProperties>(fields: Fields, options: { readonly description?: string } = {}) =>
  Type.Object(fields, { additionalProperties: false, ...options })

export const OrNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

export const NameText = Type.String({ minLength: 1, maxLength: 200 })
export const IdText = Type.String({ minLength: 1, maxLength: 256 })
/** An absolute URI, without fragment (RFC 8707 section 2). */
export const Identifier = Type.String({
  minLength: 3,
  maxLength: 500,
  pattern: '^[A-Za-z][A-Za-z0-9+.-]*:[^\\s#\\u0000-\\u001f]+$',
})
/** RFC 6749 section 3.3 scope-token. */
export const ScopeName = Type.String({ minLength: 1, maxLength: 100, pattern: '^[\\x21\\x23-\\x5B\\x5D-\\x7E]+$' })
export const InstantText = Type.String({ minLength: 20, maxLength: 35, description: 'RFC 3339' })
export const Environment = Type.Enum([...environments])
export const Seconds = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum })

export const Meta = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$' }),
  Type.Union([Type.String({ maxLength: 500 }), Type.Number(), Type.Boolean()]),
  { maxProperties: 50, additionalProperties: false },
)

const count = Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 })
const LimitName = Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$' })

export const Limits = Type.Array(
  Shape({
    name: LimitName,
    limit: count,
    window_seconds: Seconds(1, 31_622_400),
    algorithm: Type.Optional(Type.Enum(['window', 'bucket'])),
    burst: Type.Optional(OrNull(count)),
    applies_to: Type.Optional(Type.Array(Type.Enum(['verify', 'token']), { minItems: 1, maxItems: 2 })),
    accuracy: Type.Optional(Type.Enum(['strict', 'fast'])),
    on_bus_loss: Type.Optional(Type.Enum(['local', 'deny', 'allow'])),
  }),
  { maxItems: 20, description: 'Stored and checked; charging them is not part of this release.' },
)

const Period = Type.Enum(['hour', 'day', 'week', 'month'])
const TimeZone = Type.String({ minLength: 1, maxLength: 64 })

export const Quotas = Type.Array(
  Shape({
    name: LimitName,
    limit: count,
    period: Period,
    anchor_day: Type.Optional(OrNull(Type.Integer({ minimum: 1, maximum: 31 }))),
    time_zone: Type.Optional(TimeZone),
  }),
  { maxItems: 20, description: 'Stored and checked; charging them is not part of this release.' },
)

export const Credits = OrNull(
  Shape({
    remaining: OrNull(Type.Integer({ minimum: 0, maximum: 1_000_000_000_000 })),
    refill: Type.Optional(OrNull(Shape({ amount: count, every: Period, time_zone: Type.Optional(TimeZone) }))),
  }),
)

export const Networks = OrNull(
  Shape({
    in: Type.Optional(Type.Array(Type.String({ minLength: 2, maxLength: 49 }), { maxItems: 200 })),
    not_in: Type.Optional(Type.Array(Type.String({ minLength: 2, maxLength: 49 }), { maxItems: 200 })),
  }),
)

export const Uses = Type.Array(Type.Enum([...keyUses]), { maxItems: keyUses.length })

export const Grants = Type.Array(
  Shape({ api: Type.String({ minLength: 1, maxLength: 500 }), scopes: Type.Array(ScopeName, { maxItems: 200 }) }),
  { maxItems: 100 },
)

/** How a list is asked for. Query parameters come as text. */
export const PageParameters = {
  page_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
}

/** Any JSON object: what an answer is in detail its example and description say. */
export const Answer = (description: string, fields: TProperties = {}) => Type.Object(fields, { description })

export const ListAnswer = (item: TSchema) => Type.Object({ data: Type.Array(item), next_cursor: OrNull(Type.String()) })

export const AsOf = Type.Object({ seq: Type.Integer(), age_ms: Type.Integer() })

export const OverlapSeconds = Type.Optional(Seconds(0, 366 * 86_400))
