/**
 * Apis, consumers, operators and tenants on the command line: each command is one call of the API.
 */
import type { Command } from 'commander'
import { cell } from '../output.ts'
import { member, openSession, shared, type Streams } from '../session.ts'
import { asText, readDuration, readMeta, readWhole, repeated } from '../values.ts'
import {
  addDelete,
  addList,
  addShow,
  addUpdate,
  addVerbs,
  given,
  metaOf,
  type Options,
  path,
  showList,
  showOnce,
  showOne,
} from './noun.ts'

export function addApis(program: Command, streams: Streams): void {
  const apis = program.command('apis').description('the resource servers that keys are granted access to')
  const columns = ['id', 'identifier', 'name', 'state', 'seq']
  shared(apis.command('create').description('make an api'))
    .requiredOption('--identifier <URI>', 'its audience: an absolute URI')
    .option('--name <NAME>', 'its name (by default the identifier)')
    .option('--scope <SCOPE>', 'a scope, NAME or NAME=description; repeats', repeated(asText))
    .option('--token-format <FORMAT>', 'jwt or opaque')
    .option('--meta <NAME=VALUE>', 'repeats', repeated(readMeta))
    .addHelpText(
      'after',
      '\nExample: keywright apis create --identifier https://api.example.com/orders --scope orders:read --scope orders:write',
    )
    .action(async (options: Options) => {
      const { client, output } = openSession(options, streams)
      const scopes = (options['scope'] as readonly string[] | undefined)?.map((text) => {
        const at = text.indexOf('=')
        return at < 0 ? { name: text } : { name: text.slice(0, at), description: text.slice(at + 1) }
      })
      const body = given({
        identifier: options['identifier'],
        name: options['name'] ?? options['identifier'],
        scopes,
        token_format: options['tokenFormat'],
        meta: metaOf(options),
      })
      showOne(output, (await client.call('POST', '/v1/apis', body)).body)
    })
  addList(apis, streams, '/v1/apis', columns, ['state', 'name', 'identifier'])
  addShow(apis, streams, '/v1/apis', 'API')
  addUpdate(apis, streams, '/v1/apis', 'API')
  addVerbs(apis, streams, '/v1/apis', 'API', ['disable', 'enable'])
  addDelete(apis, streams, '/v1/apis', 'API')
}

export function addConsumers(program: Command, streams: Streams): void {
  const consumers = program.command('consumers').description('the parties that hold keys')
  shared(consumers.command('create').description('make a consumer'))
    .requiredOption('--name <NAME>')
    .option('--external-id <ID>', 'your own id of it')
    .option('--keys-max <N>', 'how many keys it may hold', readWhole)
    .option('--meta <NAME=VALUE>', 'repeats', repeated(readMeta))
    .addHelpText('after', '\nExample: keywright consumers create --name Acme --external-id acme-42')
    .action(async (options: Options) => {
      const { client, output } = openSession(options, streams)
      const body = given({
        name: options['name'],
        external_id: options['externalId'],
        keys_max: options['keysMax'],
        meta: metaOf(options),
      })
      showOne(output, (await client.call('POST', '/v1/consumers', body)).body)
    })
  addList(
    consumers,
    streams,
    '/v1/consumers',
    ['id', 'name', 'external_id', 'state', 'seq'],
    ['state', 'name', 'external_id'],
  )
  addShow(consumers, streams, '/v1/consumers', 'CONSUMER')
  addUpdate(consumers, streams, '/v1/consumers', 'CONSUMER')
  addVerbs(consumers, streams, '/v1/consumers', 'CONSUMER', ['disable', 'enable'])
  addDelete(consumers, streams, '/v1/consumers', 'CONSUMER')
}

export function addOperators(program: Command, streams: Streams): void {
  const operators = program.command('operators').description('who administers a tenant')
  shared(operators.command('create').description('make an operator; its token is shown once'))
    .requiredOption('--name <NAME>')
    .requiredOption('--role <ROLE>', 'owner, admin, issuer, crypto, verifier or auditor')
    .option('--api <API>', 'narrow to this api; repeats', repeated(asText))
    .option('--consumer <ID>', 'narrow to this consumer; repeats', repeated(asText))
    .option('--environment <ENV>', 'narrow to this environment; repeats', repeated(asText))
    .option('--expires-at <INSTANT>', 'RFC 3339')
    .addHelpText(
      'after',
      '\nExample: keywright operators create --name orders-service --role verifier --api https://api.example.com/orders',
    )
    .action(async (options: Options) => {
      const { client, output } = openSession(options, streams)
      const body = given({
        name: options['name'],
        role: options['role'],
        apis: options['api'],
        consumers: options['consumer'],
        environments: options['environment'],
        expires_at: options['expiresAt'],
      })
      const { body: answer } = await client.call('POST', '/v1/operators', body)
      showOnce(output, answer, member(answer, 'token'), 'token', `Made the operator ${cell(member(answer, 'id'))}.`)
    })
  addList(operators, streams, '/v1/operators', ['id', 'name', 'role', 'state', 'expires_at'], ['role', 'state', 'name'])
  addShow(operators, streams, '/v1/operators', 'OPERATOR')
  addVerbs(operators, streams, '/v1/operators', 'OPERATOR', ['disable', 'enable', 'revoke'])
  shared(
    operators
      .command('token')
      .description('give an operator a new token; the old one dies after the overlap')
      .argument('<OPERATOR>'),
  )
    .option('--overlap <DURATION>', 'by default nothing', readDuration)
    .action(async (id: string, options: Options) => {
      const { client, output } = openSession(options, streams)
      const { body: answer } = await client.call(
        'POST',
        `/v1/operators/${path(id)}/token`,
        given({ overlap_seconds: options['overlap'] }),
      )
      showOnce(output, answer, member(answer, 'token'), 'token', `Renewed the token of ${cell(member(answer, 'id'))}.`)
    })
}

export function addTenants(program: Command, streams: Streams): void {
  const tenants = program.command('tenants').description('isolated spaces, one for each API provider')
  shared(tenants.command('create').description('make a tenant; its owner’s token is shown once'))
    .requiredOption('--slug <SLUG>')
    .option('--name <NAME>')
    .action(async (options: Options) => {
      const { client, output } = openSession(options, streams)
      const { body: answer } = await client.call(
        'POST',
        '/v1/tenants',
        given({ slug: options['slug'], name: options['name'] ?? options['slug'] }),
      )
      showOnce(output, answer, member(answer, 'token'), 'token', `Made the tenant ${cell(member(answer, 'slug'))}.`)
    })
  shared(tenants.command('list').description('list tenants')).action(async (options: Options) => {
    const { client, output } = openSession(options, streams)
    showList(output, (await client.call('GET', '/v1/tenants')).body, ['slug', 'name', 'created_at'])
  })
}
