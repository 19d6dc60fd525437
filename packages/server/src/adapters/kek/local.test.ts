import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { kekContract } from '../../ports/kek.contract.ts'
import { writePrivateFile } from '../system/files.ts'
import { systemRandom } from '../system/random.ts'
import { openKeks } from './all.ts'
import { environmentKek, KekUnusable } from './local.ts'

const key = (fill: number) => Buffer.alloc(32, fill).toString('base64')

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'keywright-kek-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

function open(place: string, make = false, variables: Readonly<Record<string, string>> = {}) {
  return openKeks([place], {
    make,
    random: systemRandom,
    makeFile: (path, text) => writePrivateFile(path, text, { fresh: true }),
    environment: (name) => variables[name],
  })[0]
}

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, text, { mode })
  return `file:${path}`
}

kekContract('a KEK in a file', async (fill) => open(file(`contract-${fill}`, key(fill))))
kekContract('a KEK in the environment', async (fill) => environmentKek('NAME', key(fill), systemRandom))

describe('a KEK in a file', () => {
  test('is made once, for its owner alone, and is the same one when opened again', async () => {
    const place = `file:${join(folder, 'new', 'kek')}`
    const made = open(place, true)
    assert.equal(statSync(join(folder, 'new', 'kek')).mode & 0o777, 0o600)
    assert.equal(statSync(join(folder, 'new')).mode & 0o777, 0o700)
    const again = open(place, true)
    assert.equal(again.id, made.id)
    const wrapped = await made.wrap(Buffer.from('dek'), 'c')
    assert.deepEqual(Buffer.from((await again.unwrap(wrapped, 'c')) ?? []), Buffer.from('dek'))
  })

  const unusable: readonly [string, () => string, RegExp][] = [
    ['is missing where the database is not new', () => `file:${join(folder, 'none')}`, /is missing/],
    ['can be read by the group', () => file('group', key(1), 0o640), /can be read by others/],
    ['can be read by everybody', () => file('world', key(1), 0o604), /can be read by others/],
    ['is empty', () => file('empty', ''), /half-written/],
    ['was cut off', () => file('cut', key(1).slice(0, 30)), /half-written/],
    ['holds a key of another length', () => file('short', Buffer.alloc(16, 1).toString('base64')), /half-written/],
    ['holds something else', () => file('else', 'not a key'), /half-written/],
    ['has no scheme', () => join(folder, 'plain'), /file:PATH or env:NAME/],
    ['has a scheme that nobody knows', () => 'hsm:x', /no scheme hsm/],
    ['names a variable that is not set', () => 'env:NOT_SET', /is not set/],
  ]
  for (const [why, place, sentence] of unusable) {
    test(`is refused with a sentence where it ${why}`, () => {
      assert.throws(
        () => open(place()),
        (error) => error instanceof KekUnusable && sentence.test(error.message) && !error.message.includes(key(1)),
      )
    })
  }
})

test('of several KEKs the first seals, and only the first is ever made', () => {
  const old = file('old', key(7))
  const options = {
    make: true,
    random: systemRandom,
    makeFile: (path: string, text: string) => writePrivateFile(path, text, { fresh: true }),
    environment: () => undefined,
  }
  const [first, second] = openKeks([`file:${join(folder, 'first')}`, old], options)
  assert.notEqual(first.id, second?.id)
  assert.throws(() => openKeks([old, `file:${join(folder, 'second')}`], options), KekUnusable)
})
