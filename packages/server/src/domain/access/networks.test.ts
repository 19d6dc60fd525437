/** Networks read in one spelling only, addresses in every form of the same one, and clients counted from the right. */
import assert from 'node:assert/strict'
import { BlockList, isIP } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  allows,
  clientAddress,
  contains,
  formatAddress,
  type Network,
  type NetworkLists,
  type Networks,
  networkLengthMax,
  parseAddress,
  parseNetwork,
  parseNetworks,
} from './networks.ts'

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()

function networksOf(lists: NetworkLists): Networks {
  const networks = parseNetworks(lists)
  assert.ok('denied' in networks, JSON.stringify(networks))
  return networks
}

function networkList(...texts: string[]): Network[] {
  return texts.map((text) => {
    const network = parseNetwork(text)
    assert.ok(typeof network !== 'string', `${text} ${String(network)}`)
    return network
  })
}

const networks: [text: string, expected: string | number][] = [
  ['10.0.0.0/8', 8],
  ['10.1.2.3', 32],
  ['10.1.2.3/32', 32],
  ['0.0.0.0/0', 0],
  ['192.168.128.0/17', 17],
  ['255.255.255.255', 32],
  ['::/0', 0],
  ['::1', 128],
  ['2001:db8::/32', 32],
  ['2001:db8:0:1::/64', 64],
  ['2001:db8:8000::/33', 33],
  ['fe80::/10', 10],
  ['1:2:3:4:5:6:7:8/128', 128],
  ['64:ff9b::/96', 96],
  ['10.1.0.0/8', 'host_bits_set'],
  ['10.0.0.1/0', 'host_bits_set'],
  ['10.0.0.1/31', 'host_bits_set'],
  ['128.0.0.0/0', 'host_bits_set'],
  ['2001:db8::1/64', 'host_bits_set'],
  ['2001:db8:0:1::/63', 'host_bits_set'],
  ['::1/0', 'host_bits_set'],
  ['2001:DB8::/32', 'not_canonical'],
  ['2001:0db8::/32', 'not_canonical'],
  ['2001:db8:0:0::/64', 'not_canonical'],
  ['2001:db8::0/64', 'not_canonical'],
  ['0:0:0:0:0:0:0:1', 'not_canonical'],
  ['1::2:3:4:5:6:7', 'not_canonical'],
  ['::ffff:10.0.0.0/104', 'not_canonical'],
  ['::ffff:10.1.2.3', 'not_canonical'],
  ['::ffff:a01:203/128', 'not_canonical'],
  ['::1.2.3.4', 'not_canonical'],
  ['', 'malformed'],
  ['/', 'malformed'],
  ['/8', 'malformed'],
  ['10.0.0.0/', 'malformed'],
  ['10.0.0.0/33', 'malformed'],
  ['10.0.0.0/08', 'malformed'],
  ['10.0.0.0/-1', 'malformed'],
  ['10.0.0.0/+8', 'malformed'],
  ['10.0.0.0/8.0', 'malformed'],
  ['10.0.0.0/1e1', 'malformed'],
  ['10.0.0.0/8/8', 'malformed'],
  ['10.0.0.0/255.0.0.0', 'malformed'],
  ['10.0.0.0/8 ', 'malformed'],
  [' 10.0.0.0/8', 'malformed'],
  ['10.0.0.0 /8', 'malformed'],
  ['10.0.0.0/8\n', 'malformed'],
  ['010.0.0.0/8', 'malformed'],
  ['10.0.0.00', 'malformed'],
  ['10.0.0/8', 'malformed'],
  ['10', 'malformed'],
  ['0x0a.0.0.0', 'malformed'],
  ['167772160', 'malformed'],
  ['10.0.0.256', 'malformed'],
  ['10.0.0.*', 'malformed'],
  ['10.0.0.1-10.0.0.9', 'malformed'],
  ['::/129', 'malformed'],
  ['::ffff:10.0.0.0/129', 'malformed'],
  ['fe80::1%eth0', 'malformed'],
  ['fe80::%eth0/64', 'malformed'],
  ['[::1]', 'malformed'],
  ['1::2::3', 'malformed'],
  ['12345::', 'malformed'],
  ['localhost', 'malformed'],
  ['1'.repeat(networkLengthMax + 1), 'malformed'],
]
for (const [text, expected] of networks) {
  test(`network ${JSON.stringify(text.slice(0, 40))}: ${expected}`, () => {
    const network = parseNetwork(text)
    assert.equal(typeof network === 'string' ? network : network.prefixBits, expected)
  })
}

