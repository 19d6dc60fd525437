/** The life of versions as properties: over any list, any instant and any order of turns. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SecretVersion } from '../../model/records.ts'
import { isLive, nextVersion, retire, revokeVersion, statusAt, versionsMax, withRoom } from './versions.ts'

const instant = fc.integer({ min: 0, max: 1_000_000 })
const overlapSeconds = fc.integer({ min: 0, max: 900 })

const oneVersion: fc.Arbitrary<Omit<SecretVersion, 'version'>> = fc
  .record({
    state: fc.constantFrom('pending' as const, 'active' as const, 'retiring' as const, 'revoked' as const),
    expires_at: fc.option(instant),
    end: instant,
  })
  .map(({ state, expires_at, end }) => ({
    state,
    kind: 'sha256',
    sealed: 'v1.1.0.x',
    created_at: 0,
    expires_at,
    until: state === 'retiring' ? end : null,
    ended: state === 'revoked' ? { at: end, cause: 'revoked' } : null,
  }))

const listOf = (options: fc.ArrayConstraints) =>
  fc.array(oneVersion, options).map((list) => list.map((one, index): SecretVersion => ({ ...one, version: index + 1 })))

const versions = listOf({ maxLength: 6 })

type Turn = (list: readonly SecretVersion[], at: number) => readonly SecretVersion[]
const turn: fc.Arbitrary<Turn> = fc.oneof(
  overlapSeconds.map(
    (seconds): Turn =>
      (list, at) =>
        retire(list, at, seconds),
  ),
  fc.nat({ max: 5 }).map(
    (which): Turn =>
      (list, at) =>
        list.map((one, i) => (i === which ? revokeVersion(one, at) : one)),
  ),
)

test('whatever happens, what is dead stays dead, and time brings nothing back', () => {
  fc.assert(
    fc.property(versions, fc.array(fc.tuple(turn, instant)), instant, (start, turns, later) => {
      let list: readonly SecretVersion[] = start
      let at = 0
      for (const [step, wait] of turns) {
        at += wait
        const dead = list.filter((one) => !isLive(one, at)).map((one) => one.version)
        list = step(list, at)
        for (const one of list) {
          if (dead.includes(one.version)) assert.ok(!isLive(one, at) && !isLive(one, at + later))
        }
      }
    }),
  )
})

test('nothing leaves revoked, by any turn', () => {
  fc.assert(
    fc.property(versions, turn, instant, (list, step, at) => {
      const after = step(list, at)
      for (const [index, one] of list.entries()) {
        if (one.state === 'revoked') assert.deepEqual(after[index], one)
      }
    }),
  )
})

test('an overlap never lengthens a life', () => {
  fc.assert(
    fc.property(versions, instant, overlapSeconds, instant, (list, at, seconds, wait) => {
      for (const [index, after] of retire(list, at, seconds).entries()) {
        const before = list[index] ?? assert.fail()
        if (isLive(after, at + wait)) assert.ok(isLive(before, at + wait))
        assert.equal(after.expires_at, before.expires_at)
      }
    }),
  )
})

test('after a rotation nothing that was there is active, and all of it is dead when the overlap ends', () => {
  fc.assert(
    fc.property(versions, instant, overlapSeconds, (list, at, seconds) => {
      const after = retire(list, at, seconds)
      assert.ok(after.every((one) => !['active', 'pending'].includes(statusAt(one, at))))
      assert.ok(after.every((one) => !isLive(one, at + seconds * 1000)))
    }),
  )
})

test('only the versions that were meant retire', () => {
  fc.assert(
    fc.property(versions, instant, overlapSeconds, fc.nat({ max: 6 }), (list, at, seconds, which) => {
      const after = retire(list, at, seconds, (one) => one.version === which)
      for (const [index, one] of list.entries()) if (one.version !== which) assert.equal(after[index], one)
    }),
  )
})

test('a revocation for cause is at once, remembers when, and a second one changes nothing', () => {
  fc.assert(
    fc.property(oneVersion, instant, instant, (fields, at, later) => {
      const version = { ...fields, version: 1 }
      const revoked = revokeVersion(version, at)
      assert.equal(statusAt(revoked, at), 'revoked')
      assert.deepEqual(revokeVersion(revoked, later), revoked)
      if (version.state !== 'revoked') assert.deepEqual(revoked.ended, { at, cause: 'revoked' })
    }),
  )
})

test('the end of an overlap and an expiry count from their very instant, and the earlier one names the cause', () => {
  const base: SecretVersion = {
    version: 1,
    state: 'retiring',
    kind: 'sha256',
    sealed: 'v1.1.0.x',
    created_at: 0,
    expires_at: 200,
    until: 100,
    ended: null,
  }
  assert.equal(statusAt(base, 99), 'retiring')
  assert.equal(statusAt(base, 100), 'revoked')
  assert.equal(statusAt(base, 300), 'revoked')
  assert.equal(statusAt({ ...base, until: 250 }, 200), 'expired')
  assert.equal(statusAt({ ...base, until: 250 }, 300), 'expired')
  assert.equal(statusAt({ ...base, state: 'active', until: null }, 199), 'active')
})

test('room is made by the oldest dead alone; where too many are alive there is none', () => {
  fc.assert(
    fc.property(listOf({ minLength: versionsMax - 2, maxLength: versionsMax }), instant, (list, at) => {
      const kept = withRoom(list, at)
      const live = list.filter((one) => isLive(one, at))
      if (kept === undefined) {
        assert.ok(live.length >= versionsMax)
        return
      }
      assert.ok(kept.length < versionsMax)
      assert.deepEqual(
        kept.filter((one) => isLive(one, at)),
        live,
      )
      const dropped = list.filter((one) => !kept.includes(one))
      assert.equal(dropped.length, Math.max(0, list.length + 1 - versionsMax))
      const oldestDead = list.filter((one) => !isLive(one, at)).slice(0, dropped.length)
      assert.deepEqual(dropped, oldestDead)
    }),
  )
  const alive = Array.from({ length: versionsMax }, (_, index) => ({
    version: index + 1,
    state: 'active' as const,
    kind: 'sha256' as const,
    sealed: 'v1.1.0.x',
    created_at: 0,
    expires_at: null,
    until: null,
    ended: null,
  }))
  assert.equal(withRoom(alive, 0), undefined)
})

test('the next number follows the newest', () => {
  assert.equal(nextVersion([]), 1)
  fc.assert(
    fc.property(listOf({ minLength: 1, maxLength: 6 }), (list) => {
      assert.ok(list.every((one) => one.version < nextVersion(list)))
    }),
  )
})
