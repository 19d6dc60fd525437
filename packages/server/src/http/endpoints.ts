/**
 * Every endpoint. Routing, permissions, OpenAPI and the reference page follow from this list.
 */
import type { Endpoint } from './endpoint.ts'
import { operationEndpoints } from './operation/operation.ts'
import { apiEndpoints } from './v1/apis.ts'
import { auditEndpoints } from './v1/audit.ts'
import { consumerEndpoints } from './v1/consumers.ts'
import { forwardAuthEndpoints } from './v1/forward-auth.ts'
import { keyEndpoints } from './v1/keys.ts'
import { operatorEndpoints } from './v1/operators.ts'
import { secretEndpoints } from './v1/secrets.ts'
import { verifyEndpoints } from './v1/verify.ts'

export const endpoints: readonly Endpoint[] = [
  ...verifyEndpoints,
  ...forwardAuthEndpoints,
  ...keyEndpoints,
  ...secretEndpoints,
  ...consumerEndpoints,
  ...apiEndpoints,
  ...operatorEndpoints,
  ...auditEndpoints,
  ...operationEndpoints(() => endpoints),
]
