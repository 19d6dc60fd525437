/**
 * From a command line of `keywright` to the Node.js, the flags and the file that serve it. It must run on Node.js 18,
 * so it is plain JavaScript and imports only its neighbours.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { permissionFlags, writableFolders } from './permissions.mjs'
import { become, pinnedPackage, pinnedRuntime, Refusal, supports } from './runtime.mjs'

const server = join(dirname(fileURLToPath(import.meta.url)), '..')

/**
 * Goes on as Keywright's main program with these arguments. Returns only where it refuses, with the exit code set.
 * @param {string[]} args the command line behind `keywright`
 */
export function launch(args) {
  try {
    const { binary, version } = chooseNode()
    become(binary, [...nodeFlags(args, version), ...mainProgram(), ...args])
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    process.stderr.write(`keywright: ${error.message}\n`)
    process.exitCode = 2
  }
}

function nodeFlags(args, version) {
  if (args[0] !== 'serve') return ['--disable-warning=ExperimentalWarning']
  const world = { cwd: process.cwd(), home: homedir(), read: (path) => readFileSync(path, 'utf8') }
  return permissionFlags(writableFolders(args, process.env, world), version)
}

/** The TypeScript source in a clone, the compiled file in the published package. */
function mainProgram() {
  const source = join(server, 'src', 'main.ts')
  return existsSync(source) ? ['--conditions=@keywright/source', source] : [join(server, 'dist', 'main.js')]
}

function chooseNode() {
  const running = process.versions.node
  if (supports(running)) return { binary: process.execPath, version: running }
  const folder = join(server, '..', '..', 'runtime')
  if (!existsSync(join(folder, 'package-lock.json'))) {
    throw new Refusal(
      `Node.js ${running} is too old: Keywright needs Node.js 26, or 24.15 or later of line 24. Install one and start again.`,
    )
  }
  const say = (sentence) => process.stderr.write(`keywright: Node.js ${running} is too old. ${sentence}\n`)
  return { binary: pinnedRuntime(folder, say), version: pinnedPackage(folder).version }
}