const addresses: [text: string, canonical: string | undefined][] = [
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::FFFF:10.1.2.3', '10.1.2.3'],
  ['::ffff:a01:203', '10.1.2.3'],
  ['0:0:0:0:0:ffff:10.1.2.3', '10.1.2.3'],
  ['255.255.255.255', '255.255.255.255'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:db8::0001', '2001:db8::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:0:3:4:5:6:7:8', '1:0:3:4:5:6:7:8'],
  ['::', '::'],
  ['1::', '1::'],
  ['::8', '::8'],
  ['::10.1.2.3', '::a01:203'],
  ['::ffff:0:10.1.2.3', '::ffff:0:a01:203'],
  ['64:ff9b::10.1.2.3', '64:ff9b::a01:203'],
  ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['', undefined],
  ['10.1.2.03', undefined],
  ['10.1.2', undefined],
  ['10.1.2.3 ', undefined],
  ['10.1.2.3/32', undefined],
  ['10.1.2.3:80', undefined],
  ['fe80::1%eth0', undefined],
  ['::ffff:10.1.2.03', undefined],
  ['[::1]', undefined],
  ['unknown', undefined],
  [':::', undefined],
  [':1:2:3:4:5:6:7', undefined],
  ['1:2:3:4:5:6:7', undefined],
  ['1:2:3:4:5:6:7:8:9', undefined],
  ['1:2:3:4::5:6:7:8', undefined],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['1.2.3.4::', undefined],
  ['::1.2.3.4:5', undefined],
  [':'.repeat(10_000_000), undefined],
]
for (const [text, canonical] of addresses) {
  test(`address ${JSON.stringify(text.slice(0, 40))}: ${canonical ?? 'none'}`, () => {
    const address = parseAddress(text)
    assert.equal(address && formatAddress(address), canonical)
  })
}

test('a text without a zone is an address exactly when Node says so', () => {
  const piece = fc.constantFrom(
    ':',
    ':',
    '::',
    '.',
    '0',
    '1',
    '10',
    '010',
    '255',
    '256',
    'ffff',
    'FfFf',
    'g',
    '12345',
    '1.2.3.4',
    ' ',
  )
  const groups = fc.array(fc.constantFrom('0', '1', 'ab', 'ffff', '', '1.2.3.4'), { maxLength: 10 })
  const texts = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
    groups.map((parts) => parts.join(':')),
    fc.array(fc.constantFrom('0', '9', '99', '255', '256', '00', ''), { maxLength: 5 }).map((parts) => parts.join('.')),
  )
  fc.assert(
    fc.property(texts, (text) => {
      const address = parseAddress(text)
      assert.equal(address !== undefined, isIP(text) !== 0, text)
    }),
    { numRuns: 5000 },
  )
})

test('the canonical text of an address reads back as the same address', () => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), (text) => {
      const address = parseAddress(text)
      assert.ok(address)
      const canonical = formatAddress(address)
      assert.deepEqual(parseAddress(canonical), address)
      const network = parseNetwork(canonical)
      assert.ok(typeof network !== 'string')
      assert.ok(contains(network, address))
    }),
  )
})

test('the canonical text of an IPv6 address is the one that URLs use', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, 0, 1, 0xab, 0xffff), { minLength: 8, maxLength: 8 }), (groups) => {
      const text = groups.map((group) => group.toString(16)).join(':')
      const address = parseAddress(text)
      assert.ok(address)
      fc.pre(address.family === 6)
      assert.equal(`[${formatAddress(address)}]`, new URL(`http://[${text}]/`).hostname)
    }),
  )
})

