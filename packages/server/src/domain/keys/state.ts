/**
 * The state of a key: enabled, disabled, revoked, and back from revoked within 30 days, with all its credentials dead for ever.
 */
import { Fault } from '../../model/fault.ts'
import type { KeyRecord } from '../../model/records.ts'
import type { Caller } from '../access/caller.ts'
import { seesKey } from '../access/caller.ts'
import type { Stamp } from '../journal/ledger.ts'
import { type Alteration, type ChangeDeps, changeRecord, type IfMatch } from '../records/change.ts'
import type { Loaded } from '../records/rows.ts'
import { visibleKey } from './keys.ts'
import { identifiersOf, type KeyAnswer, presentKey } from './present.ts'
import { revokeVersion } from './versions.ts'

export type KeyVerb = 'enable' | 'disable' | 'revoke' | 'restore'

/** How long a revoked key can be restored. */
export const restorableSeconds = 30 * 86_400

/** Changes a key's state. What is so already stays as it is and writes nothing. */
export async function changeKeyState(
  deps: ChangeDeps,
  caller: Caller,
  id: string,
  verb: KeyVerb,
  ifMatch?: IfMatch,
): Promise<KeyAnswer> {
  const key = await visibleKey(deps, caller, id)
  const identifiers = await identifiersOf(deps.store, caller.tenant, key.record.grants)
  return await changeRecord(
    deps,
    caller,
    'keys',
    key.record.id,
    (before) => verbs[verb](before, deps),
    (after) => presentKey(after, identifiers),
    {
      ifMatch,
      visible: (record) => seesKey(caller, record),
      conflict: (write) =>
        write.table === 'consumers'
          ? new Fault('conflict', 'The consumer of this key is gone, so it cannot be restored.')
          : new Fault('conflict', 'An api that this key was granted is gone, so it cannot be restored.'),
    },
  )
}

type Verb = (before: Loaded<'keys'>, deps: ChangeDeps) => Alteration<'keys'> | undefined

const verbs: Readonly<Record<KeyVerb, Verb>> = {
  enable: (before) => setState(before, 'enabled', 'key.enable'),
  disable: (before) => setState(before, 'disabled', 'key.disable'),
  revoke: ({ record }) =>
    record.state === 'revoked'
      ? undefined
      : {
          action: 'key.revoke',
          changes: { state: 'revoked' },
          make: ({ at }: Stamp): KeyRecord => ({
            ...record,
            state: 'revoked',
            revoked_at: at,
            versions: record.versions.map((version) => revokeVersion(version, at)),
          }),
        },
  restore: ({ record }, deps) => {
    if (record.state !== 'revoked') throw new Fault('conflict', 'This key is not revoked.')
    if (deps.clock.now() > (record.revoked_at ?? 0) + restorableSeconds * 1000) {
      throw new Fault('conflict', 'This key was revoked more than 30 days ago and cannot be restored any more.')
    }
    return {
      action: 'key.restore',
      changes: { state: 'enabled' },
      conditions: [
        { kind: 'require', table: 'consumers', where: { id: record.consumer_id } },
        ...record.grants.map((grant) => ({
          kind: 'require' as const,
          table: 'apis' as const,
          where: { id: grant.api },
        })),
      ],
      make: () => ({ ...record, state: 'enabled', revoked_at: null }),
    }
  },
}

function setState(
  { record }: Loaded<'keys'>,
  state: 'enabled' | 'disabled',
  action: string,
): Alteration<'keys'> | undefined {
  if (record.state === 'revoked') throw new Fault('conflict', 'This key is revoked. Only a restore leads out of that.')
  if (record.state === state) return undefined
  return { action, changes: { state }, make: () => ({ ...record, state }) }
}
