/**
 * Backups: every table but the kept answers, read in one snapshot while the database is in use, into one SQLite file. The file has the same form from
 * either database, so it also carries a tenant from one to the other.
 */
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { Client } from 'pg'
import { migrate } from './migrations.ts'
import { clientConfig } from './postgres-config.ts'
import { compilerFor } from './queries.ts'
import { tables } from './schema.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import { databaseFile } from './sqlite.ts'

export interface CopyPlace {
  readonly url: string
  readonly dataDir: string
  readonly caFile: string | undefined
}

/** A backup cannot be made or used. Its message is a sentence for the operator. */
export class BackupUnusable extends Error {
  override readonly name = 'BackupUnusable'
}

/** Kept answers are bound to their ten minutes and are never copied. */
const copied = Object.entries(tables).filter(([name]) => name !== 'replays')
const rowsPerRead = 1_000

type Row = Record<string, string | number | null>

/** Pages of a table in the order of its primary key. */
type Page = (sql: string, parameters: (string | number)[]) => Promise<readonly Row[]>

function pageQuery(name: string, dialect: 'sqlite' | 'postgres', first: boolean): string {
  const table = tables[name as keyof typeof tables]
  const mark = (index: number) => (dialect === 'sqlite' ? '?' : `$${index + 1}`)
  const key = table.primaryKey
  const where = first ? '' : ` where (${key.join(', ')}) > (${key.map((_column, index) => mark(index)).join(', ')})`
  return `select ${Object.keys(table.columns).join(', ')} from ${name}${where} order by ${key.join(', ')} limit ${rowsPerRead}`
}

/** Writes the whole database to a new file; the number of rows. */
export async function copyOut(from: CopyPlace, target: string, now: number): Promise<number> {
  if (existsSync(target)) throw new BackupUnusable(`${target} exists already. Name a new file.`)
  const partial = `${target}.partial`
  rmSync(partial, { force: true })
  const umask = process.umask(0o077)
  const file = new DatabaseSync(partial)
  process.umask(umask)
  try {
    const count = await withSnapshot(from, async (page, dialect) => await fill(file, page, dialect, now))
    const check = file.prepare('pragma integrity_check').get()
    if (Object.values(check ?? {})[0] !== 'ok')
      throw new BackupUnusable('The copy is damaged; the disk may be failing.')
    file.close()
    chmodSync(partial, 0o600)
    renameSync(partial, target)
    return count
  } catch (error) {
    if (file.isOpen) file.close()
    rmSync(partial, { force: true })
    throw error
  }
}

async function fill(file: DatabaseSync, page: Page, dialect: 'sqlite' | 'postgres', now: number): Promise<number> {
  file.exec('pragma synchronous = full')
  const run = async (sql: string, parameters: readonly unknown[]) =>
    file.prepare(sql).all(...(parameters as (string | number | null)[]))
  await migrate({ run, begin: async () => file.exec('begin') }, compilerFor('sqlite'), 'sqlite', now)
  file.exec('begin')
  let count = 0
  for (const [name] of copied)
    count += await copyTable(name, page, dialect, (sql, values) => void file.prepare(sql).run(...values))
  file.exec('commit')
  return count
}

async function copyTable(
  name: string,
  page: Page,
  dialect: 'sqlite' | 'postgres',
  insert: (sql: string, values: (string | number | null)[]) => void,
): Promise<number> {
  const table = tables[name as keyof typeof tables]
  const columns = Object.keys(table.columns)
  const sql = `insert into ${name} (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`
  let after: (string | number)[] = []
  let count = 0
  for (;;) {
    const rows = await page(pageQuery(name, dialect, after.length === 0), after)
    for (const row of rows)
      insert(
        sql,
        columns.map((column) => row[column] ?? null),
      )
    count += rows.length
    const last = rows.at(-1)
    if (rows.length < rowsPerRead || last === undefined) return count
    after = table.primaryKey.map((column) => last[column] as string | number)
  }
}

async function withSnapshot<Result>(
  from: CopyPlace,
  use: (page: Page, dialect: 'sqlite' | 'postgres') => Promise<Result>,
): Promise<Result> {
  if (from.url === 'embedded') {
    const path = join(from.dataDir, databaseFile)
    if (!existsSync(path)) throw new BackupUnusable(`There is no database in ${from.dataDir}.`)
    const connection = new SqliteConnection(path, { readOnly: true })
    try {
      connection.exec('begin')
      return await use(async (sql, parameters) => connection.all(sql, parameters) as Row[], 'sqlite')
    } finally {
      connection.close()
    }
  }
  const client = new Client(clientConfig(from.url, from.caFile))
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    return await use(async (sql, parameters) => (await client.query<Row>(sql, parameters)).rows, 'postgres')
  } finally {
    await client.end()
  }
}

/** Reads a backup's DEK wraps, for the question whether a KEK opens it; refuses what is no whole backup. */
export function readBackup(path: string): {
  readonly deks: readonly Row[]
  readonly rows: (name: string) => Iterable<Row>
} {
  if (!existsSync(path)) throw new BackupUnusable(`There is no file ${path}.`)
  try {
    const file = new DatabaseSync(path, { readOnly: true })
    const check = file.prepare('pragma integrity_check').get()
    if (Object.values(check ?? {})[0] !== 'ok') throw new BackupUnusable(`${path} is damaged. Use another backup.`)
    const rows = (name: string) => file.prepare(`select * from ${name}`).iterate() as Iterable<Row>
    return { deks: file.prepare('select * from deks').all() as Row[], rows }
  } catch (error) {
    if (error instanceof BackupUnusable) throw error
    throw new BackupUnusable(`${path} is no backup of Keywright, or is damaged.`)
  }
}

/** The tables of a backup in the order in which they are restored. */
export const restoredTables: readonly string[] = copied.map(([name]) => name)
