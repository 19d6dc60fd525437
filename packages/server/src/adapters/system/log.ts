/**
 * The log as JSON lines on standard error, by pino.
 */
import { pino } from 'pino'
import type { Log } from '../../ports/log.ts'

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

export function createLog(level: LogLevel): Log {
  const logger = pino(
    { level, base: null, messageKey: 'event', timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination(2),
  )
  // pino's own types look into the fields; the table of events has said already what they are.
  const line = (fields: object): object => fields
  return {
    info: (event, fields) => logger.info(line(fields), event),
    warn: (event, fields) => logger.warn(line(fields), event),
    error: (event, fields) => logger.error(line(fields), event),
  }
}
