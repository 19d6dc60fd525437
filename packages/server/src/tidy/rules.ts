/**
 * The house rules that neither the compiler nor the linter holds: who may touch the clock, chance, the environment,
 * secrets and libraries, and which words and addresses never enter the repository. Each is a function over one file;
 * `tidy.test.ts` runs them over the tree, and proves each by a planted fault.
 */
import { posix } from 'node:path'
import { codeOnly, importsOf, lineAt } from './scan.ts'

/** A file of the repository: its path from the root, with forward slashes. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** One broken rule, as the person sees it. */
export interface Complaint {
  readonly rule: string
  readonly path: string
  readonly line: number
  readonly why: string
}

export interface Rule {
  readonly name: string
  readonly appliesTo: (path: string) => boolean
  readonly check: (file: SourceFile) => readonly { readonly line: number; readonly why: string }[]
}

const server = 'packages/server/src/'

/** Source that is shipped: not tests, contract suites, journeys, benchmarks, or these rules. */
function isProduct(path: string): boolean {
  return (
    /^packages\/[^/]+\/src\/.*\.ts$/.test(path) &&
    !/\.(test|contract)\.ts$/.test(path) &&
    !path.startsWith(`${server}tidy/`)
  )
}

function isTest(path: string): boolean {
  return /\.(test|contract)\.(ts|mjs)$/.test(path) || /^packages\/[^/]+\/journeys\//.test(path)
}

/** A ban on something that shows in the code itself, outside strings and comments. */
function ban(name: string, pattern: RegExp, why: string, except: readonly string[]): Rule {
  return {
    name,
    appliesTo: (path) => isProduct(path) && !except.some((prefix) => path.startsWith(prefix)),
    check: ({ text }) => {
      const code = codeOnly(text)
      return [...code.matchAll(pattern)].map((match) => ({
        line: lineAt(code, match.index),
        why: `${match[0]}: ${why}`,
      }))
    },
  }
}

const clock = ban(
  'clock',
  /\bDate\s*\.\s*now\b|\bnew Date(?!\w)(?!\s*\(\s*[^\s)])|\bperformance\s*\.\s*now\b|\bprocess\s*\.\s*hrtime\b|\bset(?:Timeout|Interval|Immediate)\b/g,
  'time comes through the clock port; only adapters/system reads the clock or sets a timer',
  [`${server}adapters/system/`],
)

const chance = ban(
  'randomness',
  /\bMath\s*\.\s*random\b|\bgetRandomValues\b|\b\w*crypto\s*\.\s*random\w+|\bimport\s*\{[^}]*\brandom(?:Bytes|UUID|Int|FillSync|Fill)\b[^}]*\}/gi,
  'chance comes through the random port; only adapters/system draws it',
  [`${server}adapters/system/`],
)

const environment = ban(
  'environment',
  /\bprocess\s*\.\s*env\b|\bimport\s*\{[^}]*\benv\b[^}]*\}\s*from\s*['"] {12}['"]/g,
  'settings come from config, the only reader of the environment',
  [`${server}config/`],
)

/** The files that may take a secret's text out of its wrapper: where it is hashed, sealed, shown once or sent. */
export const revealers: readonly string[] = [
  'model/secret.ts',
  // Proven by its digest.
  'domain/access/authenticate.ts',
  // Part of the key under which an idempotent answer is sealed.
  'domain/access/replay.ts',
  // Hashed, and shown once in the answer that issues it.
  'domain/import/import.ts',
  'domain/keys/keys.ts',
  'domain/keys/secrets.ts',
  'domain/operators/operators.ts',
  'domain/tenants/tenants.ts',
  // Written to the owner's token file at the first start, and compared with a configured one.
  'compose.ts',
  // Sent as the Authorization of a call.
  'cli/client.ts',
].map((file) => server + file)

