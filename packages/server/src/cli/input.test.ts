/** Files that are read for a command: what is wrong is said without what is in them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readJsonFile } from './input.ts'
import { CannotDo } from './output.ts'

const folder = mkdtempSync(join(tmpdir(), 'keywright-input-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('a whole file is read', () => {
  const path = join(folder, 'whole.json')
  writeFileSync(path, '[{"a": 1}]')
  assert.deepEqual(readJsonFile(path), [{ a: 1 }])
})

for (const text of ['legacy-secret-4711', '{"value": legacy-secret-4711}', '[{"value": "legacy-secret-4711']) {
  test(`${text.slice(0, 12)}… is refused by file, line and column, and nothing of it is repeated`, () => {
    const path = join(folder, 'broken.json')
    writeFileSync(path, text)
    assert.throws(
      () => readJsonFile(path),
      (error: unknown) =>
        error instanceof CannotDo &&
        error.message.includes(path) &&
        /line 1, column \d+/.test(error.message) &&
        !/legacy|4711/.test(error.message),
    )
  })
}

test('a file that is missing, and a folder, are refused by name', () => {
  for (const path of [join(folder, 'nowhere'), folder]) {
    assert.throws(
      () => readJsonFile(path),
      (error: unknown) => error instanceof CannotDo && error.message.includes(path),
    )
  }
})
