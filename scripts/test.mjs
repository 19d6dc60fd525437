/**
 * `npm test`: installs what is missing, checks the source, then runs every test of every workspace. The small run on
 * the older supported Node.js comes before the whole, so that the closing lines are those of the whole.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pinnedRuntime } from '../packages/server/bin/runtime.mjs'
import { runChecks, sourceFlags } from './check.mjs'
import { ensurePackages, ensureSystemPrograms, root, runScript, say } from './install.mjs'

/** Node's own runner expands these; quoted as they are, no shell is asked. */
const everyTest = [
  'packages/*/src/**/*.test.ts',
  'packages/*/journeys/**/*.test.ts',
  'packages/*/bin/**/*.test.mjs',
  'scripts/**/*.test.mjs',
]

const smokeTests = ['packages/credential/src/**/*.test.ts', 'packages/server/journeys/smoke.test.ts']

runScript(() => {
  ensurePackages()
  ensureSystemPrograms()
  const node = pinnedRuntime(join(root, 'runtime'), say)
  const failed = runChecks(node)
  if (!runOlderLine()) failed.push('tests on Node.js 24')
  if (!runTests(node, everyTest)) failed.push('tests')
  if (failed.length === 0) return
  say(`Failed: ${failed.join(', ')}.`)
  process.exitCode = 1
})

/** A smoke on line 24, on the platforms for which that line is pinned. */
function runOlderLine() {
  if (process.platform !== 'linux') return true
  say('A smoke on Node.js 24 …')
  return runTests(pinnedRuntime(join(root, 'runtime', '24'), say), smokeTests.filter(isGlobOrPresent))
}

function isGlobOrPresent(path) {
  return path.includes('*') || existsSync(join(root, path))
}

function runTests(node, globs) {
  const flags = [...sourceFlags, '--test', '--test-concurrency=2', '--test-reporter=spec']
  const result = spawnSync(node, [...flags, ...globs], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  return result.status === 0
}
