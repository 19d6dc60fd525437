// biome-ignore-all lint/suspicious/noTemplateCurlyInString: planted faults are source text
/**
 * The house rules as a test, over the whole repository; and the proof of each rule, the linter's among them, by a fault
 * planted in a text or in a temporary copy of the tree. A checker that sees nothing would report success.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { complaintsAbout, rules, type SourceFile, undocumentedDependencies } from './tidy/rules.ts'
import { codeOnly, importsOf } from './tidy/scan.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const unread = new Set(['node_modules', '.git', 'dist', 'data', 'coverage', '.cache'])
const binary = /\.(png|ico|woff2|gz|zip|db)$/

function filesBelow(folder: string): SourceFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return unread.has(entry.name) || entry.name.startsWith('.fetch-') ? [] : filesBelow(path)
    if (!entry.isFile() || binary.test(entry.name)) return []
    return [{ path: relative(root, path).replaceAll('\\', '/'), text: readFileSync(path, 'utf8') }]
  })
}

const src = 'packages/server/src/'

/** A fault in a file at `path`, and what must be said about it. */
const faults: readonly { readonly rule: string; readonly path: string; readonly text: string }[] = [
  { rule: 'clock', path: `${src}domain/keys/a.ts`, text: 'const now = Date.now()\n' },
  { rule: 'clock', path: `${src}http/a.ts`, text: 'const now = new Date()\n' },
  { rule: 'clock', path: `${src}http/a.ts`, text: 'const now = new Date\n' },
  { rule: 'clock', path: `${src}compose.ts`, text: 'const t = performance.now()\n' },
  { rule: 'clock', path: `${src}cli/a.ts`, text: 'await new Promise((done) => setTimeout(done, 5))\n' },
  { rule: 'clock', path: `${src}adapters/database/a.ts`, text: 'const text = `${`${Date.now()}`}`\n' },
  { rule: 'clock', path: 'packages/credential/src/a.ts', text: 'setInterval(f, 1)\n' },
  { rule: 'randomness', path: `${src}domain/a.ts`, text: 'const x = Math.random()\n' },
  { rule: 'randomness', path: `${src}domain/a.ts`, text: "import { createHash, randomBytes } from 'node:crypto'\n" },
  { rule: 'randomness', path: `${src}adapters/kek/a.ts`, text: 'crypto.getRandomValues(bytes)\n' },
  { rule: 'randomness', path: `${src}http/a.ts`, text: 'const id = nodeCrypto.randomUUID()\n' },
  { rule: 'environment', path: `${src}main.ts`, text: 'const home = process.env.HOME\n' },
  { rule: 'environment', path: `${src}cli/a.ts`, text: "import { argv, env } from 'node:process'\n" },
  { rule: 'reveal', path: `${src}http/problem.ts`, text: 'log(secret.reveal())\n' },
  { rule: 'libraries', path: `${src}http/endpoint.ts`, text: "import { fastify } from 'fastify'\n" },
  { rule: 'libraries', path: `${src}http/v1/a.ts`, text: "import type { A } from '@fastify/compress'\n" },
  { rule: 'libraries', path: `${src}domain/a.ts`, text: "const { Kysely } = await import('kysely')\n" },
  { rule: 'libraries', path: `${src}compose.ts`, text: "import pg from 'pg'\n" },
  { rule: 'libraries', path: `${src}cli/doctor.ts`, text: 'import {\n  DatabaseSync,\n} from "node:sqlite"\n' },
  { rule: 'libraries', path: `${src}domain/a.ts`, text: "import { scheduler } from 'node:timers/promises'\n" },
  { rule: 'libraries', path: `${src}http/a.ts`, text: "import { Command } from 'commander'\n" },
  { rule: 'pure rooms', path: `${src}domain/a.ts`, text: "import { readFileSync } from 'node:fs'\n" },
  { rule: 'pure rooms', path: `${src}model/a.ts`, text: "export * from 'node:net'\n" },
  { rule: 'adapters apart', path: `${src}adapters/kek/a.ts`, text: "import { clock } from '../system/clock.ts'\n" },
  { rule: 'adapters apart', path: `${src}adapters/database/x/a.ts`, text: "import '../../kek/file.ts'\n" },
  { rule: 'composition', path: `${src}http/v1/a.ts`, text: "import { compose } from '../../compose.ts'\n" },
  { rule: 'running tests', path: `${src}domain/a.test.ts`, text: "test.skip('a', () => {})\n" },
  { rule: 'running tests', path: `${src}domain/a.test.ts`, text: "describe.only('a', () => {})\n" },
  { rule: 'running tests', path: 'packages/server/journeys/a.test.ts', text: "test('a', { skip: true }, f)\n" },
  { rule: 'running tests', path: `${src}ports/a.contract.ts`, text: "test('a', { timeout: 5, todo: 'later' }, f)\n" },
  { rule: 'finished', path: `${src}domain/a.ts`, text: `// TO${'DO'} later\n` },
  { rule: 'finished', path: 'docs/a.md', text: `FIX${'ME'}\n` },
  { rule: 'finished', path: `${src}http/a.ts`, text: `throw new Error('not impl${'emented'}')\n` },
  { rule: 'finished', path: `${src}http/a.ts`, text: `// a st${'ub'} for now\n` },
  {
    rule: 'lock addresses',
    path: 'runtime/package-lock.json',
    text: '{"node_modules/a": {"resolved": "https://example.org/a.tgz"}}\n',
  },
]

