/** The throttle: who is slowed, for how long, and who is not. Time is set by the test. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failuresPerSourceAndKeyMax, failuresPerSourceMax, Throttle } from './throttle.ts'

function throttleAt(start = 0) {
  const time = { now: start }
  return { time, throttle: new Throttle({ monotonic: () => time.now }) }
}

test('a source waits after so many failures on one key, and only there', () => {
  const { throttle } = throttleAt()
  for (let count = 1; count < failuresPerSourceAndKeyMax; count += 1) throttle.fail('a', 'head')
  assert.equal(throttle.waitSeconds('a', 'head'), 0, 'one below the limit')
  throttle.fail('a', 'head')
  assert.equal(throttle.waitSeconds('a', 'head'), 60)
  assert.equal(throttle.waitSecondsOnKey('a', 'head'), 60)
  assert.equal(throttle.waitSeconds('a', 'other'), 0, 'another key')
  assert.equal(throttle.waitSeconds('a', undefined), 0, 'no key')
  assert.equal(throttle.waitSeconds('b', 'head'), 0, 'another source is no weapon against the key')
})

test('a source waits after so many failures in all, and its wait on a key alone stays nothing', () => {
  const { throttle } = throttleAt()
  for (let count = 0; count < failuresPerSourceMax; count += 1) throttle.fail('a', `head${count}`)
  assert.equal(throttle.waitSeconds('a', 'unseen'), 60)
  assert.equal(throttle.waitSeconds('a', undefined), 60)
  assert.equal(throttle.waitSecondsOnKey('a', 'unseen'), 0)
  assert.equal(throttle.waitSecondsOnKey('a', undefined), 0)
})

test('failures without a key count for the source alone', () => {
  const { throttle } = throttleAt()
  for (let count = 0; count < failuresPerSourceMax; count += 1) throttle.fail('a', undefined)
  assert.equal(throttle.waitSeconds('a', undefined), 60)
})

test('a wait is rounded up to whole seconds, ends with its minute, and counting begins anew', () => {
  const { throttle, time } = throttleAt(5_000)
  for (let count = 0; count < failuresPerSourceAndKeyMax; count += 1) throttle.fail('a', 'head')
  time.now = 5_001
  assert.equal(throttle.waitSeconds('a', 'head'), 60)
  time.now = 64_999
  assert.equal(throttle.waitSeconds('a', 'head'), 1)
  time.now = 65_000
  assert.equal(throttle.waitSeconds('a', 'head'), 0)
  throttle.fail('a', 'head')
  assert.equal(throttle.waitSeconds('a', 'head'), 0, 'one failure of a new minute')
})

test('names that join two parts never meet: a source with a space in it is not another source on a key', () => {
  const { throttle } = throttleAt()
  for (let count = 0; count < failuresPerSourceAndKeyMax; count += 1) throttle.fail('a', 'head')
  assert.equal(throttle.waitSeconds('a head', undefined), 0)
})

test('memory is bounded: the oldest counts give way', () => {
  const { throttle } = throttleAt()
  for (let count = 0; count < failuresPerSourceAndKeyMax; count += 1) throttle.fail('a', 'head')
  assert.equal(throttle.waitSeconds('a', 'head'), 60)
  for (let source = 0; source < 50_000; source += 1) throttle.fail(`s${source}`, undefined)
  assert.equal(throttle.waitSeconds('a', 'head'), 0)
})
