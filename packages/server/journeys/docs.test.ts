/**
 * Whoever types what the README says: its shell blocks run in order, against the real program.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment, newPlace, startServer } from './harness.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

function shellBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1] ?? '')
}

test('what the README types works in the order in which it stands', async () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [start, first, service] = shellBlocks(readme)
  assert.match(start ?? '', /npm start/)
  const place = newPlace('embedded')
  const server = await startServer(place)
  const script = `set -e\n${first}\n${service}`
    .replace('$PWD/node_modules', `${root}/node_modules`)
    .replaceAll('http://localhost:8787', server.url)
  const out = execFileSync('bash', ['-c', script], {
    cwd: place.folder,
    encoding: 'utf8',
    env: { ...cleanEnvironment(), KEYWRIGHT_URL: server.url },
  })
  assert.match(out, /Valid\. \(ok\)/)
  assert.match(out, /"valid":true,"code":"ok","kind":"secret"/)
  assert.equal(await server.stop(), 0)
  place.leave()
})

test('every link between the pages leads somewhere', () => {
  const pages = [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    ...readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ]
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      assert.doesNotThrow(() => readFileSync(join(root, page, '..', target ?? '')), `${page} → ${target}`)
    }
  }
})
