/**
 * The commands that work on the database itself: migrate, backup, restore, rewrap, doctor, audit verify.
 */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Config } from '../../config/read.ts'
import type { SettingName } from '../../config/settings.ts'
import { outputOf, type Streams } from '../session.ts'
import { show, table } from '../output.ts'
import { readWhole } from '../values.ts'
import { configOf, withSettings } from './serve.ts'

type Options = Readonly<Record<string, unknown>>

export interface Finding {
  readonly check: string
  readonly severity: 'ok' | 'warn' | 'bad'
  readonly sentence: string
}

export type TenantVerdict = { readonly tenant: string } & (
  | {
      readonly ok: true
      readonly from: number
      readonly to: number
      readonly records: number
      readonly checkpoint: number
    }
  | { readonly ok: false; readonly seq: number; readonly reason: string }
)

/** The operations, as `compose.ts` joins them. */
export interface LocalOperations {
  migrate(config: Config): Promise<void>
  backup(
    config: Config,
    file: string,
  ): Promise<{ readonly file: string; readonly rows: number; readonly bytes: number }>
  restore(
    config: Config,
    file: string,
    revocations: string | undefined,
  ): Promise<{
    readonly rows: number
    readonly tenants: number
    readonly revocations: number
    readonly lastChange: string | null
  }>
  rewrap(
    config: Config,
    newDek: boolean,
  ): Promise<{ readonly wrapped: number; readonly removed: number; readonly resealed: number }>
  escrow(config: Config, shares: number, threshold: number): Promise<readonly string[]>
  recover(shares: readonly string[], file: string): Promise<string>
  examine(config: Config): Promise<readonly Finding[]>
  verify(config: Config, checkpoints: readonly string[]): Promise<readonly TenantVerdict[]>
}

const place: readonly SettingName[] = ['dataDir', 'database', 'kek', 'caFile']

function local(command: Command): Command {
  return withSettings(command, place).option('--json', 'print JSON')
}

type Load = () => Promise<LocalOperations>

export function addLocal(program: Command, audit: Command, streams: Streams, load: Load): void {
  addCopies(program, streams, load)
  addKeyCare(program, streams, load)
  addEscrow(program, streams, load)
  addChecks(program, audit, streams, load)
}

function addCopies(program: Command, streams: Streams, load: Load): void {
  local(program.command('migrate').description('bring the database up to date; serve does it too')).action(
    async (options: Options) => {
      await (await load()).migrate(configOf(options))
      show(outputOf(options, streams), { ok: true }, () => 'The database is up to date.')
    },
  )
  local(
    program
      .command('backup')
      .description('write the database to one file while it is in use; the KEK is not in it')
      .argument('<FILE>'),
  )
    .addHelpText('after', '\nExample: keywright backup keywright-2026-11-25.backup')
    .action(async (file: string, options: Options) => {
      const done = await (await load()).backup(configOf(options), file)
      show(
        outputOf(options, streams),
        { ...done },
        () =>
          `Wrote ${done.rows} rows to ${done.file} (${done.bytes} bytes). Keep the KEK elsewhere: without it the file opens for nobody.`,
      )
    })
  local(program.command('restore').description('fill an empty database from a backup').argument('<FILE>'))
    .option('--revocations <FILE>', 'a journal export (JSON lines) whose revocations are made again')
    .action(async (file: string, options: Options) => {
      const revocations = typeof options['revocations'] === 'string' ? options['revocations'] : undefined
      const done = await (await load()).restore(configOf(options), file, revocations)
      const window = `What was changed after ${done.lastChange ?? 'that'} is not in it: a secret revoked since works again${revocations === undefined ? '. Give the later journal by --revocations, or revoke again by hand' : ' unless the given journal knew of it'}.`
      show(
        outputOf(options, streams),
        { ...done },
        () =>
          `Restored ${done.rows} rows of ${done.tenants} tenant(s); made ${done.revocations} revocation(s) again.\n${window}`,
      )
    })
}

