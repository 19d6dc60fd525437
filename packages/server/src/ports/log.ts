/**
 * The program's log as a closed table of events: a name and its fields, each a number, a flag or one of our own words. A line that could carry a
 * secret, a header or a body does not type-check.
 */
export interface LogEvents {
  'serve.listening': { readonly url: string }
  'serve.draining': { readonly in_flight: number }
  'serve.stopped': Record<never, never>
  'tls.reloaded': Record<never, never>
  'tls.reload_failed': { readonly reason: string }
  'request.failed': { readonly request_id: string; readonly route: string; readonly error: string }
  'request.refused': {
    readonly request_id: string
    readonly route: string
    readonly status: number
    readonly note: string
  }
  'authentication.throttled': { readonly source: string }
  'database.lost': { readonly reason: string }
  'database.back': Record<never, never>
  'feed.behind': { readonly tenant: string; readonly age_ms: number }
  'integrity.violated': {
    readonly tenant: string
    readonly table: string
    readonly id: string
    readonly reason: string
  }
  'journal.checkpointed': { readonly tenant: string; readonly size: number }
  'kek.not_opening': { readonly tenant: string }
  'sweep.finished': { readonly tenants: number; readonly entries: number }
  'configuration.unknown_variable': { readonly name: string }
  'configuration.warning': { readonly sentence: string }
}
export type LogEvent = keyof LogEvents

export interface Log {
  info<E extends LogEvent>(event: E, fields: LogEvents[E]): void
  warn<E extends LogEvent>(event: E, fields: LogEvents[E]): void
  error<E extends LogEvent>(event: E, fields: LogEvents[E]): void
}