test('a network holds what the block list of Node says it holds', () => {
  const ofFamily = (family: 'ipv4' | 'ipv6', text: typeof ipv4, bits: number) =>
    fc.record({
      family: fc.constant(family),
      base: text,
      other: text,
      prefix: fc.nat({ max: bits }),
      near: fc.boolean(),
    })
  fc.assert(
    fc.property(fc.oneof(ofFamily('ipv4', ipv4, 32), ofFamily('ipv6', ipv6, 128)), (drawn) => {
      const { family, base, prefix } = drawn
      const first = parseAddress(base)
      const far = parseAddress(drawn.other)
      assert.ok(first && far)
      fc.pre(first.family === far.family && `ipv${first.family}` === family)
      // Half of the addresses differ from the base in their last word only, so that long prefixes are met too.
      const words = drawn.near ? [...first.words.slice(0, -1), far.words.at(-1) ?? 0] : far.words
      const address = { family: first.family, words }
      const list = new BlockList()
      list.addSubnet(base, prefix, family)
      assert.equal(contains({ ...first, prefixBits: prefix }, address), list.check(formatAddress(address), family))
    }),
    { numRuns: 500 },
  )
})

type Verdict = { title: string; lists: NetworkLists; passes: string[]; fails: string[] }
const verdicts: Verdict[] = [
  {
    title: 'F-31 a network is compared as a network, in both forms of the address',
    lists: { in: ['10.0.0.0/8'] },
    passes: ['10.1.2.3', '::ffff:10.1.2.3', '::ffff:a01:203', '10.0.0.0', '10.255.255.255'],
    fails: ['11.0.0.0', '9.255.255.255', '::ffff:11.0.0.0', '::10.1.2.3', '::1', 'a00::'],
  },
  { title: 'no lists', lists: {}, passes: ['10.1.2.3', '::1'], fails: [] },
  { title: 'an empty list of allowed networks', lists: { in: [] }, passes: [], fails: ['10.1.2.3', '::1'] },
  { title: 'an empty list of denied networks', lists: { not_in: [] }, passes: ['10.1.2.3', '::1'], fails: [] },
  {
    title: 'denied inside allowed',
    lists: { in: ['10.0.0.0/8'], not_in: ['10.9.0.0/16'] },
    passes: ['10.8.255.255', '10.10.0.0'],
    fails: ['10.9.0.0', '10.9.255.255', '::ffff:10.9.1.1', '11.0.0.1'],
  },
  {
    title: 'denied outweighs a narrower allowed',
    lists: { in: ['10.9.1.1'], not_in: ['10.0.0.0/8'] },
    passes: [],
    fails: ['10.9.1.1'],
  },
  {
    title: 'denied alone',
    lists: { not_in: ['2001:db8::/33'] },
    passes: ['2001:db8:8000::', '10.1.2.3'],
    fails: ['2001:db8:7fff::1'],
  },
  {
    title: 'all of IPv6 is no IPv4',
    lists: { in: ['::/0'] },
    passes: ['::1', '2001:db8::'],
    fails: ['10.1.2.3', '::ffff:10.1.2.3'],
  },
  {
    title: 'all of IPv4 is no IPv6',
    lists: { in: ['0.0.0.0/0'] },
    passes: ['::ffff:1.2.3.4', '255.1.2.3'],
    fails: ['::1'],
  },
  {
    title: 'several networks',
    lists: { in: ['10.1.2.3', '::1', '192.0.2.0/24'] },
    passes: ['::1', '192.0.2.9'],
    fails: ['10.1.2.4', '::2'],
  },
]
for (const { title, lists, passes, fails } of verdicts) {
  test(title, () => {
    const read = networksOf(lists)
    for (const text of passes) assert.equal(allows(read, parseAddress(text)), true, text)
    for (const text of fails) assert.equal(allows(read, parseAddress(text)), false, text)
  })
}

test('an unknown address is refused as soon as there is anything to check', () => {
  assert.equal(allows(networksOf({}), undefined), true)
  assert.equal(allows(networksOf({ in: [] }), undefined), false)
  assert.equal(allows(networksOf({ in: ['0.0.0.0/0', '::/0'] }), undefined), false)
  assert.equal(allows(networksOf({ not_in: ['192.0.2.1'] }), undefined), false)
})

