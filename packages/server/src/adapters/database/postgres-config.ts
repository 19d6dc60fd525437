/**
 * How this program connects to PostgreSQL, whatever for.
 */
import { readFileSync } from 'node:fs'
import type { ClientConfig } from 'pg'

const connectTimeoutMilliseconds = 5_000
const int8Oid = 20

/** The settings of a connection: bounded in its making, integers as numbers, and with a `caFile` only to who has a certificate from it. */
export function clientConfig(url: string, caFile: string | undefined): ClientConfig {
  return {
    ...addressOf(url, caFile),
    connectionTimeoutMillis: connectTimeoutMilliseconds,
    keepAlive: true,
    application_name: 'keywright',
    types: {
      getTypeParser: ((oid: number) => (oid === int8Oid ? Number : (value: string) => value)) as NonNullable<
        ClientConfig['types']
      >['getTypeParser'],
    },
  }
}

/** A URL's own `sslmode` would win over the certificates given, so with these it goes. */
function addressOf(url: string, caFile: string | undefined): ClientConfig {
  if (caFile === undefined) return { connectionString: url }
  const address = new URL(url)
  address.searchParams.delete('sslmode')
  return { connectionString: address.href, ssl: { ca: readFileSync(caFile, 'utf8'), rejectUnauthorized: true } }
}
