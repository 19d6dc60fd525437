/**
 * What the commands of all nouns share: bodies and queries from options, tables and single things from answers, and the commands that are the same for each.
 */
import type { Command } from 'commander'
import type { Json } from '../client.ts'
import { CannotDo, cell, fields, type Output, show, table } from '../output.ts'
import { listOf, member, openSession, shared, type Streams } from '../session.ts'
import { readMeta, readWhole, repeated } from '../values.ts'

export type Options = Readonly<Record<string, unknown>>
export type Body = { readonly [name: string]: Json }

/** Without the options that were not given. */
export function given(body: Readonly<Record<string, unknown>>): Body {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as Body
}

export function metaOf(options: Options): Json | undefined {
  const pairs = options['meta'] as readonly (readonly [string, string])[] | undefined
  return pairs === undefined ? undefined : Object.fromEntries(pairs)
}

export function queryOf(options: Options, names: readonly string[]): string {
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

export const path = (...parts: readonly string[]) => parts.map(encodeURIComponent).join('/')

export function showOne(output: Output, answer: Json): void {
  show(output, answer, () =>
    fields(
      output,
      Object.entries(answer as Body).map(([name, value]) => [name, cell(value)] as const),
    ),
  )
}

export function showList(output: Output, answer: Json, columns: readonly string[]): void {
  show(output, answer, () => {
    const rows = listOf(member(answer, 'data')).map((row) => columns.map((column) => cell(member(row, column))))
    const next = member(answer, 'next_cursor')
    const more = typeof next === 'string' ? `\nMore: --cursor ${next}` : ''
    return rows.length === 0 ? 'Nothing there.' : `${table(output, columns, rows)}${more}`
  })
}

/** Prints a thing whose answer shows a secret once: the secret on standard output, the remark on standard error. */
export function showOnce(output: Output, answer: Json, value: Json | undefined, what: string, about: string): void {
  if (output.json) {
    output.out(JSON.stringify(answer))
    return
  }
  output.err(about)
  output.err(`This ${what} is shown once and is stored nowhere:`)
  output.out(String(value))
}

export function addList(
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

export function addShow(parent: Command, streams: Streams, base: string, noun: string): void {
  shared(parent.command('show').description('show one').argument(`<${noun}>`)).action(
    async (id: string, options: Options) => {
      const { client, output } = openSession(options, streams)
      showOne(output, (await client.call('GET', `${base}/${path(id)}`)).body)
    },
  )
}

export function addUpdate(parent: Command, streams: Streams, base: string, noun: string): void {
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

export function addVerbs(
  parent: Command,
  streams: Streams,
  base: string,
  noun: string,
  verbs: readonly string[],
): void {
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

export function addDelete(parent: Command, streams: Streams, base: string, noun: string): void {
  shared(parent.command('delete').description('delete one that no live key needs').argument(`<${noun}>`)).action(
    async (id: string, options: Options) => {
      const { client, output } = openSession(options, streams)
      await client.call('DELETE', `${base}/${path(id)}`)
      show(output, null, () => `Deleted ${id}.`)
    },
  )
}
