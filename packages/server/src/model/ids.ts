/**
 * Branded identifiers, so that one noun's id cannot be passed where another's is meant. They are plain strings at run time.
 */
declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** `ten_…`: an isolated space of an API provider. */
export type TenantId = Branded<'tenant'>
/** `api_…`: a resource server. */
export type ApiId = Branded<'api'>
/** `con_…`: a party that holds keys. */
export type ConsumerId = Branded<'consumer'>
/** `kwk_<env>_…`: the public identity of a client, its OAuth `client_id`. */
export type KeyId = Branded<'key'>
/** `opr_…`: a person or program that administers a tenant. */
export type OperatorId = Branded<'operator'>

/** Milliseconds since 1970-01-01T00:00:00Z. Written on the wire as RFC 3339 in UTC. */
export type Instant = number

/** A tenant's journal position: 1 is its creation, without gaps. The revision of a row is the seq that made it. */
export type Seq = number

/** The tenant that exists from the first start on and whose owner makes other tenants. */
export const defaultTenantSlug = 'default'