const reveal = ban(
  'reveal',
  /\.\s*reveal\s*\(/g,
  'only the files named in tidy/rules.ts may reveal a secret',
  revealers,
)

/** Which files may import which modules. A name also covers what lies below it (`fastify/…`, `@fastify/…`). */
const owners: readonly { readonly modules: RegExp; readonly owner: string }[] = [
  { modules: /^(fastify|@fastify)(\/|$)/, owner: `${server}http/server.ts` },
  { modules: /^(kysely|pg|node:sqlite)(\/|$)/, owner: `${server}adapters/database/` },
  { modules: /^node:(timers|timers\/promises|perf_hooks)$/, owner: `${server}adapters/system/` },
  { modules: /^commander(\/|$)/, owner: `${server}cli/` },
]

const libraries: Rule = {
  name: 'libraries',
  appliesTo: isProduct,
  check: ({ path, text }) =>
    importsOf(text).flatMap(({ specifier, line }) =>
      owners
        .filter(({ modules, owner }) => modules.test(specifier) && !path.startsWith(owner))
        .map(({ owner }) => ({ line, why: `${specifier} is imported by ${owner} alone` })),
    ),
}

const inputAndOutput =
  /^(node:)?(fs|fs\/promises|net|tls|http|https|http2|dgram|dns|dns\/promises|child_process|worker_threads|cluster|readline)$/

const pureRooms: Rule = {
  name: 'pure rooms',
  appliesTo: (path) => isProduct(path) && /^packages\/server\/src\/(model|domain|ports)\//.test(path),
  check: ({ text }) =>
    importsOf(text)
      .filter(({ specifier }) => inputAndOutput.test(specifier))
      .map(({ specifier, line }) => ({ line, why: `${specifier}: model, domain and ports do no input or output` })),
}

const adaptersApart: Rule = {
  name: 'adapters apart',
  appliesTo: (path) => isProduct(path) && path.startsWith(`${server}adapters/`),
  check: ({ path, text }) => {
    const own = path.split('/')[4]
    return importsOf(text).flatMap(({ specifier, line }) => {
      if (!specifier.startsWith('.')) return []
      const target = posix.join(posix.dirname(path), specifier)
      const other = target.startsWith(`${server}adapters/`) ? target.split('/')[4] : own
      return other === own
        ? []
        : [{ line, why: `adapters/${own} imports adapters/${other}: adapters never know each other` }]
    })
  },
}

const composition: Rule = {
  name: 'composition',
  appliesTo: (path) => isProduct(path) && path !== `${server}main.ts`,
  check: ({ path, text }) =>
    importsOf(text)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ specifier, line }) => ({ target: posix.join(posix.dirname(path), specifier), line }))
      .filter(({ target }) => target === `${server}compose.ts` || target === `${server}main.ts`)
      .map(({ target, line }) => ({ line, why: `${target} is imported by main.ts and the journeys alone` })),
}

const runningTests: Rule = {
  name: 'running tests',
  appliesTo: isTest,
  check: ({ text }) => {
    const code = codeOnly(text)
    const pattern = /\b(?:test|it|describe|suite|t)\s*\.\s*(?:skip|only|todo)\b|[{,]\s*(?:skip|only|todo)\s*:/g
    return [...code.matchAll(pattern)].map((match) => ({
      line: lineAt(code, match.index),
      why: `${match[0].trim()}: every test runs, always`,
    }))
  },
}

/** Spelt in halves, so that this file does not break its own rule. */
const unfinished = new RegExp(
  `\\b(?:${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b|\\b(?:st` +
    'ub|not (?:yet )?impl' +
    'emented)\\b',
  'g',
)

const finished: Rule = {
  name: 'finished',
  appliesTo: (path) =>
    /\.(ts|mjs|js|md|json|yml|yaml|sh|conf|css|html)$/.test(path) && !path.endsWith('package-lock.json'),
  check: ({ text }) =>
    [...text.matchAll(unfinished)].map((match) => ({
      line: lineAt(text, match.index),
      why: `"${match[0]}": what is in the repository is finished; what is not belongs in a report`,
    })),
}

const lockAddresses: Rule = {
  name: 'lock addresses',
  appliesTo: (path) => path.endsWith('package-lock.json'),
  check: ({ text }) =>
    [...text.matchAll(/"resolved":\s*"[a-z+]+:\/\/[^"]*"/g)].map((match) => ({
      line: lineAt(text, match.index),
      why: 'a lock file names versions and integrity, not where they were downloaded',
    })),
}

/** All rules over one file. */
export const rules: readonly Rule[] = [
  clock,
  chance,
  environment,
  reveal,
  libraries,
  pureRooms,
  adaptersApart,
  composition,
  runningTests,
  finished,
  lockAddresses,
]

/** What the rules have to say about a file. */
export function complaintsAbout(file: SourceFile): Complaint[] {
  return rules
    .filter((rule) => rule.appliesTo(file.path))
    .flatMap((rule) => rule.check(file).map(({ line, why }) => ({ rule: rule.name, path: file.path, line, why })))
}

/**
 * Dependencies without a line in docs/dependencies.md, and lines without a dependency. A line is a table row whose first
 * cell is the package's name in backticks.
 */
export function undocumentedDependencies(packageFiles: readonly SourceFile[], page: string): string[] {
  const used = new Set(packageFiles.flatMap(({ text }) => dependenciesOf(text)))
  const documented = new Set([...page.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? ''))
  return [
    ...[...used].filter((name) => !documented.has(name)).map((name) => `${name} has no line in docs/dependencies.md`),
    ...[...documented].filter((name) => !used.has(name)).map((name) => `${name} is in docs/dependencies.md and unused`),
  ]
}

function dependenciesOf(packageJson: string): string[] {
  const content: unknown = JSON.parse(packageJson)
  if (typeof content !== 'object' || content === null) return []
  return Object.entries(content)
    .filter(([field]) => /^(dependencies|devDependencies|optionalDependencies|peerDependencies)$/.test(field))
    .flatMap(([, value]) => Object.keys(value))
    .filter((name) => !name.startsWith('@keywright/'))
}
