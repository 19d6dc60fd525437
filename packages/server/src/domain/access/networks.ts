/**
 * Networks and addresses: which ones a key may be used from, and which address a request came from. Text in, verdict out; no
 * sockets, no name resolution.
 *
 * An IPv4 address has one form here: `::ffff:10.1.2.3` (RFC 4291, 2.5.5.2) is read as `10.1.2.3`, since the same client shows
 * as either, depending on the listening socket. So networks are written in IPv4 too, and `::/0` means IPv6 only.
 *
 * The reading is done here because `node:net` is a room of sockets, and because its `BlockList` takes networks with host bits set.
 * The tests hold both to the same answers.
 */

/** An address as 32-bit words, most significant first: one for IPv4, four for IPv6. */
export type Address = { readonly family: 4 | 6; readonly words: readonly number[] }

/** All addresses whose first `prefixBits` bits are those of `words`. */
export type Network = Address & { readonly prefixBits: number }

/** Why a text is no network. Safe to log. */
export type UnusableNetwork = 'malformed' | 'not_canonical' | 'host_bits_set'

/** As it stands at a key: absent `in` is everywhere, empty `in` is nowhere; `not_in` wins. */
export type NetworkLists = { readonly in?: readonly string[]; readonly not_in?: readonly string[] }

/** The same, read. */
export type Networks = { readonly allowed: readonly Network[] | undefined; readonly denied: readonly Network[] }

/** The longest text of an address: a full IPv6 one with an IPv4 tail. */
export const addressLengthMax = 45

/** The longest text of a network: such an address, and `/128`. */
export const networkLengthMax = addressLengthMax + 4

/** Hops that are followed to the left of a proxy. More of them are a loop or an attack; the last one followed is the answer. */
export const forwardedHopsMax = 32

const mappedPrefix = 0xffff

/**
 * Reads a network in CIDR notation (RFC 4632, 3.1; RFC 4291, 2.3) or a single address. Exactly one spelling: IPv6 as RFC 5952 writes it, no
 * leading zeros, no zone, no host bits, IPv4 as IPv4. Anything else returns the reason, since a list that says something
 * else than its author believes is worse than a refused one.
 */
export function parseNetwork(text: string): Network | UnusableNetwork {
  if (text.length > networkLengthMax) return 'malformed'
  const slash = text.indexOf('/')
  const written = slash < 0 ? text : text.slice(0, slash)
  const address = parseAddress(written)
  if (address === undefined) return 'malformed'

  // By the family that was written: a mapped network may count to 128 and is then refused for not being written as IPv4.
  const bits = written.includes(':') ? 128 : 32
  const prefix = slash < 0 ? String(bits) : text.slice(slash + 1)
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(prefix) || Number(prefix) > bits) return 'malformed'
  if (formatAddress(address) !== written) return 'not_canonical'

  const prefixBits = Number(prefix)
  const hostBitsSet = address.words.some((word, index) => (word & ~maskOf(prefixBits - index * 32)) !== 0)
  return hostBitsSet ? 'host_bits_set' : { ...address, prefixBits }
}

/** Reads the lists of a key, or names the first text in them that is no network: a pointer below the lists, and why. */
export function parseNetworks(
  lists: NetworkLists,
): Networks | { readonly pointer: string; readonly reason: UnusableNetwork } {
  const read = { in: [] as Network[], not_in: [] as Network[] }
  for (const list of ['in', 'not_in'] as const) {
    for (const [index, text] of (lists[list] ?? []).entries()) {
      const network = parseNetwork(text)
      if (typeof network === 'string') return { pointer: `/${list}/${index}`, reason: network }
      read[list].push(network)
    }
  }
  return { allowed: lists.in === undefined ? undefined : read.in, denied: read.not_in }
}

/**
 * Reads an address in any spelling of RFC 4291, 2.2, since clients and proxies write several; dotted IPv4 without leading zeros, which
 * some read as octal. No zone (RFC 4007, 11): it means something on one machine only. Undefined for everything else.
 */
export function parseAddress(text: string): Address | undefined {
  if (text.length > addressLengthMax) return undefined
  if (!text.includes(':')) {
    const word = wordOfIPv4(text)
    return word === undefined ? undefined : { family: 4, words: [word] }
  }
  const words = wordsOfIPv6(text)
  if (words === undefined) return undefined
  const [first, second, third, last = 0] = words
  return first === 0 && second === 0 && third === mappedPrefix ? { family: 4, words: [last] } : { family: 6, words }
}

/** The one canonical text of an address: dotted decimal, or RFC 5952, section 4. */
export function formatAddress(address: Address): string {
  if (address.family === 4) {
    const word = address.words[0] ?? 0
    return [word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff].join('.')
  }
  const groups = address.words.flatMap((word) => [word >>> 16, word & 0xffff])
  const gap = longestZeros(groups)
  const hex = groups.map((group) => group.toString(16))
  if (gap.length < 2) return hex.join(':')
  return `${hex.slice(0, gap.from).join(':')}::${hex.slice(gap.from + gap.length).join(':')}`
}

/**
 * Whether a request from this address may use the key. An address that is unknown (`undefined`) passes only where there is nothing to
 * check it against.
 */
export function allows(networks: Networks, address: Address | undefined): boolean {
  const { allowed, denied } = networks
  if (address === undefined) return allowed === undefined && denied.length === 0
  if (denied.some((network) => contains(network, address))) return false
  return allowed === undefined || allowed.some((network) => contains(network, address))
}