/** Texts about which no rule may say anything. */
const innocents: readonly SourceFile[] = [
  { path: `${src}domain/a.ts`, text: '// Date.now() is banned\nconst a = new Date(instant)\n' },
  { path: `${src}domain/a.ts`, text: "const a = 'process.env and setTimeout'\n" },
  { path: `${src}domain/a.ts`, text: 'const a = `new Date() ${b} Math.random()`\n' },
  { path: `${src}domain/a.ts`, text: 'const a = /Date.now["\'`]/.test(b) ? c / d / e : new Date(f)\n' },
  { path: `${src}domain/a.ts`, text: 'const renewed = newDate()\nconst t = clock.setTimeoutSeconds\n' },
  { path: `${src}domain/a.test.ts`, text: 'const started = Date.now()\nsecret.reveal()\n' },
  { path: `${src}adapters/system/clock.ts`, text: 'export const now = () => Date.now()\n' },
  { path: `${src}domain/a.ts`, text: 'export const a = (randomBytes: (n: number) => Uint8Array) => randomBytes(3)\n' },
  { path: `${src}config/load.ts`, text: 'const home = process.env.HOME\n' },
  { path: `${src}http/server.ts`, text: "import { fastify } from 'fastify'\n" },
  {
    path: `${src}adapters/database/sqlite.ts`,
    text: "import { DatabaseSync } from 'node:sqlite'\nimport './schema.ts'\n",
  },
  {
    path: `${src}adapters/database/x/y.ts`,
    text: "import '../schema.ts'\nimport type { A } from '../../../ports/kek.ts'\n",
  },
  { path: `${src}main.ts`, text: "import { compose } from './compose.ts'\n" },
  { path: `${src}domain/a.test.ts`, text: "test('no skip: here', () => only(skip))\n" },
  { path: 'package-lock.json', text: '{"node_modules/a": {"resolved": "packages/a", "link": true}}\n' },
]

describe('the house rules', () => {
  for (const { rule, path, text } of faults) {
    test(`${rule}: refuses ${JSON.stringify(text.trim())} in ${path}`, () => {
      assert.deepEqual([...new Set(complaintsAbout({ path, text }).map((complaint) => complaint.rule))], [rule])
    })
  }

  for (const file of innocents) {
    test(`allow ${JSON.stringify(file.text.trim())} in ${file.path}`, () => {
      assert.deepEqual(complaintsAbout(file), [])
    })
  }

  test('each is proven by at least one planted fault', () => {
    assert.deepEqual([...new Set(faults.map(({ rule }) => rule))].sort(), rules.map(({ name }) => name).sort())
  })

  test('name the line of the fault', () => {
    const text = '/* one\n two */\nconst a = `\n${b}`\nconst c = Date.now()\n'
    assert.deepEqual(
      complaintsAbout({ path: `${src}domain/a.ts`, text }).map(({ line }) => line),
      [5],
    )
  })

  test('hold in the whole repository', () => {
    const files = filesBelow(root)
    assert.ok(files.filter(({ path }) => path.startsWith(src)).length > 10, 'the walk found the source')
    const lines = files.flatMap(complaintsAbout).map(({ rule, path, line, why }) => `${path}:${line} ${rule}: ${why}`)
    assert.equal(lines.join('\n'), '')
  })
})

