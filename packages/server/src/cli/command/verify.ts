/**
 * `keywright verify`: is this credential good for that? It comes from standard input or a prompt, never from an argument, which others could see.
 */
import type { Command } from 'commander'
import type { Json } from '../client.ts'
import { cell, fields, show, table } from '../output.ts'
import { readSecretLine } from '../prompt.ts'
import { listOf, member, openSession, shared, type Streams } from '../session.ts'
import { asText, repeated } from '../values.ts'

type Options = Readonly<Record<string, unknown>>

const sentences: Readonly<Record<string, string>> = {
  ok: 'Valid.',
  unknown: 'Refused: no such credential.',
  disabled: 'Refused: its key, its consumer or the api is disabled.',
  revoked: 'Refused: it was revoked.',
  not_yet_valid: 'Refused: it is not valid yet.',
  expired: 'Refused: it has expired.',
  use_not_allowed: 'Refused: its key may not be used this way.',
  wrong_environment: 'Refused: it belongs to another environment.',
  wrong_audience: 'Refused: it is not granted anything at this api.',
  network_denied: 'Refused: not from this network address.',
  insufficient_scope: 'Refused: it was not granted every scope that was asked for.',
  stale: 'Unknown: the server cannot know at the moment.',
}

export function addVerify(program: Command, streams: Streams): void {
  shared(
    program
      .command('verify')
      .description('verify a credential from standard input or a prompt; exit 0 valid, 1 refused'),
  )
    .option('--api <API>', 'its id or identifier')
    .option('--scope <SCOPE>', 'a scope that must be granted; repeats', repeated(asText))
    .option('--environment <ENV>', 'live or test')
    .option('--ip <ADDRESS>', 'the client’s address')
    .option('--explain', 'report every step')
    .addHelpText(
      'after',
      '\nExample: keywright verify --api https://api.example.com/orders --scope orders:read < secret.txt',
    )
    .action(async (options: Options) => {
      const { client, output } = openSession(options, streams)
      const credential = await readSecretLine('credential', streams.err)
      const body: Record<string, Json> = { credential }
      if (typeof options['api'] === 'string') body['api'] = options['api']
      if (Array.isArray(options['scope'])) body['scopes'] = options['scope'] as string[]
      if (typeof options['environment'] === 'string') body['environment'] = options['environment']
      if (typeof options['ip'] === 'string') body['ip'] = options['ip']
      if (options['explain'] === true) body['explain'] = true
      const { body: answer } = await client.call('POST', '/v1/verify', body)
      show(output, answer, () => describe(output, answer))
      process.exitCode = member(answer, 'code') === 'stale' ? 2 : member(answer, 'valid') === true ? 0 : 1
    })
}

function describe(output: Parameters<typeof fields>[0], answer: Json): string {
  const code = String(member(answer, 'code'))
  const lines = [`${sentences[code] ?? code} (${code})`]
  const missing = listOf(member(answer, 'missing_scopes'))
  if (missing.length > 0) lines.push(`Missing: ${missing.map(cell).join(', ')}`)
  const known = ['key_id', 'consumer_id', 'environment', 'scopes', 'secret', 'expires_at'].filter(
    (name) => member(answer, name) !== undefined,
  )
  if (known.length > 0)
    lines.push(
      fields(
        output,
        known.map((name) => [name, cell(member(answer, name))] as const),
      ),
    )
  const checks = listOf(member(answer, 'checks'))
  if (checks.length > 0)
    lines.push(
      table(
        output,
        ['check', 'ok', 'code', 'reason'],
        checks.map((check) => ['check', 'ok', 'code', 'reason'].map((name) => cell(member(check, name)))),
      ),
    )
  return lines.join('\n')
}