/** Whether an address lies in a network. The families never meet. */
export function contains(network: Network, address: Address): boolean {
  if (network.family !== address.family) return false
  for (let index = 0; index * 32 < network.prefixBits; index += 1) {
    const differing = (network.words[index] ?? 0) ^ (address.words[index] ?? 0)
    if ((differing & maskOf(network.prefixBits - index * 32)) !== 0) return false
  }
  return true
}

/**
 * The address of the client, in canonical text. `peer` is the other end of the socket and `forwardedFor` the lines of `X-Forwarded-For` joined by
 * commas in their order. Each proxy appends whom it heard from, so entries are believed from the right, and only as far as every
 * speaker is a named proxy: what the first unnamed one claims about others is its own invention.
 *
 * An entry may carry a port, as some proxies write it. One that is no address ends the walk at the proxy that wrote it. A peer
 * without an address (a Unix socket) comes back as it is and is never a proxy.
 */
export function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  trustedProxies: readonly Network[],
): string {
  const socket = parseAddress(withoutZone(peer))
  if (socket === undefined) return peer
  let speaker = socket
  let end = forwardedFor?.length ?? 0
  for (let hop = 0; forwardedFor !== undefined && end >= 0 && hop < forwardedHopsMax; hop += 1) {
    if (!trustedProxies.some((network) => contains(network, speaker))) break
    const comma = end === 0 ? -1 : forwardedFor.lastIndexOf(',', end - 1)
    const heard = parseAddress(withoutPort(forwardedFor.slice(comma + 1, end).trim()))
    if (heard === undefined) break
    speaker = heard
    end = comma
  }
  return formatAddress(speaker)
}

/** A mask of the first bits of a word, for any count: all of it from 32 on, none from 0 down. */
function maskOf(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? -1 : -1 << (32 - bits)
}

/** The word of a dotted address, whose four octets have no leading zeros. */
function wordOfIPv4(text: string): number | undefined {
  let word = 0
  let octet = 0
  let digits = 0
  let octets = 0
  // Character by character: this runs for each address that a verifier names. One step beyond the end closes the last octet.
  for (let index = 0; index <= text.length; index += 1) {
    const code = index < text.length ? text.charCodeAt(index) : dot
    if (code === dot) {
      if (digits === 0 || octet > 255) return undefined
      word = (word << 8) | octet
      octets += 1
      octet = 0
      digits = 0
    } else {
      const leadingZero = digits === 1 && octet === 0
      if (code < zero || code > nine || leadingZero || digits === 3) return undefined
      octet = octet * 10 + code - zero
      digits += 1
    }
  }
  return octets === 4 ? word >>> 0 : undefined
}

const dot = 46
const zero = 48
const nine = 57

/** The four words of an IPv6 address: eight groups, or fewer and one `::` in the place of at least one. */
function wordsOfIPv6(text: string): number[] | undefined {
  const sides = text.split('::')
  if (sides.length > 2) return undefined
  const [left = '', right] = sides
  const head = groupsOf(left, right === undefined)
  const tail = right === undefined ? [] : groupsOf(right, true)
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (right === undefined ? missing !== 0 : missing < 1) return undefined
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  return [0, 2, 4, 6].map((at) => (((groups[at] ?? 0) << 16) | (groups[at + 1] ?? 0)) >>> 0)
}

/** The 16-bit groups of one side of `::`; where the address ends with it, its last part may be dotted IPv4. */
function groupsOf(side: string, endsAddress: boolean): number[] | undefined {
  if (side === '') return []
  const parts = side.split(':')
  const groups: number[] = []
  for (const [index, part] of parts.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
      continue
    }
    const word = endsAddress && index === parts.length - 1 ? wordOfIPv4(part) : undefined
    if (word === undefined) return undefined
    groups.push(word >>> 16, word & 0xffff)
  }
  return groups
}

/** The longest run of zero groups, the first of equal ones (RFC 5952, 4.2.3). */
function longestZeros(groups: readonly number[]): { from: number; length: number } {
  let longest = { from: 0, length: 0 }
  let from = 0
  for (const [index, group] of groups.entries()) {
    if (group !== 0) from = index + 1
    else if (index + 1 - from > longest.length) longest = { from, length: index + 1 - from }
  }
  return longest
}

/** Node appends the interface to a link-local peer; which interface it was does not change who it is. */
function withoutZone(peer: string): string {
  const percent = peer.indexOf('%')
  return percent < 0 ? peer : peer.slice(0, percent)
}

/** `10.1.2.3:4711`, `[2001:db8::1]:4711` and `[2001:db8::1]` without what is not the address. */
function withoutPort(entry: string): string {
  const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?$/.exec(entry)
  return parts?.[1] ?? parts?.[2] ?? entry
}

/**
 * Whether kept lists permit an address, where an empty `in` confines to nothing. Without an address that can be read, any confinement refuses; so
 * do lists that cannot be read.
 */
export function permits(
  lists: { readonly in: readonly string[]; readonly not_in: readonly string[] },
  source: string | undefined,
): boolean {
  const networks = parseNetworks(lists.in.length === 0 ? { not_in: lists.not_in } : lists)
  if ('reason' in networks) return false
  return allows(networks, source === undefined ? undefined : parseAddress(source))
}
