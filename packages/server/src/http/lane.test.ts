/** The lane before a listener, byte for byte against the same listener alone: on real sockets, however the request arrives. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { type Lane, withLane } from './lane.ts'

let lanes = 0
const answerTo = (body: string) => JSON.stringify({ body, length: body.length })

/** Answers whatever is no question, too, and so would show a request that the listener should have had. */
const lane: Lane = (_request, authorization, body) => {
  if (authorization !== 'Bearer known' || !body.startsWith('{')) return undefined
  lanes += 1
  return answerTo(body)
}

/** The ordinary route: reads the body as a stream, answers after it ended. */
function ordinary(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('error', () => undefined)
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const text = answerTo(Buffer.concat(chunks).toString('latin1'))
    response.writeHead(200, [
      ...['Content-Type', 'application/json', 'Cache-Control', 'no-store'],
      ...['X-Content-Type-Options', 'nosniff', 'Content-Length', String(text.length)],
    ])
    response.end(text)
  })
}

function start(listener: RequestListener) {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  return server
}
const [alone, behind] = [start(ordinary), start(withLane(lane, ordinary))]
before(() => Promise.all([alone, behind].map((server) => server.listening || once(server, 'listening'))))
after(() => {
  for (const server of [alone, behind]) {
    server.close()
    server.closeAllConnections()
  }
})

/** Everything that a server sends on one connection until it closes it, without the date. */
async function converse(server: typeof alone, pieces: readonly string[]): Promise<string> {
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true })
  let received = ''
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (const piece of pieces) {
    if (socket.writable) await new Promise((resolve) => socket.write(piece, 'latin1', resolve))
    await new Promise((resolve) => setImmediate(resolve))
  }
  socket.end()
  await closed
  return received.replaceAll(/^Date: .*\r\n/gm, '')
}

const body = '{"credential":"kws"}'
const head = (more: readonly string[] = [`Content-Length: ${body.length}`], first = 'POST /v1/verify HTTP/1.1') =>
  [first, 'Host: a', 'Authorization: Bearer known', 'Content-Type: application/json', ...more, '', ''].join('\r\n')
const whole = head() + body
const long = `{"credential":"${'a'.repeat(66_000)}"}`
const exact = `{"${'a'.repeat(65_533)}}`

/** `answered` is how many questions the lane itself must have answered, where the way of arrival makes that certain. */
const cases: readonly { why: string; pieces: readonly string[]; answered?: number }[] = [
  { why: 'in one piece', pieces: [whole], answered: 1 },
  { why: 'head and body apart', pieces: [head(), body] },
  { why: 'byte by byte', pieces: [...whole] },
  { why: 'a body in two pieces', pieces: [head() + body.slice(0, 5), body.slice(5)] },
  { why: 'three in one write', pieces: [whole + whole + whole] },
  { why: 'one after the other', pieces: [whole, whole] },
  { why: 'a second whose body follows later', pieces: [whole + head(), body] },
  { why: 'an ordinary one between', pieces: [whole + head(undefined, 'POST /other HTTP/1.1') + body + whole] },
  {
    why: 'Expect: 100-continue',
    pieces: [head([`Content-Length: ${body.length}`, 'Expect: 100-continue']), body],
    answered: 0,
  },
  {
    why: 'chunked',
    pieces: [`${head(['Transfer-Encoding: chunked'])}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`],
    answered: 0,
  },
  { why: 'a length that is too large', pieces: [head([`Content-Length: ${body.length + 5}`]) + body], answered: 0 },
  { why: 'a length that is no number', pieces: [head(['Content-Length: x']) + body], answered: 0 },
  { why: 'two lengths', pieces: [head(['Content-Length: 20', 'Content-Length: 21']) + body], answered: 0 },
  {
    why: 'length and chunks at once',
    pieces: [head(['Content-Length: 20', 'Transfer-Encoding: chunked']) + body],
    answered: 0,
  },
  { why: 'no body', pieces: [head(['Content-Length: 0'])], answered: 0 },
  { why: 'no length', pieces: [head([])], answered: 0 },
  { why: 'another method', pieces: [head(undefined, 'PUT /v1/verify HTTP/1.1') + body], answered: 0 },
  { why: 'a query', pieces: [head(undefined, 'POST /v1/verify?a=b HTTP/1.1') + body], answered: 0 },
  { why: 'HTTP/1.0', pieces: [head(undefined, 'POST /v1/verify HTTP/1.0') + body] },
  {
    why: 'Connection: close',
    pieces: [head([`Content-Length: ${body.length}`, 'Connection: close']) + body],
    answered: 1,
  },
  {
    why: 'two tokens',
    pieces: [head([`Content-Length: ${body.length}`, 'Authorization: Bearer known']) + body],
    answered: 0,
  },
  { why: 'two hosts', pieces: [head([`Content-Length: ${body.length}`, 'Host: b']) + body], answered: 0 },
  { why: 'an unknown token', pieces: [whole.replace('known', 'other')], answered: 0 },
  {
    why: 'a compressed body',
    pieces: [head([`Content-Length: ${body.length}`, 'Content-Encoding: gzip']) + body],
    answered: 0,
  },
  {
    why: 'a proxy between',
    pieces: [head([`Content-Length: ${body.length}`, 'X-Forwarded-For: 10.0.0.1']) + body],
    answered: 0,
  },
  { why: 'a body that is no question', pieces: [`${head(['Content-Length: 2'])}[]`], answered: 0 },
  { why: 'the longest ordinary body', pieces: [head([`Content-Length: ${exact.length}`]) + exact] },
  { why: 'a longer body', pieces: [head([`Content-Length: ${long.length}`]) + long], answered: 0 },
]

describe('with the lane exactly as without it', () => {
  for (const { why, pieces, answered } of cases) {
    test(why, async () => {
      lanes = 0
      const expected = await converse(alone, pieces)
      assert.match(expected, /^HTTP\/1\.1 /)
      assert.equal(await converse(behind, pieces), expected)
      if (answered !== undefined) assert.equal(lanes, answered, 'answered by the lane')
    })
  }
})

test('behind a body that is longer than its length nothing is answered any more; the lane may still answer the part that is whole', async () => {
  const pieces = [head([`Content-Length: ${body.length - 5}`]) + body]
  const refusal = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'
  assert.equal(await converse(alone, pieces), refusal)
  const received = await converse(behind, pieces)
  assert.ok(received.endsWith(refusal), received)
  const before = received.slice(0, -refusal.length)
  assert.ok(before === '' || before.endsWith(answerTo(body.slice(0, -5))), received)
  assert.equal(received.split('HTTP/1.1 ').length, before === '' ? 2 : 3)
})
