/**
 * The one query layer: every statement that both databases run, built with Kysely, compiled once per shape and kept as text.
 */
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from 'kysely'
import type { RecordKind } from '../../model/records.ts'
import type { ListQuery, Value, Values, Write } from '../../ports/database.ts'
import type { Dialect } from './migrations.ts'
import { indexColumns, recordColumns, type Schema, targetPrefixes } from './schema.ts'

/** A statement ready to run. */
export interface Query {
  readonly sql: string
  readonly parameters: readonly (string | number | null)[]
}

/** How a write's result is judged. */
export type Expectation = 'anything' | 'one_changed' | 'free_key' | 'some_row' | 'no_row' | { readonly below: number }

export interface CheckedQuery extends Query {
  readonly expect: Expectation
}

/** A Kysely that only compiles: connections are the adapters' own. */
export function compilerFor(dialect: Dialect): Kysely<Schema> {
  return dialect === 'sqlite'
    ? new Kysely<Schema>({
        dialect: {
          createAdapter: () => new SqliteAdapter(),
          createDriver: () => new DummyDriver(),
          createIntrospector: (db) => new SqliteIntrospector(db),
          createQueryCompiler: () => new SqliteQueryCompiler(),
        },
      })
    : new Kysely<Schema>({
        dialect: {
          createAdapter: () => new PostgresAdapter(),
          createDriver: () => new DummyDriver(),
          createIntrospector: (db) => new PostgresIntrospector(db),
          createQueryCompiler: () => new PostgresQueryCompiler(),
        },
      })
}

/** Shapes of statements that are kept: filters come in many combinations, everything else in few. */
const shapesMax = 2_000

export class Queries {
  readonly #db: Kysely<Schema>
  readonly #shapes = new Map<string, string>()

  constructor(dialect: Dialect) {
    this.#db = compilerFor(dialect)
  }

  get compiler(): Kysely<Schema> {
    return this.#db
  }

  /** A write with what its result must be. */
  write(write: Write): CheckedQuery {
    switch (write.kind) {
      case 'insert': {
        return { ...this.insert(write.table, Object.keys(write.values), [write.values]), expect: 'free_key' }
      }
      case 'update': {
        const set = Object.keys(write.set)
        const { shape, matches, parameters } = conditionOf(write.where)
        const text = this.#shape(`update ${write.table} ${set} ${shape}`, () =>
          this.#db.updateTable(write.table).set(blank(set)).where(matches()).compile(),
        )
        return { sql: text, parameters: [...Object.values(write.set), ...parameters], expect: 'one_changed' }
      }
      case 'delete': {
        const { shape, matches, parameters } = conditionOf(write.where)
        const text = this.#shape(`delete ${write.table} ${shape}`, () =>
          this.#db.deleteFrom(write.table).where(matches()).compile(),
        )
        return { sql: text, parameters, expect: 'anything' }
      }
      case 'require':
        return { ...this.#exists(write.table, write.where), expect: 'some_row' }
      case 'absent':
        return { ...this.#exists(write.table, write.where), expect: 'no_row' }
      case 'below':
        return { ...this.#count(write.table, write.where), expect: { below: write.limit } }
    }
  }

  /** One statement for several rows of the same columns in the same order. */
  insert(table: string, columns: readonly string[], rows: readonly Values[]): Query {
    const text = this.#shape(`insert ${table} ${columns} ${rows.length}`, () =>
      this.#db
        .insertInto(table)
        .values(rows.map(() => blank(columns)))
        .compile(),
    )
    return { sql: text, parameters: rows.flatMap((row) => Object.values(row)) }
  }

