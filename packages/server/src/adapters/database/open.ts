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
  /** A direct connection for LISTEN where `url` leads through a pooler. */
  readonly listenUrl?: string | undefined
  /** Certificates in PEM that PostgreSQL's own must come from. */
  readonly caFile?: string | undefined
  /** Neither makes nor migrates anything. */
  readonly readOnly?: boolean
  /** Called once when nothing written from here on could be relied on: this process must end. The embedded database alone calls it. */
  readonly onFatal?: (reason: string) => void
  readonly clock: Clock
}

/**
 * Opens the database and brings it up to date. Throws `DatabaseLost` where it cannot be reached, `NewerDatabase` where a later release wrote it, and
 * `OlderDatabase` where it lacks migrations and `readOnly` forbids them.
 */
export function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, dataDir, listenUrl, caFile, clock } = options
  const readOnly = options.readOnly ?? false
  if (url === 'embedded') return openSqlite({ dataDir, clock, readOnly, onFatal: options.onFatal ?? (() => undefined) })
  return openPostgres({ url, listenUrl, caFile, readOnly, clock })
}
