/**
 * What every command that talks to a server shares: its options, its client, its output.
 */
import type { Command } from 'commander'
import { proxyEnvironment, readClient } from '../config/read.ts'
import { type Client, createClient, findToken, type Json } from './client.ts'
import type { Output } from './output.ts'

export interface Streams {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly terminal: boolean
}

export interface Session {
  readonly client: Client
  readonly output: Output
}

/** Where a server listens that was told nothing else. */
export const defaultUrl = 'http://localhost:8787'

interface Shared {
  readonly url?: string
  readonly json?: boolean
  readonly caFile?: string
  readonly tenant?: string
  readonly dataDir?: string
}

/** Adds the options that every such command has. */
export function shared(command: Command): Command {
  return command
    .option('--url <URL>', `the server, or unix:/path (KEYWRIGHT_URL; by default ${defaultUrl})`)
    .option('--tenant <SLUG>', 'the tenant, where it is not that of the token')
    .option('--ca-file <FILE>', 'a certificate to trust (KEYWRIGHT_CA_FILE)')
    .option(
      '--data-dir <DIR>',
      'where operator-token lies, if KEYWRIGHT_OPERATOR_TOKEN is not set (KEYWRIGHT_DATA_DIR; ./data)',
    )
    .option('--json', 'print exactly what the API answered')
}

export function outputOf(options: { readonly json?: boolean }, streams: Streams): Output {
  return {
    json: options.json ?? false,
    colour: streams.terminal && readClient().colour,
    out: streams.out,
    err: streams.err,
  }
}

export function openSession(options: Shared, streams: Streams): Session {
  const environment = readClient()
  const token = findToken(environment.token, options.dataDir ?? environment.dataDir)
  const client = createClient({
    url: options.url ?? environment.url ?? defaultUrl,
    tenant: options.tenant,
    token,
    caFile: options.caFile ?? environment.caFile,
    proxyEnvironment: proxyEnvironment(),
  })
  return { client, output: outputOf(options, streams) }
}

/** A JSON object's member. */
export function member(value: Json, name: string): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [name: string]: Json | undefined })[name]
    : undefined
}

/** A JSON list. */
export function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}