describe('the scanner beneath the house rules', () => {
  test('keeps every line and column of the code in place', () => {
    const text = "a('x\\'y') // z\nb(`m${c('n')}o`) /* p\nq */ d(/[/'\"]/g, 1 / 2)\n"
    const code = codeOnly(text)
    assert.equal(code.length, text.length)
    assert.equal(code, "a('    ')     \nb(` ${c(' ')} `)     \n     d(/     /g, 1 / 2)\n")
  })

  test('finds imports in all their forms and none in strings and comments', () => {
    const text = `import a from 'one'
import 'two'
import type { b } from "three"
export { c } from 'four'
const d = await import('five')
// import e from 'six'
const f = "import g from 'seven'"
`
    assert.deepEqual(
      importsOf(text).map(({ specifier, line }) => `${specifier} ${line}`),
      ['one 1', 'two 2', 'three 3', 'four 4', 'five 5'],
    )
  })
})

describe('docs/dependencies.md', () => {
  const packageFiles = filesBelow(root).filter(({ path }) => /(^|\/)package\.json$/.test(path))

  test('has a line for each dependency, and no other line', () => {
    assert.ok(packageFiles.length >= 4)
    const page = readFileSync(join(root, 'docs', 'dependencies.md'), 'utf8')
    assert.deepEqual(undocumentedDependencies(packageFiles, page), [])
  })

  test('is found wanting when a line is missing, and when one is left over', () => {
    const file = { path: 'package.json', text: '{"dependencies": {"pg": "1"}, "devDependencies": {"knip": "1"}}' }
    assert.deepEqual(undocumentedDependencies([file], '| `pg` | x |\n| `left-pad` | x |\n'), [
      'knip has no line in docs/dependencies.md',
      'left-pad is in docs/dependencies.md and unused',
    ])
  })
})

/** A fault for the linter: where it is planted, and the rule that must name it. */
const lintFaults: readonly { readonly rule: string; readonly path: string; readonly text: string }[] = [
  { rule: 'noRestrictedImports', path: `${src}model/a.ts`, text: "export { a } from '../domain/a.ts'\n" },
  { rule: 'noRestrictedImports', path: `${src}ports/a.ts`, text: "import type { A } from '../adapters/kek/a.ts'\n" },
  { rule: 'noRestrictedImports', path: `${src}config/a.ts`, text: "import { a } from '../http/a.ts'\n" },
  { rule: 'noRestrictedImports', path: `${src}domain/keys/a.ts`, text: "import { a } from '../../http/v1/a.ts'\n" },
  { rule: 'noRestrictedImports', path: `${src}domain/b.ts`, text: "import { a } from '../adapters/kek/a.ts'\n" },
  { rule: 'noRestrictedImports', path: `${src}adapters/kek/b.ts`, text: "import { a } from '../../domain/a.ts'\n" },
  { rule: 'noRestrictedImports', path: `${src}http/v1/b.ts`, text: "import { a } from '../../adapters/kek/a.ts'\n" },
  { rule: 'noRestrictedImports', path: `${src}http/b.ts`, text: "import { a } from '../compose.ts'\n" },
  { rule: 'noRestrictedImports', path: `${src}cli/command/b.ts`, text: "import { a } from '../../http/a.ts'\n" },
  { rule: 'noRestrictedImports', path: 'packages/credential/src/b.ts', text: "import { a } from 'node:crypto'\n" },
  { rule: 'noRestrictedImports', path: 'packages/credential/src/c.ts', text: "import { a } from '../x/b.ts'\n" },
  { rule: 'noDefaultExport', path: `${src}domain/c.ts`, text: 'export default 1\n' },
  { rule: 'noBarrelFile', path: `${src}domain/d.ts`, text: "export * from './e.ts'\n" },
  { rule: 'noExplicitAny', path: `${src}domain/f.ts`, text: 'export const a: any = 1\n' },
  { rule: 'noImportCycles', path: `${src}domain/g.ts`, text: "import { h } from './h.ts'\nexport const g = h\n" },
  { rule: 'noImportCycles', path: `${src}domain/h.ts`, text: "import { g } from './g.ts'\nexport const h = g\n" },
  { rule: 'noExcessiveLinesPerFile', path: `${src}domain/i.ts`, text: 'f()\n'.repeat(401) },
  { rule: 'noExcessiveLinesPerFile', path: `${src}domain/i.test.ts`, text: 'f()\n'.repeat(1001) },
  {
    rule: 'noExcessiveLinesPerFunction',
    path: `${src}domain/j.ts`,
    text: `export function j() {\n${'  f()\n'.repeat(75)}}\n`,
  },
  {
    rule: 'noExcessiveLinesPerFunction',
    path: `${src}domain/k.ts`,
    text: `export const k = () => {\n${'  f()\n'.repeat(75)}}\n`,
  },
  {
    rule: 'noExcessiveLinesPerFunction',
    path: `${src}domain/l.ts`,
    text: `export class L {\n  l(): { a: 1 } {\n${'    f()\n'.repeat(75)}    return { a: 1 }\n  }\n}\n`,
  },
  { rule: 'noFocusedTests', path: `${src}domain/m.test.ts`, text: "describe.only('a', () => {})\n" },
  { rule: 'noTsIgnore', path: `${src}domain/n.ts`, text: '// @ts-ignore\nexport const n = 1\n' },
  { rule: 'noConsole', path: `${src}domain/o.ts`, text: "console.log('o')\n" },
  { rule: 'noEnum', path: `${src}domain/p.ts`, text: 'export enum P {\n  a = 1,\n}\n' },
  { rule: 'noUndeclaredDependencies', path: `${src}domain/q.ts`, text: "import { q } from 'left-pad'\nq()\n" },
  { rule: 'useImportExtensions', path: `${src}domain/r.ts`, text: "import { a } from './a'\na()\n" },
  { rule: 'noFloatingPromises', path: `${src}domain/s.ts`, text: 'async function s() {}\ns()\n' },
]

