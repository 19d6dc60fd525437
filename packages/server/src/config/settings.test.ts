/**
 * The table of settings and the page that is made from it.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { settings, settingsPage, variableOf } from './settings.ts'

const page = new URL('../../../../docs/configuration.md', import.meta.url)

test('docs/configuration.md is what the table says', () => {
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, settingsPage())
  assert.equal(readFileSync(page, 'utf8'), settingsPage(), 'write it anew: UPDATE_DOCS=1 npm run check')
})

test('each setting has a flag and a variable of its own', () => {
  const all = Object.values(settings)
  assert.equal(new Set(all.map((setting) => setting.flag)).size, all.length)
  assert.equal(variableOf(settings.dataDir), 'KEYWRIGHT_DATA_DIR')
})
