/**
 * `npm run check`: format and lint, types, dead code, and the house rules. All of them run even when one fails, so that
 * one run shows everything. It needs no server and no database.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pinnedRuntime } from '../packages/server/bin/runtime.mjs'
import { ensurePackages, root, runScript, say } from './install.mjs'

/** Node's flags for everything that runs the source as it is. */
export const sourceFlags = ['--conditions=@keywright/source', '--disable-warning=ExperimentalWarning']

const checks = [
  { name: 'biome', args: [packageFile('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings'] },
  { name: 'tsc', args: [packageFile('typescript/bin/tsc'), '-p', '.'] },
  { name: 'knip', args: [packageFile('knip/bin/knip.js'), '--no-progress'] },
]

const houseRules = {
  name: 'tidy',
  args: [...sourceFlags, '--test', '--test-reporter=dot', 'packages/server/src/tidy.test.ts'],
}

function packageFile(path) {
  return join(root, 'node_modules', path)
}

/**
 * Runs the checks one after another.
 * @param {string} node the Node.js to run them with
 * @returns {string[]} the names of those that failed
 */
export function runChecks(node, list = checks) {
  return list.filter(({ name, args }) => !passes(node, name, args)).map(({ name }) => name)
}

function passes(node, name, args) {
  say(`${name} …`)
  const result = spawnSync(node, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  return result.status === 0
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  runScript(() => {
    ensurePackages()
    const failed = runChecks(pinnedRuntime(join(root, 'runtime'), say), [...checks, houseRules])
    if (failed.length === 0) return
    say(`Not clean: ${failed.join(', ')}. \`npx biome check --write\` repairs what is only form.`)
    process.exitCode = 1
  })
}
