/**
 * `keywright audit list|export|erase`: the journal over the API. `audit verify` works on the database itself and is among the local commands.
 */
import type { Command } from 'commander'
import type { Json } from '../client.ts'
import { cell, show, table } from '../output.ts'
import { listOf, member, openSession, shared, type Streams } from '../session.ts'
import { readWhole } from '../values.ts'

type Options = Readonly<Record<string, unknown>>

export function addAudit(program: Command, streams: Streams): Command {
  const audit = program.command('audit').description('the journal of every change')
  shared(audit.command('list').description('read it, oldest first'))
    .option('--after <SEQ>', 'only later entries', readWhole)
    .option('--page-size <N>', 'by default 100', readWhole)
    .option('--target <KIND:ID>', 'only about this, such as key:kwk_live_…')
    .action(async (options: Options) => {
      const { client, output } = openSession(options, streams)
      const query = new URLSearchParams({
        after: String(options['after'] ?? 0),
        page_size: String(options['pageSize'] ?? 100),
      })
      if (typeof options['target'] === 'string') query.set('target', options['target'])
      const { body: answer } = await client.call('GET', `/v1/audit?${query}`)
      const row = (entry: Json) => [
        cell(member(entry, 'seq')),
        cell(member(entry, 'at')),
        cell(member(entry, 'action')),
        cell(member(member(entry, 'target') ?? null, 'id')),
        cell(member(member(entry, 'actor') ?? null, 'id')),
      ]
      show(output, answer, () =>
        table(output, ['seq', 'at', 'action', 'target', 'actor'], listOf(member(answer, 'data')).map(row)),
      )
    })
  shared(audit.command('export').description('print every entry as JSON lines'))
    .option('--after <SEQ>', 'only later entries', readWhole)
    .option('--contents', 'with names, addresses and meta')
    .action(async (options: Options) => {
      const { client, output } = openSession(options, streams)
      let after: string | null = String(options['after'] ?? 0)
      while (after !== null) {
        const query: URLSearchParams = new URLSearchParams({
          after,
          page_size: '1000',
          ...(options['contents'] === true ? { contents: 'true' } : {}),
        })
        const { body: answer }: { body: Json } = await client.call('GET', `/v1/audit?${query}`)
        for (const entry of listOf(member(answer, 'data'))) output.out(JSON.stringify(entry))
        const next = member(answer, 'next_cursor')
        after = typeof next === 'string' ? next : null
      }
    })
  shared(audit.command('erase').description('erase names, addresses and meta from the entries about one target'))
    .argument('<KIND:ID>', 'such as consumer:con_…')
    .action(async (target: string, options: Options) => {
      const { client, output } = openSession(options, streams)
      const { body: answer } = await client.call('POST', '/v1/audit/erase', { target })
      const more = member(answer, 'more') === true ? ' More are left: run this again.' : ''
      show(output, answer, () => `Erased the contents of ${cell(member(answer, 'entries'))} entries.${more}`)
    })
  return audit
}
