/**
 * The binary: argv in, exit code out. What only some commands need is loaded only by them.
 */
import { buildProgram, runCommand } from './cli/commands.ts'
import { version } from './http/version.ts'

const streams = {
  out: (text: string) => void process.stdout.write(`${text}\n`),
  err: (text: string) => void process.stderr.write(`${text}\n`),
  terminal: process.stdout.isTTY === true,
}

const program = buildProgram({
  version,
  streams,
  loadRunner: async () => {
    const { startAuthority } = await import('./compose.ts')
    return { start: startAuthority }
  },
  loadLocal: async () => (await import('./compose.ts')).localOperations,
})

process.exitCode = await runCommand(program, streams, process.argv.slice(2))
