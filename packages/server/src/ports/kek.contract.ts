/**
 * What every KEK keeps, run on each provider by the test beside it.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Kek } from './kek.ts'

const dek = Buffer.alloc(32, 0x5a)
const context = 'keywright/v1 dek 3:ten 1'

/** `open` answers the KEK of a number: the same one for the same number. */
export function kekContract(name: string, open: (number: number) => Promise<Kek>): void {
  describe(name, () => {
    test('opens what it wrapped, also when it was opened anew', async () => {
      const wrapped = await (await open(1)).wrap(dek, context)
      assert.deepEqual(Buffer.from((await (await open(1)).unwrap(wrapped, context)) ?? []), dek)
    })

    test('opens nothing for another context', async () => {
      const kek = await open(1)
      const wrapped = await kek.wrap(dek, context)
      for (const other of ['', `${context} `, 'keywright/v1 dek 3:ten 2', 'keywright/v1 dek 3:net 1'])
        assert.equal(await kek.unwrap(wrapped, other), undefined)
    })

    test('opens nothing that another KEK wrapped', async () => {
      const wrapped = await (await open(1)).wrap(dek, context)
      assert.equal(await (await open(2)).unwrap(wrapped, context), undefined)
    })

    test('opens nothing of which one bit was changed or one byte is missing', async () => {
      const kek = await open(1)
      const wrapped = await kek.wrap(dek, context)
      for (let byte = 0; byte < wrapped.length; byte += 1) {
        const changed = Uint8Array.from(wrapped)
        changed[byte] = (changed[byte] ?? 0) ^ (1 << (byte % 8))
        assert.equal(await kek.unwrap(changed, context), undefined, `byte ${byte}`)
        assert.equal(await kek.unwrap(wrapped.subarray(0, byte), context), undefined, `first ${byte} bytes`)
      }
    })

    test('never wraps twice alike and never shows what it wraps', async () => {
      const kek = await open(1)
      const [one, other] = [await kek.wrap(dek, context), await kek.wrap(dek, context)]
      assert.notDeepEqual(one, other)
      assert.equal(Buffer.from(one).includes(dek.subarray(0, 8)), false)
    })

    test('has an id that is its own and tells nothing of it', async () => {
      assert.equal((await open(1)).id, (await open(1)).id)
      assert.notEqual((await open(1)).id, (await open(2)).id)
      assert.match((await open(1)).id, /^[0-9a-f]{16}$/)
    })
  })
}
