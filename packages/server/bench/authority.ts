/**
 * The domain in the benchmark's own process, on the embedded database as it is shipped (write-ahead log, synchronous=FULL): an api, a consumer,
 * and keys made through the functions that the endpoints call.
 */
import { join } from 'node:path'
import { openDomain, startAuthority } from '../src/compose.ts'
import { readConfig } from '../src/config/read.ts'
import { Authenticator } from '../src/domain/access/authenticate.ts'
import type { Caller } from '../src/domain/access/caller.ts'
import { Throttle } from '../src/domain/access/throttle.ts'
import { createApi } from '../src/domain/apis/apis.ts'
import { createConsumer } from '../src/domain/consumers/consumers.ts'
import { createKey, type KeyInput } from '../src/domain/keys/keys.ts'
import type { Domain } from '../src/domain/records/domain.ts'
import { Secret } from '../src/model/secret.ts'
import { apiIdentifier, scope } from './dataset.ts'

export interface Opened {
  readonly domain: Domain
  readonly caller: Caller
  /** A key as most are: one grant, one item of meta. */
  readonly input: KeyInput
}

/** Founds an authority in `folder`, whose owner has `token`, and opens its domain. */
export async function openAuthority(folder: string, token: string): Promise<Opened> {
  const flags = {
    listen: '127.0.0.1:0',
    dataDir: join(folder, 'data'),
    kek: `file:${join(folder, 'kek', 'kek')}`,
    logLevel: 'silent',
  }
  const founded = await startAuthority(readConfig(flags, { KEYWRIGHT_OPERATOR_TOKEN: token }))
  await founded.stop()
  const domain = await openDomain(readConfig(flags, {}))
  await domain.listener.start()
  const authenticator = new Authenticator({ ...domain, throttle: new Throttle(domain.clock) })
  const caller = await authenticator.authenticate(new Secret(token), undefined, 'default')
  await createApi(domain, caller, {
    identifier: apiIdentifier,
    name: 'Orders',
    scopes: [{ name: scope, description: 'Read orders' }],
    token_format: 'jwt',
    token_ttl_seconds: 300,
    limits: [],
    meta: {},
  })
  const consumer = await createConsumer(domain, caller, {
    name: 'Acme',
    external_id: 'acme-42',
    keys_max: null,
    limits: [],
    quotas: [],
    credits: null,
    contacts: [],
    meta: {},
  })
  return { domain, caller, input: keyInput(consumer.id) }
}

function keyInput(consumerId: string): KeyInput {
  return {
    consumer_id: consumerId,
    name: 'Benchmark',
    environment: 'live',
    uses: ['bearer'],
    grants: [{ api: apiIdentifier, scopes: [scope] }],
    limits: [],
    quotas: [],
    credits: null,
    networks: null,
    not_before: null,
    expires_at: null,
    on_stale: 'refuse',
    max_staleness_seconds: 10,
    canary: false,
    meta: { plan: 'pro' },
  }
}

/** Makes `count` keys with `callers` at a time, each of which waits for its commit. `made` gets each secret. */
export async function createMany(
  { domain, caller, input }: Opened,
  count: number,
  callers: number,
  made: (secret: string) => void,
): Promise<void> {
  let begun = 0
  const call = async () => {
    while (begun < count) {
      begun += 1
      made((await createKey(domain, caller, input)).secret.value)
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
}