  #exists(table: string, where: Values): Query {
    const { shape, matches, parameters } = conditionOf(where)
    const text = this.#shape(`exists ${table} ${shape}`, () =>
      this.#db.selectFrom(table).select(sql<number>`1`.as('one')).where(matches()).limit(sql.lit(1)).compile(),
    )
    return { sql: text, parameters }
  }

  #count(table: string, where: Values): Query {
    const { shape, matches, parameters } = conditionOf(where)
    const text = this.#shape(`count ${table} ${shape}`, () =>
      this.#db.selectFrom(table).select(sql<number>`count(*)`.as('count')).where(matches()).compile(),
    )
    return { sql: text, parameters }
  }

  #record(kind: RecordKind) {
    const target = sql<string>`${sql.lit(targetPrefixes[kind])} || ${sql.ref('r.id')}`
    const columns = [...Object.keys(recordColumns), ...Object.keys(indexColumns[kind])]
    return this.#db
      .selectFrom(`${kind} as r`)
      .select(columns.map((column) => `r.${column}`))
      .select(
        sql<number>`(select max(j.seq) from journal as j where j.target = ${target} and j.tenant = r.tenant)`.as(
          'last_seq',
        ),
      )
  }

  record(kind: RecordKind, id: string): Query {
    const text = this.#shape(`record ${kind}`, () => this.#record(kind).where('r.id', '=', '').compile())
    return { sql: text, parameters: [id] }
  }

  records(kind: RecordKind, ids: readonly string[]): Query {
    const text = this.#shape(`records ${kind} ${ids.length}`, () =>
      this.#record(kind)
        .where('r.id', 'in', [...ids])
        .compile(),
    )
    return { sql: text, parameters: ids }
  }

  list(kind: RecordKind, tenant: string, query: ListQuery): Query {
    const { shape, matches, parameters } = conditionOf(query.columns, 'r.')
    const text = this.#shape(`list ${kind} ${shape} ${query.facets.length}`, () => {
      let select = this.#record(kind).where('r.tenant', '=', '').where('r.created_seq', '>', 0).where(matches())
      for (const _facet of query.facets) select = select.where(hasFacet(this.#db, kind))
      return select.orderBy('r.created_seq').limit(1).compile()
    })
    const facets = facetParameters(tenant, query.facets, query.afterSeq)
    return { sql: text, parameters: [tenant, query.afterSeq, ...parameters, ...facets, query.limit] }
  }

  count(kind: RecordKind, tenant: string, columns: Values, facets: ListQuery['facets']): Query {
    const { shape, matches, parameters } = conditionOf(columns, 'r.')
    const text = this.#shape(`count records ${kind} ${shape} ${facets.length}`, () => {
      let select = this.#db
        .selectFrom(`${kind} as r`)
        .select(sql<number>`count(*)`.as('count'))
        .where('r.tenant', '=', '')
        .where(matches())
      for (const _facet of facets) select = select.where(hasFacet(this.#db, kind))
      return select.compile()
    })
    return {
      sql: text,
      parameters: [tenant, ...parameters, ...facetParameters(tenant, facets, 0)],
    }
  }

  named(tenant: string, kind: string, names: readonly string[]): Query {
    const text = this.#shape(`named ${names.length}`, () =>
      this.#db
        .selectFrom('names')
        .select(['name', 'id'])
        .where('tenant', '=', '')
        .where('kind', '=', '')
        .where('name', 'in', [...names])
        .compile(),
    )
    return { sql: text, parameters: [tenant, kind, ...names] }
  }

  heads(): Query {
    const text = this.#shape('heads', () =>
      this.#db.selectFrom('heads').select(['tenant', 'seq', 'hash', 'seals']).where('seq', '>', sql.lit(0)).compile(),
    )
    return { sql: text, parameters: [] }
  }

  entries(tenant: string, afterSeq: number, limit: number, target?: string): Query {
    const text = this.#shape(`entries ${target === undefined}`, () => {
      const select = this.#db
        .selectFrom('journal')
        .select(['tenant', 'seq', 'prev', 'target', 'entry', 'hash', 'mac', 'dek', 'contents'])
        .where('tenant', '=', '')
        .where('seq', '>', 0)
      return (target === undefined ? select : select.where('target', '=', '')).orderBy('seq').limit(1).compile()
    })
    return { sql: text, parameters: [tenant, afterSeq, ...(target === undefined ? [] : [target]), limit] }
  }

  deks(tenant: string): Query {
    const text = this.#shape('deks', () =>
      this.#db
        .selectFrom('deks')
        .select(['tenant', 'version', 'kek', 'wrapped', 'created_at'])
        .where('tenant', '=', '')
        .orderBy('version')
        .compile(),
    )
    return { sql: text, parameters: [tenant] }
  }

  replay(scope: string): Query {
    const text = this.#shape('replay', () =>
      this.#db
        .selectFrom('replays')
        .select(['scope', 'body_mac', 'sealed', 'expires_at'])
        .where('scope', '=', '')
        .compile(),
    )
    return { sql: text, parameters: [scope] }
  }

  forgetReplays(now: number): CheckedQuery {
    const text = this.#shape('forget', () => this.#db.deleteFrom('replays').where('expires_at', '<', 0).compile())
    return { sql: text, parameters: [now], expect: 'anything' }
  }

  latestCheckpoint(tenant: string): Query {
    const text = this.#shape('checkpoint', () =>
      this.#db
        .selectFrom('checkpoints')
        .select(['tenant', 'size', 'note', 'frontier'])
        .where('tenant', '=', '')
        .orderBy('size', 'desc')
        .limit(sql.lit(1))
        .compile(),
    )
    return { sql: text, parameters: [tenant] }
  }

  setHead(tenant: string, head: { readonly seq: number; readonly hash: string; readonly seals: number }): CheckedQuery {
    const text = this.#shape('set head', () =>
      this.#db
        .updateTable('heads')
        .set(blank(['seq', 'hash', 'seals']))
        .where('tenant', '=', '')
        .compile(),
    )
    return { sql: text, parameters: [head.seq, head.hash, head.seals, tenant], expect: 'one_changed' }
  }

  /** Makes a head where there is none, and takes hold of it until the transaction ends. */
  makeHead(tenant: string, genesis: string): Query {
    const text = this.#shape('make head', () =>
      this.#db
        .insertInto('heads')
        .values(blank(['tenant', 'seq', 'hash', 'seals']))
        .onConflict((conflict) => conflict.column('tenant').doNothing())
        .compile(),
    )
    return { sql: text, parameters: [tenant, 0, genesis, 0] }
  }

  holdHead(tenant: string): Query {
    const text = this.#shape('hold head', () =>
      this.#db
        .updateTable('heads')
        .set({ seals: sql<number>`seals` })
        .where('tenant', '=', '')
        .returning(['tenant', 'seq', 'hash', 'seals'])
        .compile(),
    )
    return { sql: text, parameters: [tenant] }
  }

  #shape(name: string, compile: () => { readonly sql: string }): string {
    const known = this.#shapes.get(name)
    if (known !== undefined) return known
    if (this.#shapes.size >= shapesMax) this.#shapes.clear()
    const text = compile().sql
    this.#shapes.set(name, text)
    return text
  }
}

