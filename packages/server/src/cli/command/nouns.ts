/**
 * Apis, consumers, keys, secrets, operators and tenants on the command line: each command is one call of the API.
 */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Json } from '../client.ts'
import { CannotDo, cell, fields, type Output, show, table } from '../output.ts'
import { listOf, member, openSession, shared, type Streams } from '../session.ts'
import { asText, readDuration, readGrant, readMeta, readWhole, repeated } from '../values.ts'

type Options = Readonly<Record<string, unknown>>
type Body = { readonly [name: string]: Json }

/** Without the options that were not given. */
function given(body: Readonly<Record<string, unknown>>): Body {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as Body
}

function metaOf(options: Options): Json | undefined {
  const pairs = options['meta'] as readonly (readonly [string, string])[] | undefined
  return pairs === undefined ? undefined : Object.fromEntries(pairs)
}

function queryOf(options: Options, names: readonly string[]): string {
  const query = new URLSearchParams()
  for (const name of names) {
    const value = options[name.replaceAll(/_(\w)/g, (_all, letter: string) => letter.toUpperCase())]
    if (typeof value === 'string' || typeof value === 'number') query.set(name, String(value))
  }
  for (const [name, value] of (options['meta'] as readonly (readonly [string, string])[] | undefined) ?? [])
    query.set(`meta.${name}`, value)
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

const path = (...parts: readonly string[]) => parts.map(encodeURIComponent).join('/')

function showOne(output: Output, answer: Json): void {
  show(output, answer, () =>
    fields(
      output,
      Object.entries(answer as Body).map(([name, value]) => [name, cell(value)] as const),
    ),
  )
}

function showList(output: Output, answer: Json, columns: readonly string[]): void {
  show(output, answer, () => {
    const rows = listOf(member(answer, 'data')).map((row) => columns.map((column) => cell(member(row, column))))
    const next = member(answer, 'next_cursor')
    const more = typeof next === 'string' ? `\nMore: --cursor ${next}` : ''
    return rows.length === 0 ? 'Nothing there.' : `${table(output, columns, rows)}${more}`
  })
}

/** Prints a thing whose answer shows a secret once: the secret on standard output, the remark on standard error. */
function showOnce(output: Output, answer: Json, value: Json | undefined, what: string, about: string): void {
  if (output.json) {
    output.out(JSON.stringify(answer))
    return
  }
  output.err(about)
  output.err(`This ${what} is shown once and is stored nowhere:`)
  output.out(String(value))
}

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
      const read = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8')) as Json
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

function addList(
  parent: Command,
  streams: Streams,
  base: string,
  columns: readonly string[],
  filters: readonly string[],
): void {
  const command = shared(parent.command('list').description(`list ${parent.name()}`))
    .option('--page-size <N>', 'by default 50', readWhole)
    .option('--cursor <CURSOR>', 'from the last page')
    .option('--meta <NAME=VALUE>', 'only with this meta; repeats', repeated(readMeta))
  for (const filter of filters) command.option(`--${filter.replaceAll('_', '-')} <VALUE>`, `only with this ${filter}`)
  command.action(async (options: Options) => {
    const { client, output } = openSession(options, streams)
    showList(
      output,
      (await client.call('GET', base + queryOf(options, [...filters, 'page_size', 'cursor']))).body,
      columns,
    )
  })
}

function addShow(parent: Command, streams: Streams, base: string, noun: string): void {
  shared(parent.command('show').description('show one').argument(`<${noun}>`)).action(
    async (id: string, options: Options) => {
      const { client, output } = openSession(options, streams)
      showOne(output, (await client.call('GET', `${base}/${path(id)}`)).body)
    },
  )
}

function addUpdate(parent: Command, streams: Streams, base: string, noun: string): void {
  shared(
    parent
      .command('update')
      .description('change fields: a JSON merge patch (RFC 7396)')
      .argument(`<${noun}>`)
      .argument('<PATCH>', 'such as {"name":"New"}'),
  ).action(async (id: string, text: string, options: Options) => {
    const { client, output } = openSession(options, streams)
    let patch: Json
    try {
      patch = JSON.parse(text) as Json
    } catch {
      throw new CannotDo('The patch is not JSON.')
    }
    showOne(output, (await client.call('PATCH', `${base}/${path(id)}`, patch)).body)
  })
}

function addVerbs(parent: Command, streams: Streams, base: string, noun: string, verbs: readonly string[]): void {
  for (const verb of verbs) {
    shared(parent.command(verb).description(`${verb} one`).argument(`<${noun}>`)).action(
      async (id: string, options: Options) => {
        const { client, output } = openSession(options, streams)
        const { body: answer } = await client.call('POST', `${base}/${path(id)}/${verb}`)
        show(output, answer, () => `${cell(member(answer, 'id'))} is ${cell(member(answer, 'state'))}.`)
      },
    )
  }
}

function addDelete(parent: Command, streams: Streams, base: string, noun: string): void {
  shared(parent.command('delete').description('delete one that no live key needs').argument(`<${noun}>`)).action(
    async (id: string, options: Options) => {
      const { client, output } = openSession(options, streams)
      await client.call('DELETE', `${base}/${path(id)}`)
      show(output, null, () => `Deleted ${id}.`)
    },
  )
}
