/** What people and programs read on the terminal. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cell, fields, type Output, show, table } from './output.ts'

function recorder(options: { json?: boolean; colour?: boolean } = {}): Output & { readonly printed: string[] } {
  const printed: string[] = []
  return {
    json: options.json ?? false,
    colour: options.colour ?? false,
    printed,
    out: (text) => printed.push(text),
    err: () => assert.fail('nothing is an error here'),
  }
}

const escapeCharacter = String.fromCharCode(27)

test('columns align under their headers, and no line ends in spaces', () => {
  assert.equal(
    table(
      recorder(),
      ['id', 'state'],
      [
        ['key_long', 'ok'],
        ['k', 'enabled'],
      ],
    ),
    'ID        STATE\nkey_long  ok\nk         enabled',
  )
  assert.equal(table(recorder(), ['id', 'state'], []), 'ID  STATE')
  assert.equal(table(recorder(), ['id', 'state'], [['k']]), 'ID  STATE\nk')
})

test('fields align behind the longest name', () => {
  assert.equal(
    fields(recorder(), [
      ['id', 'a'],
      ['name', 'b'],
    ]),
    'id    a\nname  b',
  )
})

test('without a terminal nothing is coloured', () => {
  assert.ok(!table(recorder(), ['id'], [['a']]).includes(escapeCharacter))
  assert.ok(!fields(recorder(), [['id', 'a']]).includes(escapeCharacter))
  assert.ok(fields(recorder({ colour: true }), [['id', 'a']]).includes('id'))
})

test('control characters that others chose never reach a terminal', () => {
  for (const code of [0, 7, 8, 9, 10, 13, 27, 31, 127, 128, 155, 159]) {
    const name = `a${String.fromCharCode(code)}[2Jb`
    assert.equal(table(recorder(), ['n'], [[name]]), 'N\na·[2Jb', `code ${code}`)
    assert.equal(fields(recorder(), [['n', name]]), 'n  a·[2Jb', `code ${code}`)
  }
})

test('a cell shows scalars as they are, nothing as a dash, lists and objects by what they say', () => {
  for (const [value, text] of [
    [undefined, '–'],
    [null, '–'],
    ['', '–'],
    [[], '–'],
    [{}, '–'],
    [{ a: null, b: '' }, '–'],
    [0, '0'],
    [false, 'false'],
    ['x', 'x'],
    [['a', 'b'], 'a b'],
    [{ a: 1, b: null, c: ['x', 'y'] }, 'a=1 c=x y'],
  ] as const) {
    assert.equal(cell(value), text, JSON.stringify(value))
  }
})

test('with --json exactly the answer is printed, and the text for people is not even made', () => {
  const output = recorder({ json: true })
  show(output, { id: 'a\u001b' }, () => assert.fail('not for people'))
  assert.deepEqual(output.printed, ['{"id":"a\\u001b"}'])
  const forPeople = recorder()
  show(forPeople, {}, () => 'text')
  assert.deepEqual(forPeople.printed, ['text'])
})
