/**
 * The list of commands, and how a command line becomes an exit code: 0 done, 1 a negative answer, 2 it could not be done.
 */
import { Command, CommanderError } from 'commander'
import { addAudit } from './command/audit.ts'
import { addCompletion } from './command/completion.ts'
import { addLocal, type LocalOperations } from './command/local.ts'
import { addKeys, addSecrets } from './command/keys.ts'
import { addApis, addConsumers, addOperators, addTenants } from './command/nouns.ts'
import { addServe, type Runner } from './command/serve.ts'
import { addVerify } from './command/verify.ts'
import type { Streams } from './session.ts'

/** What the commands need of the rest of the program, loaded only when it is used. */
export interface Program {
  readonly version: string
  readonly streams: Streams
  readonly loadRunner: () => Promise<Runner>
  readonly loadLocal: () => Promise<LocalOperations>
}

export function buildProgram({ version, streams, loadRunner, loadLocal }: Program): Command {
  const program = new Command('keywright')
    .description('The self-hosted authority for API secrets.')
    .version(version)
    .showHelpAfterError('(run it with --help)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.out(text.trimEnd()),
      writeErr: (text) => streams.err(text.trimEnd()),
    })
  addServe(program, streams, loadRunner)
  addApis(program, streams)
  addConsumers(program, streams)
  addKeys(program, streams)
  addSecrets(program, streams)
  addVerify(program, streams)
  addOperators(program, streams)
  addTenants(program, streams)
  addLocal(program, addAudit(program, streams), streams, loadLocal)
  addCompletion(program, streams)
  return program
}

/** Sentences of errors that people are meant to read. */
const readable: ReadonlySet<string> = new Set([
  'CannotDo',
  'Misconfigured',
  'KekUnusable',
  'SharesUnusable',
  'NewerDatabase',
  'DatabaseLost',
  'DatabaseFull',
  'Fault',
])

/** Runs a command line; the exit code. */
export async function runCommand(program: Command, streams: Streams, argv: readonly string[]): Promise<number> {
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    streams.err(`keywright: ${sentenceOf(error)}`)
    return 2
  }
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return 'something went wrong.'
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'EADDRINUSE') return 'That address is taken by another program. Stop it, or name another by --listen.'
  if (code === 'EACCES' || code === 'EPERM')
    return 'This user may not do that: a file or a port is not permitted to it.'
  if (error.name === 'DatabaseLost')
    return `The database cannot be reached: ${error.message}. Is it running, and is --database right?`
  if (error.name === 'DatabaseFull') return 'The disk of the database is full. Make room and start again.'
  if (error.name === 'Fault' && 'note' in error && typeof error.note === 'string')
    return `${error.message} (${error.note})`
  return readable.has(error.name) ? error.message : `${error.name}: ${error.message}`
}
