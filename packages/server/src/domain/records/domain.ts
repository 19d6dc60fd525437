/**
 * What every operation of the authority works with. Functions ask for the part that they need.
 */
import type { Follower } from '../feed/follower.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Database } from '../../ports/database.ts'
import type { Log } from '../../ports/log.ts'
import type { Random } from '../../ports/random.ts'
import type { SlowHash } from '../../ports/slow-hash.ts'
import type { Keks, Keyring } from '../seal/keyring.ts'
import type { Store } from './store.ts'

export interface Domain {
  readonly database: Database
  readonly keks: Keks
  readonly keyring: Keyring
  readonly store: Store
  /** Hears of own commits; knows how far this node is. */
  readonly listener: Follower
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly slowHash: SlowHash
}
