/**
 * What PostgreSQL's errors mean: by SQLSTATE alone, since messages may carry values.
 */
import { DatabaseFull, DatabaseLost } from '../../ports/database.ts'

/** Not reached in time by name or address, refused, cut: what Node.js's sockets say. */
const socketCodes = [
  'ECONNRESET',
  'EPIPE',
  'ECONNREFUSED',
  'ETIMEDOUT',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]

/** The SQLSTATE or the system's code; empty where the driver gave none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** unique_violation */
export function isTaken(error: unknown): boolean {
  return codeOf(error) === '23505'
}

/** serialization_failure and deadlock_detected: PostgreSQL has undone the transaction, and another attempt may succeed. */
export function isUndone(error: unknown): boolean {
  return ['40001', '40P01'].includes(codeOf(error))
}

/** A lost connection, a restart or a failover (57P01–03, class 08, and 25006 of a former primary): another connection may succeed. */
export function isPassing(error: unknown): boolean {
  const code = codeOf(error)
  const restarted = ['25006', '57P01', '57P02', '57P03', 'ECONNRESET', 'EPIPE', ''].includes(code)
  return restarted || code.startsWith('08') || isUndone(error)
}

/** Classes 21–23 and 42: the statement itself cannot run, whatever the state of the server. */
export function isStatementsFault(error: unknown): boolean {
  return /^(2[123]|42)...$/.test(codeOf(error))
}

/** What a driver's error means for the domain. */
export function lost(error: unknown): Error {
  if (!(error instanceof Error)) return new DatabaseLost('PostgreSQL failed')
  const code = codeOf(error)
  if (error instanceof DatabaseLost || error.name === 'NewerDatabase' || error.name === 'OlderDatabase') return error
  if (code === '53100') return new DatabaseFull('the disk of PostgreSQL is full')
  if (isStatementsFault(error)) return new Error(`broken invariant: PostgreSQL cannot run a statement (${code})`)
  const known = code === '' || socketCodes.includes(code) || /^(08|28|3D|53|57)/.test(code)
  return new DatabaseLost(known && error.message !== '' ? error.message : `PostgreSQL failed (${code})`)
}
