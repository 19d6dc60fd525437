/**
 * A restore begins a new epoch of a tenant's feed: whoever followed the old one must start over.
 */
import type { TenantId } from '../../model/ids.ts'
import { commit } from '../journal/ledger.ts'
import { type ChangeDeps, systemActor } from '../records/change.ts'
import { updateRecord } from '../records/rows.ts'

/** Counts the tenant's epoch up by one, with its entry in the journal. */
export async function startEpoch(deps: ChangeDeps, tenant: TenantId): Promise<number> {
  const before = await deps.store.fresh('tenants', tenant, tenant)
  if (before === undefined) throw new Error('broken invariant: a tenant has its record')
  const epoch = before.record.epoch + 1
  await commit(deps, {
    tenant,
    steps: [
      {
        actor: systemActor,
        action: 'tenant.restore',
        target: { kind: 'tenant', id: tenant },
        changes: { epoch },
        writes: ({ seq, keys }) => updateRecord('tenants', before, { ...before.record, epoch }, seq, keys),
      },
    ],
    answer: () => epoch,
  })
  return epoch
}
