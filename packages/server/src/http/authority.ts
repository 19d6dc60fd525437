/**
 * What the edge needs of the authority behind it: the domain, and the few things that only a running node has.
 */
import type { Authenticator } from '../domain/access/authenticate.ts'
import type { Domain } from '../domain/records/domain.ts'
import type { Network } from '../domain/access/networks.ts'
import type { VerifyDeps } from '../domain/verify/answer.ts'
import type { Metrics } from './metrics.ts'

export interface Authority extends Domain {
  readonly authenticator: Authenticator
  readonly verify: VerifyDeps
  readonly metrics: Metrics
  readonly publicUrl: string
  /** Proxies whose word about the client's address counts. */
  readonly trustedProxies: readonly Network[]
  readonly metricsToken: string | undefined
  /** Whether this node can answer at all, and what is amiss. */
  readiness(): { readonly ready: boolean; readonly degraded: readonly string[] }
}
