/**
 * A connection to the embedded database with the settings that the promises need, and its statements kept prepared.
 */
import { constants, DatabaseSync, type StatementSync } from 'node:sqlite'
import { DatabaseLost } from '../../ports/database.ts'

/** Milliseconds to wait for another process's writer before giving up. */
export const busyTimeoutMilliseconds = 10_000
const statementsMax = 500
/** Pages of 4 KiB in the write-ahead log before they go to the database itself: 32 MiB, since each checkpoint costs two more syncs. */
const walPagesMax = 8_192
/** What the write-ahead log is cut back to after a checkpoint. */
const walBytesMax = 64 * 1024 * 1024

const settings = [
  'synchronous = full',
  'secure_delete = on',
  'foreign_keys = on',
  'trusted_schema = off',
  'cache_size = -32768',
  `wal_autocheckpoint = ${walPagesMax}`,
  `journal_size_limit = ${walBytesMax}`,
]

export class SqliteConnection {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  /** Opens the file, and makes it unless `readOnly`. Throws `DatabaseLost` where that fails. */
  constructor(path: string, options: { readonly readOnly?: boolean } = {}) {
    const readOnly = options.readOnly ?? false
    try {
      this.#database = new DatabaseSync(path, { timeout: busyTimeoutMilliseconds, readOnly, allowExtension: false })
      if (!readOnly) this.#database.exec('pragma journal_mode = wal')
      this.#database.exec(settings.map((setting) => `pragma ${setting};`).join(' '))
    } catch (error) {
      throw new DatabaseLost(`The database ${path} cannot be opened: ${messageOf(error)}`)
    }
    // Node's permission model does not hold SQLite back from other files; this does.
    this.#database.setAuthorizer((action) =>
      action === constants.SQLITE_ATTACH ? constants.SQLITE_DENY : constants.SQLITE_OK,
    )
  }

  /** From here on this connection only reads. */
  forbidWrites(): void {
    this.#database.exec('pragma query_only = on')
  }

  all(sql: string, parameters: readonly (string | number | null)[]): Record<string, unknown>[] {
    return this.#prepared(sql).all(...parameters)
  }

  /** Rows changed. */
  run(sql: string, parameters: readonly (string | number | null)[]): number {
    return Number(this.#prepared(sql).run(...parameters).changes)
  }

  /** A statement without parameters or result. */
  exec(sql: string): void {
    this.#prepared(sql).run()
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

/** SQLite's messages name tables and columns, never values. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error'
}

export const sqliteIoError = 10
export const sqliteFull = 13
const constraintPrimaryKey = 1555
const constraintUnique = 2067

/** A key that is taken, and no other broken constraint. */
export function isTaken(error: unknown): boolean {
  const errcode = errcodeOf(error)
  return errcode === constraintPrimaryKey || errcode === constraintUnique
}

/** SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_ERROR, SQLITE_RANGE: the statement's own fault, after which the transaction is as it was before it. */
export function isStatementsFault(error: unknown): boolean {
  return [19, 20, 1, 25].includes(primaryOf(errcodeOf(error))) || errcodeOf(error) === 0
}