const lintInnocents: readonly SourceFile[] = [
  {
    path: `${src}domain/a.ts`,
    text: "import type { Clock } from '../ports/clock.ts'\nexport const a = (b: Clock) => b\n",
  },
  {
    path: `${src}adapters/kek/a.ts`,
    text: "import type { Kek } from '../../ports/kek.ts'\nexport const a = (b: Kek) => b\n",
  },
  { path: `${src}domain/z.test.ts`, text: `describe('z', () => {\n${'  f()\n'.repeat(400)}})\n` },
  { path: `${src}ports/clock.ts`, text: 'export interface Clock {\n  readonly a: 1\n}\n' },
  { path: `${src}ports/kek.ts`, text: 'export interface Kek {\n  readonly a: 1\n}\n' },
  { path: `${src}http/a.ts`, text: "import { a } from '../domain/a.ts'\nexport const b = a\n" },
]

/** Runs the repository's own linter with its own configuration over planted files. Path to the rules that complained. */
function lintPlanted(files: readonly SourceFile[]): Map<string, Set<string>> {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-tidy-'))
  try {
    cpSync(join(root, 'biome.json'), join(folder, 'biome.json'))
    for (const path of ['package.json', 'packages/server/package.json', 'packages/credential/package.json']) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      cpSync(join(root, path), join(folder, path))
    }
    for (const { path, text } of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    const biome = join(root, 'node_modules', '@biomejs', 'biome', 'bin', 'biome')
    const args = [biome, 'lint', '--vcs-enabled=false', '--max-diagnostics=none', '--reporter=json']
    const result = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
    return rulesByPath(result.stdout)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function rulesByPath(report: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  const { diagnostics }: { diagnostics: { category: string; location: { path: string } }[] } = JSON.parse(report)
  for (const { category, location } of diagnostics) {
    const seen = found.get(location.path) ?? new Set()
    found.set(location.path, seen.add(category.split('/').at(-1) ?? category))
  }
  return found
}

describe('the linter', () => {
  const found = lintPlanted([...lintFaults, ...lintInnocents])

  for (const { rule, path, text } of lintFaults) {
    test(`${rule}: refuses ${JSON.stringify(text.trim().slice(0, 60))} in ${path}`, () => {
      assert.ok(found.get(path)?.has(rule), `said ${[...(found.get(path) ?? [])].join(', ') || 'nothing'}`)
    })
  }

  for (const { path, text } of lintInnocents) {
    test(`allows ${JSON.stringify(text.trim().slice(0, 60))} in ${path}`, () => {
      assert.deepEqual([...(found.get(path) ?? [])], [])
    })
  }
})
