/** The completion script as bash itself takes it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { buildProgram, runCommand } from '../commands.ts'

async function scriptFor(shell: string): Promise<string> {
  const printed: string[] = []
  const streams = { out: (text: string) => void printed.push(text), err: () => undefined, terminal: false }
  const unused = () => assert.fail('completion loads nothing else')
  const program = buildProgram({ version: '0', streams, loadRunner: unused, loadLocal: unused })
  assert.equal(await runCommand(program, streams, ['completion', shell]), 0)
  return printed.join('\n')
}

function bash(script: string, args: readonly string[] = []): string {
  const ran = spawnSync('bash', ['--noprofile', '--norc', ...args], { input: script, encoding: 'utf8' })
  assert.equal(ran.status, 0, ran.stderr)
  return ran.stdout.trim()
}

const bashScript = await scriptFor('bash')

function completed(...words: readonly string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(' ')
  const ask = `COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _keywright; printf '%s\\n' "\${COMPREPLY[@]}"`
  return bash(`${bashScript}\n${ask}\n`).split('\n')
}

test('bash reads it without complaint', () => assert.equal(bash(bashScript, ['-n']), ''))

test('bash completes commands, their own commands and their options', () => {
  assert.ok(completed('keywright', 'ke').includes('keys'))
  assert.deepEqual(completed('keywright', 'keys', 'cr'), ['create'])
  assert.deepEqual(completed('keywright', 'audit', 'er'), ['erase'])
  assert.ok(completed('keywright', 'keys', 'create', '--').includes('--consumer'))
  assert.deepEqual(completed('keywright', 'keys', '--js', 'cr'), ['create'], 'an option before is passed over')
  assert.deepEqual(completed('keywright', 'keys', 'zz'), [''])
})

test('zsh gets the same through its bash completion, and fish has a line for each command', async () => {
  assert.ok((await scriptFor('zsh')).endsWith(bashScript))
  assert.match(await scriptFor('fish'), /__fish_seen_subcommand_from keys; and __fish_seen_subcommand_from create/)
})

test('another shell is refused', async () => {
  await assert.rejects(async () => assert.equal(await scriptFor('tcsh'), ''))
})
