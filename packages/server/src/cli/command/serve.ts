/**
 * `keywright serve`: runs the authority until it is told to stop.
 */
import type { Command } from 'commander'
import type { Config } from '../../config/read.ts'
import { readConfig } from '../../config/read.ts'
import { type Setting, type SettingName, settings, variableOf } from '../../config/settings.ts'
import type { Streams } from '../session.ts'

/** What runs, as `compose.ts` starts it. */
export interface Runner {
  start(config: Config): Promise<{
    readonly url: string
    readonly tokenFile: string | undefined
    readonly isNew: boolean
    stop(): Promise<void>
  }>
}

/** Adds a flag for each of these settings. */
export function withSettings(command: Command, names: readonly SettingName[]): Command {
  command.option('--config <FILE>', 'a JSON file with settings (KEYWRIGHT_CONFIG)')
  for (const name of names) {
    const setting: Setting = settings[name]
    const fallback = setting.default === undefined || setting.default === '' ? '' : `; by default ${setting.default}`
    command.option(`--${setting.flag} <${setting.value}>`, `${setting.sentence} (${variableOf(setting)}${fallback})`)
  }
  return command
}

/** The configuration that a command's flags, the environment and the file make. */
export function configOf(options: Readonly<Record<string, unknown>>): Config {
  const flags: { [Name in SettingName]?: string } = {}
  for (const name of Object.keys(settings) as SettingName[]) {
    const value = options[name]
    if (typeof value === 'string') flags[name] = value
  }
  return readConfig(flags, undefined, typeof options['config'] === 'string' ? options['config'] : undefined)
}

/** A secret on a command line would show in every list of processes. */
const flagged = (Object.keys(settings) as SettingName[]).filter((name) => !('secret' in settings[name]))

export function addServe(program: Command, streams: Streams, load: () => Promise<Runner>): void {
  withSettings(program.command('serve').description('run the authority'), flagged)
    .addHelpText(
      'after',
      '\nKEYWRIGHT_OPERATOR_TOKEN and KEYWRIGHT_METRICS_TOKEN are read from the environment alone.\n\nExample: keywright serve --database postgres://keywright@db/keywright',
    )
    .action(async (options: Readonly<Record<string, unknown>>) => {
      const config = configOf(options)
      const running = await (await load()).start(config)
      for (const line of welcome(running)) streams.out(line)
      await new Promise<void>((resolve) => {
        for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
      })
      await running.stop()
    })
}

function welcome({
  url,
  tokenFile,
  isNew,
}: {
  readonly url: string
  readonly tokenFile: string | undefined
  readonly isNew: boolean
}): string[] {
  const where = [`Keywright listens at ${url}`]
  if (tokenFile !== undefined) where.push(`The owner’s token lies in ${tokenFile}${isNew ? ' (made just now)' : ''}`)
  const next = [
    'Next, in another terminal:',
    '  node_modules/.bin/keywright apis create --identifier https://api.example.com/orders --scope orders:read',
    '  node_modules/.bin/keywright consumers create --name Acme',
    '  node_modules/.bin/keywright keys create --consumer con_… --grant https://api.example.com/orders=orders:read',
    `Reference: ${url}/docs`,
  ]
  return [...where, ...next]
}
