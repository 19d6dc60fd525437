/**
 * Idempotent creates: the answer to a POST with an `Idempotency-Key` is kept for ten minutes in the same transaction as its change, so that a caller
 * who lost it gets the same one, secret included. It is sealed under a key that is not stored (HKDF of operator token and Idempotency-Key) and
 * again under the tenant's DEK; its request body is remembered as a keyed MAC alone.
 */
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { Fault } from '../../model/fault.ts'
import type { TenantId } from '../../model/ids.ts'
import type { Secret } from '../../model/secret.ts'
import type { StoredReplay, Write } from '../../ports/database.ts'
import type { Domain } from '../records/domain.ts'
import { sha256Hex } from '../seal/digest.ts'
import { decrypt, encrypt, openSealed, type Sealer } from '../seal/sealer.ts'
import { macOf, sameMac } from '../seal/tenant-keys.ts'

export const replaySeconds = 600

export interface IdempotentCall {
  readonly tenant: TenantId
  readonly token: Secret
  readonly operatorId: string
  readonly method: string
  readonly path: string
  readonly idempotencyKey: string
  /** The body as it came. */
  readonly body: string
}

export type Begun =
  | { readonly replay: unknown }
  | { keep(answer: unknown, sealer: Sealer): readonly Write[]; done(): void }

/** Calls that are being answered by this node. */
const inFlight = new WeakMap<object, Set<string>>()

/** Looks for the answer of an earlier call, or begins this one. 409 where the body differs or the first call is still in flight. */
export async function beginReplay(
  domain: Pick<Domain, 'database' | 'keyring' | 'clock' | 'random'>,
  call: IdempotentCall,
): Promise<Begun> {
  const scope = sha256Hex(
    [call.tenant, call.operatorId, call.method, call.path, call.idempotencyKey]
      .map((part) => `${part.length}:${part}`)
      .join(''),
  )
  const flights = inFlight.get(domain.database) ?? new Set<string>()
  inFlight.set(domain.database, flights)
  if (flights.has(scope))
    throw new Fault('conflict', 'The first request with this Idempotency-Key is still being answered.', {
      retryAfterSeconds: 1,
    })
  flights.add(scope)
  const done = () => void flights.delete(scope)
  try {
    const caller = callerKey(call)
    const bodyMac = macOf(caller, ['body', call.body])
    const keys = await domain.keyring.of(call.tenant)
    const stored = await domain.database.replay(scope)
    const now = domain.clock.now()
    if (stored !== undefined && stored.expires_at > now) {
      if (!sameMac(stored.body_mac, bodyMac)) {
        throw new Fault('conflict', 'This Idempotency-Key was used with another body.')
      }
      const opened = openSealed(keys, 'replay', stored.sealed, [scope])
      const answer = opened === undefined ? undefined : decrypt(caller, opened, scope)
      if (answer === undefined)
        throw new Fault('conflict', 'The answer kept for this Idempotency-Key cannot be opened.')
      done()
      return { replay: JSON.parse(answer) }
    }
    return { keep: (answer, sealer) => keepAnswer(domain, caller, scope, bodyMac, answer, sealer, stored), done }
  } catch (error) {
    done()
    throw error
  }
}

function keepAnswer(
  domain: Pick<Domain, 'clock' | 'random'>,
  caller: KeyObject,
  scope: string,
  bodyMac: string,
  answer: unknown,
  sealer: Sealer,
  outdated: StoredReplay | undefined,
): Write[] {
  const inner = encrypt(caller, JSON.stringify(answer), scope, domain.random)
  const values = {
    scope,
    body_mac: bodyMac,
    sealed: sealer.seal('replay', inner, [scope]),
    expires_at: domain.clock.now() + replaySeconds * 1000,
  }
  return [
    ...(outdated === undefined
      ? []
      : [{ kind: 'delete', table: 'replays', where: { scope, expires_at: outdated.expires_at } } as const]),
    { kind: 'insert', table: 'replays', values },
  ]
}

/** The key that only the caller can make again. */
function callerKey(call: IdempotentCall): KeyObject {
  const bytes = hkdfSync('sha256', call.token.reveal(), call.idempotencyKey, 'keywright/v1 replay', 32)
  return createSecretKey(Buffer.from(bytes))
}
