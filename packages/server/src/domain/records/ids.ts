/**
 * Making ids. Twelve base62 digits (71 bits) are drawn anew in the rare case that they are taken: ids are unique over all tenants.
 */
import { randomBase62 } from '@keywright/credential/base62'
import { idDigits, randomDigits, writeCredential } from '@keywright/credential/credential'
import type { ApiId, ConsumerId, KeyId, OperatorId, TenantId } from '../../model/ids.ts'
import type { Environment } from '../../model/records.ts'
import { Secret } from '../../model/secret.ts'
import type { Random } from '../../ports/random.ts'

function digits(random: Random, count: number): string {
  return randomBase62((n) => random.bytes(n), count)
}

export const newTenantId = (random: Random) => `ten_${digits(random, idDigits)}` as TenantId
export const newApiId = (random: Random) => `api_${digits(random, idDigits)}` as ApiId
export const newConsumerId = (random: Random) => `con_${digits(random, idDigits)}` as ConsumerId

/** The id of an operator holds the same twelve digits as its tokens, so that a token found alone names its owner. */
export const operatorIdOf = (id: string) => `opr_${id}` as OperatorId
export const newOperatorDigits = (random: Random) => digits(random, idDigits)

export const newKeyDigits = (random: Random) => digits(random, idDigits)
export const keyIdOf = (environment: Environment, id: string) =>
  writeCredential({ kind: 'key', environment, id }) as KeyId

/** A fresh bearer secret for a key. */
export function newSecret(random: Random, environment: Environment, id: string): Secret {
  return new Secret(writeCredential({ kind: 'secret', environment, id, random: digits(random, randomDigits) }))
}

/** A fresh operator token. */
export function newOperatorToken(random: Random, id: string): Secret {
  return new Secret(writeCredential({ kind: 'operator', id, random: digits(random, randomDigits) }))
}