/** Stands for values while a shape is compiled; the text holds placeholders alone. */
function blank(columns: readonly string[]): Record<string, string> {
  return Object.fromEntries(columns.map((column) => [column, '']))
}

interface Condition {
  /** Tells conditions of different text apart. */
  readonly shape: string
  readonly parameters: readonly Value[]
  matches(): RawBuilder<boolean>
}

/** All columns equal, where null equals null. No column at all matches every row. */
function conditionOf(where: Values, prefix = ''): Condition {
  const columns = Object.entries(where)
  return {
    shape: columns.map(([column, value]) => (value === null ? `${column}?` : column)).join(),
    parameters: columns.flatMap(([, value]) => (value === null ? [] : [value])),
    matches: () => {
      const parts = columns.map(([column, value]) =>
        value === null ? sql`${sql.ref(prefix + column)} is null` : sql`${sql.ref(prefix + column)} = ${''}`,
      )
      return parts.length === 0 ? sql<boolean>`1 = 1` : sql<boolean>`${sql.join(parts, sql` and `)}`
    },
  }
}

/** The records with a facet, beyond a place: the facets are found first, so that a rare one is found among a million records. */
function hasFacet(db: Kysely<Schema>, kind: RecordKind) {
  return sql<boolean>`${sql.ref('r.created_seq')} in ${db
    .selectFrom('facets as f')
    .select('f.created_seq')
    .where('f.tenant', '=', '')
    .where('f.kind', '=', sql.lit(kind))
    .where('f.name', '=', '')
    .where('f.value', '=', '')
    .where('f.created_seq', '>', 0)}`
}

/** The parameters of `hasFacet`, for each facet in turn. */
function facetParameters(tenant: string, facets: ListQuery['facets'], afterSeq: number): (string | number)[] {
  return facets.flatMap(({ name, value }) => [tenant, name, value, afterSeq])
}
