/**
 * Five people hold shares of the KEK, any three of whom can make it again.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, describe, test } from 'node:test'
import { joinShares, SharesUnusable, splitKek } from './shares.ts'

const kek = randomBytes(32).toString('base64')

describe('three of five shares', () => {
  let shares: readonly string[] = []
  before(async () => {
    shares = await splitKek(kek, 'file:kek', 5, 3)
  })
  const pick = (...indexes: readonly number[]) => indexes.map((index) => shares[index] ?? '')

  for (const some of [
    [0, 1, 2],
    [4, 2, 0],
    [1, 3, 4],
    [0, 1, 2, 3, 4],
  ]) {
    test(`${some.map((index) => index + 1).join(', ')} make the KEK again`, async () => {
      assert.equal((await joinShares(pick(...some))).text, kek)
    })
  }

  test('no share holds the KEK, in any spelling', () => {
    const hex = Buffer.from(kek, 'base64').toString('hex')
    for (const share of shares) assert.ok(!share.includes(kek) && !share.includes(hex))
  })

  const refused: readonly (readonly [string, () => Promise<readonly string[]>, RegExp])[] = [
    ['two', async () => pick(0, 1), /takes 3 different shares; 2/],
    ['the same one three times', async () => pick(0, 0, 0), /takes 3 different shares; 1/],
    ['none', async () => [], /No share/],
    [
      'a typing error',
      async () => [shares[0]?.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')) ?? '', ...pick(1, 2)],
      /Share 1 has a typing error/,
    ],
    ['something else', async () => [...pick(0, 1), 'kwe_what'], /Share 3 does not have the form/],
    [
      'a share of another KEK',
      async () => [...pick(0, 1), ...(await splitKek(randomBytes(32).toString('base64'), 'x', 5, 3)).slice(0, 1)],
      /Share 3 is of another KEK/,
    ],
    [
      'a share of another splitting of the same KEK',
      async () => [...pick(0, 1), ...(await splitKek(kek, 'x', 5, 3)).slice(2, 3)],
      /do not make the KEK/,
    ],
  ]
  for (const [what, lines, sentence] of refused) {
    test(`${what}: refused in a sentence that repeats no share`, async () => {
      const given = await lines()
      await assert.rejects(
        () => joinShares(given),
        (error: unknown) =>
          error instanceof SharesUnusable &&
          sentence.test(error.message) &&
          !given.some((share) => share !== '' && error.message.includes(share)),
      )
    })
  }
})
