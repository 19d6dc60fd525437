/**
 * Opens the database that a configuration names.
 */
import type { Clock } from '../../ports/clock.ts'
import type { Database } from '../../ports/database.ts'
import { openPostgres } from './postgres.ts'
import { openSqlite } from './sqlite.ts'

export interface DatabaseOptions {
  /** `embedded`, or a `postgres://` URL. */
  readonly url: string
  readonly dataDir: string
  readonly listenUrl?: string | undefined
  readonly caFile?: string | undefined
  readonly readOnly?: boolean
  readonly clock: Clock
}

export function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, dataDir, listenUrl, caFile, readOnly, clock } = options
  if (url === 'embedded') return openSqlite({ dataDir, clock, readOnly: readOnly ?? false })
  return openPostgres({
    url,
    clock,
    ...(listenUrl === undefined ? {} : { listenUrl }),
    ...(caFile === undefined ? {} : { caFile }),
  })
}