test('a network that cannot be used is named by its place', () => {
  assert.deepEqual(parseNetworks({ in: ['10.0.0.0/8', '10.0.0.1/8'] }), { pointer: '/in/1', reason: 'host_bits_set' })
  assert.deepEqual(parseNetworks({ in: ['::1'], not_in: ['x'] }), { pointer: '/not_in/0', reason: 'malformed' })
})

type Hops = { title: string; peer?: string; forwarded: string | undefined; client: string }
const proxy = '10.0.0.5'
const proxies = networkList('10.0.0.0/24', '2001:db8:1::/48')
const hops: Hops[] = [
  {
    title: 'F-30 a peer that is no named proxy is the client, whatever it claims',
    peer: '198.51.100.7',
    forwarded: '192.0.2.1',
    client: '198.51.100.7',
  },
  { title: 'F-30 the leftmost entry is not believed', forwarded: '192.0.2.66, 198.51.100.7', client: '198.51.100.7' },
  {
    title: 'F-30 a named proxy among the claims of a client changes nothing',
    forwarded: '192.0.2.66, 10.0.0.9, 198.51.100.7',
    client: '198.51.100.7',
  },
  { title: 'one proxy', forwarded: '198.51.100.7', client: '198.51.100.7' },
  { title: 'two proxies', forwarded: '192.0.2.66, 198.51.100.7, 10.0.0.6', client: '198.51.100.7' },
  { title: 'proxies of both families', forwarded: '198.51.100.7,2001:db8:1::9 ,10.0.0.6', client: '198.51.100.7' },
  {
    title: 'a proxy on a socket for both families',
    peer: '::ffff:10.0.0.5',
    forwarded: '198.51.100.7',
    client: '198.51.100.7',
  },
  {
    title: 'a client on a socket for both families',
    peer: '::ffff:198.51.100.7',
    forwarded: undefined,
    client: '198.51.100.7',
  },
  { title: 'no header: the proxy itself asks', forwarded: undefined, client: proxy },
  { title: 'an empty header', forwarded: '', client: proxy },
  { title: 'named proxies all the way: the first of them', forwarded: '10.0.0.7, 10.0.0.6', client: '10.0.0.7' },
  { title: 'an entry that is no address', forwarded: '192.0.2.66, unknown', client: proxy },
  { title: 'an empty last entry', forwarded: '192.0.2.66,', client: proxy },
  { title: 'an empty first entry', forwarded: ',10.0.0.6', client: '10.0.0.6' },
  { title: 'a name instead of an address', forwarded: 'localhost', client: proxy },
  { title: 'an entry with leading zeros', forwarded: '198.51.100.07', client: proxy },
  { title: 'an entry with a port', forwarded: '198.51.100.7:4711', client: '198.51.100.7' },
  { title: 'an IPv6 entry with a port', forwarded: '[2001:DB8::7]:4711', client: '2001:db8::7' },
  { title: 'an IPv6 entry in brackets', forwarded: '[2001:db8::7]', client: '2001:db8::7' },
  { title: 'an IPv6 entry in another spelling', forwarded: '2001:0db8:0::7', client: '2001:db8::7' },
  { title: 'a mapped entry', forwarded: '::ffff:198.51.100.7', client: '198.51.100.7' },
  { title: 'a link-local peer with its interface', peer: 'fe80::1%eth0', forwarded: '192.0.2.1', client: 'fe80::1' },
  { title: 'a peer without address', peer: '', forwarded: '192.0.2.1', client: '' },
  { title: 'a chain without end', forwarded: '10.0.0.8,'.repeat(5000), client: proxy },
  { title: 'a chain longer than is followed', forwarded: `198.51.100.7${',10.0.0.8'.repeat(40)}`, client: '10.0.0.8' },
]
for (const { title, peer = proxy, forwarded, client } of hops) {
  test(title, () => {
    assert.equal(clientAddress(peer, forwarded, proxies), client)
  })
}

test('nothing that a client writes to the left of a named proxy changes the answer', () => {
  fc.assert(
    fc.property(fc.string(), ipv4, (claims, client) => {
      fc.pre(!client.startsWith('10.0.0.'))
      assert.equal(clientAddress(proxy, `${claims}, ${client}`, proxies), client)
    }),
  )
})