function addKeyCare(program: Command, streams: Streams, load: Load): void {
  local(
    program.command('rewrap').description('put every data key under the first KEK; works with the server up or down'),
  )
    .option('--new-dek', 'make new data keys as well and seal everything anew')
    .addHelpText('after', '\nExample: keywright rewrap --kek file:new,file:old')
    .action(async (options: Options) => {
      const done = await (await load()).rewrap(configOf(options), options['newDek'] === true)
      show(
        outputOf(options, streams),
        { ...done },
        () =>
          `Wrapped ${done.wrapped} data key(s), removed ${done.removed} old wrap(s), sealed ${done.resealed} record(s) anew.`,
      )
    })
}

function addEscrow(program: Command, streams: Streams, load: Load): void {
  const kek = program.command('kek').description('the key over the keys')
  withSettings(kek.command('escrow').description('print shares of the KEK, of which some make it again'), ['kek'])
    .option('--shares <N>', 'how many to print', readWhole, 5)
    .option('--threshold <N>', 'how many of them it takes', readWhole, 3)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: keywright kek escrow --shares 5 --threshold 3')
    .action(async (options: Options) => {
      const output = outputOf(options, streams)
      const threshold = Number(options['threshold'])
      const shares = await (await load()).escrow(configOf(options), Number(options['shares']), threshold)
      if (!output.json)
        output.err(
          `Any ${threshold} of these ${shares.length} shares make the KEK again. Give each to another person; keep none here.`,
        )
      show(output, [...shares], () => shares.join('\n'))
    })
  kek
    .command('recover')
    .description('make the KEK from shares, one to a line on standard input')
    .requiredOption('--out <FILE>', 'the file to write; it must not exist')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample: keywright kek recover --out kek < shares.txt')
    .action(async (options: Options) => {
      const lines = readFileSync(0, 'utf8')
        .split(/\r?\n/)
        .map((line) => line.trim())
        .filter((line) => line !== '')
      const file = String(options['out'])
      const id = await (await load()).recover(lines, file)
      show(outputOf(options, streams), { id, file }, () => `Wrote the KEK ${id} to ${file}.`)
    })
}

function addChecks(program: Command, audit: Command, streams: Streams, load: Load): void {
  local(program.command('doctor').description('examine this installation; exit 0 healthy, 1 not')).action(
    async (options: Options) => {
      const output = outputOf(options, streams)
      const findings = await (await load()).examine(configOf(options))
      show(
        output,
        findings.map((finding) => ({ ...finding })),
        () =>
          table(
            output,
            ['check', 'state', 'finding'],
            findings.map(({ check, severity, sentence }) => [check, severity, sentence]),
          ),
      )
      process.exitCode = findings.some(({ severity }) => severity === 'bad') ? 1 : 0
    },
  )
  local(
    audit
      .command('verify')
      .description('verify every journal and every row against it; exit 0, or 1 with the first broken entry'),
  )
    .option(
      '--checkpoint <FILE>',
      'a checkpoint that was kept elsewhere; repeats',
      (text: string, before: readonly string[] | undefined) => [...(before ?? []), text],
    )
    .action(async (options: Options) => {
      const output = outputOf(options, streams)
      const checkpoints = Array.isArray(options['checkpoint']) ? (options['checkpoint'] as readonly string[]) : []
      const verdicts = await (await load()).verify(configOf(options), checkpoints)
      show(
        output,
        verdicts.map((verdict) => ({ ...verdict })),
        () => verdicts.map(sentenceOf).join('\n'),
      )
      process.exitCode = verdicts.every((verdict) => verdict.ok) ? 0 : 1
    })
}

function sentenceOf(verdict: TenantVerdict): string {
  if (!verdict.ok) return `${verdict.tenant}: broken at entry ${verdict.seq}: ${verdict.reason}`
  const signed = verdict.checkpoint === 0 ? 'no checkpoint yet' : `checkpoint at ${verdict.checkpoint}`
  return `${verdict.tenant}: entries ${verdict.from} to ${verdict.to} hold, ${verdict.records} records agree, ${signed}`
}
