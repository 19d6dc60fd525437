/**
 * `npm run bench [-- NAME…]`: runs the benchmarks of packages/server/bench by name, or all of them. A file there that
 * another one refers to is a part, not a benchmark. Anything that starts with a dash goes to the benchmark itself.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pinnedRuntime, Refusal } from '../packages/server/bin/runtime.mjs'
import { sourceFlags } from './check.mjs'
import { ensurePackages, root, runScript, say } from './install.mjs'

const folder = join(root, 'packages', 'server', 'bench')

function benchmarks() {
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  const texts = files.map((name) => readFileSync(join(folder, name), 'utf8'))
  const isPart = (name) => texts.some((text) => text.includes(`'./${name}'`))
  return files.filter((name) => !isPart(name)).map((name) => name.slice(0, -'.ts'.length))
}

runScript(() => {
  ensurePackages()
  const given = process.argv.slice(2)
  const names = given.filter((arg) => !arg.startsWith('-'))
  const options = given.filter((arg) => arg.startsWith('-'))
  const known = benchmarks()
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new Refusal(`No benchmark ${unknown.join(', ')}. There are: ${known.join(', ')}.`)
  const node = pinnedRuntime(join(root, 'runtime'), say)
  for (const name of names.length > 0 ? names : known) {
    say(`Benchmark ${name} …`)
    const args = [...sourceFlags, join(folder, `${name}.ts`), ...options]
    if (spawnSync(node, args, { cwd: root, stdio: 'inherit' }).status !== 0) process.exitCode = 1
  }
})
