/**
 * A connection to the embedded database with the settings that the promises need, and its statements kept prepared.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'

/** Milliseconds to wait for another writer before giving up. */
export const busyTimeoutMilliseconds = 10_000
const statementsMax = 500

export class SqliteConnection {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(path: string, options: { readonly readOnly?: boolean } = {}) {
    this.#database = new DatabaseSync(path, { timeout: busyTimeoutMilliseconds, readOnly: options.readOnly ?? false })
    if (options.readOnly !== true) this.#database.exec('pragma journal_mode = wal')
    this.#database.exec(
      'pragma synchronous = full; pragma secure_delete = on; pragma foreign_keys = on; pragma cache_size = -32768',
    )
  }

  all(sql: string, parameters: readonly (string | number | null)[]): Record<string, unknown>[] {
    return this.#prepared(sql).all(...parameters)
  }

  /** Rows changed. */
  run(sql: string, parameters: readonly (string | number | null)[]): number {
    return Number(this.#prepared(sql).run(...parameters).changes)
  }

  exec(sql: string): void {
    this.#database.exec(sql)
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    if (this.#statements.size >= statementsMax) this.#statements.clear()
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}

/** SQLite's extended result code of an error, or 0 for an error of another kind. */
export function errcodeOf(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
}

/** The primary part of a result code. */
export function primaryOf(errcode: number): number {
  return errcode & 0xff
}

export const sqliteFull = 13
export const sqliteConstraint = 19
export const sqliteBusy = 5
