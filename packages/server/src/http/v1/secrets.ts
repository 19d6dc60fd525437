/**
 * `/v1/keys/{id}/secrets`: the versions of a key's secret.
 */
import { Type } from 'typebox'
import {
  activateSecret,
  createSecret,
  listSecrets,
  overlapSecondsDefault,
  revokeSecret,
} from '../../domain/keys/secrets.ts'
import { Fault } from '../../model/fault.ts'
import { type Endpoint, endpoint, representation, requireParameter } from '../endpoint.ts'
import { readInstantField } from '../read.ts'
import { Answer, InstantText, OrNull, OverlapSeconds, Shape } from '../schemas.ts'

const issuers = ['owner', 'admin', 'issuer'] as const
const readers = ['owner', 'admin', 'issuer', 'auditor'] as const
const Version = Answer('A version of the secret.', { version: Type.Integer(), state: Type.String() })

function versionOf(parameters: Readonly<Record<string, string>>): number {
  const text = requireParameter(parameters, 'version')
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Fault('not-found', 'This key has no such version.')
  return Number(text)
}

export const secretEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/v1/keys/:id/secrets',
    tag: 'Secrets',
    summary: 'Rotate: make a new version of the secret',
    description: `The old versions live on for \`overlap_seconds\` (default ${overlapSecondsDefault}; 0 revokes them at once). A \`pending\` version verifies already and leaves the others as they are.`,
    roles: issuers,
    idempotent: true,
    conditional: true,
    example: { overlap_seconds: 3600 },
    body: Shape({
      state: Type.Optional(Type.Enum(['active', 'pending'])),
      overlap_seconds: OverlapSeconds,
      expires_at: Type.Optional(OrNull(InstantText)),
    }),
    bodyOptional: true,
    answers: {
      201: Answer('The new version and its value: here and never again.', {
        version: Type.Integer(),
        value: Type.String(),
      }),
    },
    handle: async ({ authority, caller, parameters, body, ifMatch }) =>
      representation(
        await createSecret(
          authority,
          caller,
          requireParameter(parameters, 'id'),
          {
            state: body.state ?? 'active',
            overlap_seconds: body.overlap_seconds ?? overlapSecondsDefault,
            expires_at: readInstantField(body.expires_at, '/expires_at'),
          },
          ifMatch,
        ),
        201,
      ),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/keys/:id/secrets',
    tag: 'Secrets',
    summary: 'List the versions of a key, newest first',
    roles: readers,
    answers: { 200: Type.Object({ data: Type.Array(Version) }) },
    handle: async ({ authority, caller, parameters }) => ({
      status: 200,
      body: await listSecrets(authority, caller, requireParameter(parameters, 'id')),
    }),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/keys/:id/secrets/:version/activate',
    tag: 'Secrets',
    summary: 'Promote a pending version, or take a retiring one back',
    roles: issuers,
    idempotent: true,
    conditional: true,
    body: Shape({ overlap_seconds: OverlapSeconds }),
    bodyOptional: true,
    answers: { 200: Version },
    handle: async ({ authority, caller, parameters, body, ifMatch }) =>
      representation(
        await activateSecret(
          authority,
          caller,
          requireParameter(parameters, 'id'),
          versionOf(parameters),
          body.overlap_seconds ?? overlapSecondsDefault,
          ifMatch,
        ),
      ),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/keys/:id/secrets/:version/revoke',
    tag: 'Secrets',
    summary: 'Revoke a version for cause, at once',
    roles: issuers,
    idempotent: true,
    conditional: true,
    body: Shape({}),
    bodyOptional: true,
    answers: { 200: Version },
    handle: async ({ authority, caller, parameters, ifMatch }) =>
      representation(
        await revokeSecret(authority, caller, requireParameter(parameters, 'id'), versionOf(parameters), ifMatch),
      ),
  }),
]
