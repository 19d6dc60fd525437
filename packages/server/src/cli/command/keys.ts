/**
 * Keys and their secrets on the command line: each command is one call of the API.
 */
import type { Command } from 'commander'
import { readJsonFile } from '../input.ts'
import { cell, show, table } from '../output.ts'
import { listOf, member, openSession, shared, type Streams } from '../session.ts'
import { asText, readDuration, readGrant, readMeta, repeated } from '../values.ts'
import {
  addList,
  addShow,
  addUpdate,
  addVerbs,
  type Body,
  given,
  metaOf,
  type Options,
  path,
  showList,
  showOnce,
  showOne,
} from './noun.ts'

export function addKeys(program: Command, streams: Streams): void {
  const keys = program.command('keys').description('the public identities of clients')
  shared(keys.command('create').description('make a key; its secret is shown once'))
    .requiredOption('--consumer <ID>', 'who holds it')
    .option('--name <NAME>')
    .option('--environment <ENV>', 'live or test')
    .option('--use <USE>', 'bearer, oauth, …; repeats', repeated(asText))
    .option('--grant <API=SCOPE,…>', 'what it may do; repeats; without any it can do nothing', repeated(readGrant))
    .option('--network <CIDR>', 'where it may be used; repeats', repeated(asText))
    .option('--expires-at <INSTANT>', 'RFC 3339')
    .option('--meta <NAME=VALUE>', 'repeats', repeated(readMeta))
    .addHelpText(
      'after',
      '\nExample: keywright keys create --consumer con_… --grant https://api.example.com/orders=orders:read,orders:write',
    )
    .action(async (options: Options) => {
      const { client, output } = openSession(options, streams)
      const networks = options['network'] === undefined ? undefined : { in: options['network'] as readonly string[] }
      const body = given({
        consumer_id: options['consumer'],
        name: options['name'],
        environment: options['environment'],
        uses: options['use'],
        grants: options['grant'],
        networks,
        expires_at: options['expiresAt'],
        meta: metaOf(options),
      })
      const { body: answer } = await client.call('POST', '/v1/keys', body)
      showOnce(
        output,
        answer,
        member(member(answer, 'secret') ?? null, 'value'),
        'secret',
        `Made the key ${cell(member(answer, 'id'))}.`,
      )
    })
  addList(
    keys,
    streams,
    '/v1/keys',
    ['id', 'name', 'consumer_id', 'environment', 'state', 'seq'],
    ['consumer_id', 'state', 'environment', 'name', 'api'],
  )
  addShow(keys, streams, '/v1/keys', 'KEY')
  addUpdate(keys, streams, '/v1/keys', 'KEY')
  addVerbs(keys, streams, '/v1/keys', 'KEY', ['disable', 'enable', 'revoke', 'restore'])
  shared(keys.command('import').description('import credentials from a JSON file: a list of items, or the whole body'))
    .argument('<FILE>', 'the file, or - for standard input')
    .option('--dry-run', 'say what would happen')
    .action(async (file: string, options: Options) => {
      const { client, output } = openSession(options, streams)
      const read = readJsonFile(file)
      const body = Array.isArray(read) ? { items: read } : (read as Body)
      const { body: answer } = await client.call('POST', '/v1/keys/import', {
        ...body,
        dry_run: options['dryRun'] === true,
      })
      const results = listOf(member(answer, 'results'))
      const rows = results.map((row, index) => [
        String(index),
        cell(member(row, 'ok')),
        cell(member(row, 'key_id')),
        cell(member(row, 'code')),
        cell(member(row, 'detail')),
      ])
      show(output, answer, () => table(output, ['row', 'ok', 'key', 'code', 'detail'], rows))
      if (results.some((row) => member(row, 'ok') !== true)) process.exitCode = 1
    })
}

export function addSecrets(program: Command, streams: Streams): void {
  const secrets = program.command('secrets').description('the versions of a key’s secret')
  shared(
    secrets.command('rotate').description('make a new version; the old ones live on for the overlap').argument('<KEY>'),
  )
    .option('--overlap <DURATION>', 'such as 1h; 0 revokes the old ones at once', readDuration)
    .option('--pending', 'a version that verifies already but is not promoted yet')
    .option('--expires-at <INSTANT>', 'RFC 3339')
    .addHelpText('after', '\nExample: keywright secrets rotate kwk_live_… --overlap 1h')
    .action(async (key: string, options: Options) => {
      const { client, output } = openSession(options, streams)
      const body = given({
        overlap_seconds: options['overlap'],
        state: options['pending'] === true ? 'pending' : undefined,
        expires_at: options['expiresAt'],
      })
      const { body: answer } = await client.call('POST', `/v1/keys/${path(key)}/secrets`, body)
      const retiring = listOf(member(answer, 'retiring')).map(
        (one) => `version ${cell(member(one, 'version'))} until ${cell(member(one, 'until'))}`,
      )
      const about = `Made version ${cell(member(answer, 'version'))}.${retiring.length === 0 ? '' : ` Retiring: ${retiring.join(', ')}.`}`
      showOnce(output, answer, member(answer, 'value'), 'secret', about)
    })
  shared(secrets.command('list').description('list the versions, newest first').argument('<KEY>')).action(
    async (key: string, options: Options) => {
      const { client, output } = openSession(options, streams)
      showList(output, (await client.call('GET', `/v1/keys/${path(key)}/secrets`)).body, [
        'version',
        'state',
        'created_at',
        'until',
        'expires_at',
      ])
    },
  )
  shared(
    secrets
      .command('activate')
      .description('promote a pending version, or take a retiring one back')
      .argument('<KEY>')
      .argument('<VERSION>'),
  )
    .option('--overlap <DURATION>', 'how long the others live on', readDuration)
    .action(async (key: string, version: string, options: Options) => {
      const { client, output } = openSession(options, streams)
      showOne(
        output,
        (
          await client.call(
            'POST',
            `/v1/keys/${path(key)}/secrets/${path(version)}/activate`,
            given({ overlap_seconds: options['overlap'] }),
          )
        ).body,
      )
    })
  shared(
    secrets.command('revoke').description('revoke a version at once').argument('<KEY>').argument('<VERSION>'),
  ).action(async (key: string, version: string, options: Options) => {
    const { client, output } = openSession(options, streams)
    showOne(output, (await client.call('POST', `/v1/keys/${path(key)}/secrets/${path(version)}/revoke`)).body)
  })
}
