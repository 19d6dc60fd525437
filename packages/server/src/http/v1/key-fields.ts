/**
 * The fields of a key as they are sent, and what they become.
 */
import { type Static, Type } from 'typebox'
import type { KeyInput, KeyPatch } from '../../domain/keys/keys.ts'
import { present, readCredits, readInstantField, readLimits, readNetworks, readQuotas } from '../read.ts'
import {
  Answer,
  Credits,
  Environment,
  Grants,
  IdText,
  InstantText,
  Limits,
  Meta,
  NameText,
  Networks,
  OrNull,
  Quotas,
  Seconds,
  Shape,
  Uses,
} from '../schemas.ts'

const changeable = {
  name: Type.Optional(NameText),
  uses: Type.Optional(Uses),
  grants: Type.Optional(Grants),
  limits: Type.Optional(Limits),
  quotas: Type.Optional(Quotas),
  credits: Type.Optional(Credits),
  networks: Type.Optional(Networks),
  not_before: Type.Optional(OrNull(InstantText)),
  expires_at: Type.Optional(OrNull(InstantText)),
  on_stale: Type.Optional(Type.Enum(['refuse', 'allow'])),
  max_staleness_seconds: Type.Optional(Seconds(1, 3_600)),
  canary: Type.Optional(Type.Boolean()),
  meta: Type.Optional(Meta),
}

export const keyFields = { consumer_id: IdText, environment: Type.Optional(Environment), ...changeable }
export const KeyBody = Shape(keyFields)
export const KeyPatchBody = Shape(changeable)

export const Key = Answer('A key. Its secrets are never shown again.', {
  id: Type.String(),
  consumer_id: Type.String(),
  name: Type.String(),
  environment: Type.String(),
  state: Type.String(),
  seq: Type.Integer(),
})

type Sent = Static<typeof KeyPatchBody>

/** A patch: only what was sent. `null` clears what can be cleared; `pointer` is where the key stands in the body. */
export function readKeyPatch(body: Sent, pointer = ''): KeyPatch {
  const { limits, quotas, credits, networks, not_before, expires_at, ...rest } = body
  return {
    ...present(rest),
    ...(limits === undefined ? {} : { limits: readLimits(limits, `${pointer}/limits`) }),
    ...(quotas === undefined ? {} : { quotas: readQuotas(quotas, `${pointer}/quotas`) }),
    ...(credits === undefined ? {} : { credits: readCredits(credits, `${pointer}/credits`) }),
    ...(networks === undefined ? {} : { networks: readNetworks(networks, `${pointer}/networks`) }),
    ...(not_before === undefined ? {} : { not_before: readInstantField(not_before, `${pointer}/not_before`) }),
    ...(expires_at === undefined ? {} : { expires_at: readInstantField(expires_at, `${pointer}/expires_at`) }),
  }
}

/** A new key, with the defaults: enabled by the secret itself, able to do nothing until granted. */
export function readKeyInput(body: Static<typeof KeyBody>, pointer = ''): KeyInput {
  const { consumer_id, environment, ...rest } = body
  return {
    consumer_id,
    environment: environment ?? 'live',
    name: 'key',
    uses: ['bearer'],
    grants: [],
    limits: [],
    quotas: [],
    credits: null,
    networks: null,
    not_before: null,
    expires_at: null,
    on_stale: 'refuse',
    max_staleness_seconds: 10,
    canary: false,
    meta: {},
    ...readKeyPatch(rest, pointer),
  }
}
