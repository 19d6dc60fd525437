/**
 * The client of the command line against real sockets: what it says when something is wrong, proxies, private authorities.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Secret } from '../model/secret.ts'
import { createClient } from './client.ts'

const token = new Secret('kwa_token')

function client(url: string, options: { readonly caFile?: string; readonly proxy?: NodeJS.ProcessEnv } = {}) {
  return createClient({ url, token, caFile: options.caFile, proxyEnvironment: options.proxy ?? {} })
}

test('nothing that listens is said in a sentence with a remedy', async () => {
  await assert.rejects(
    client('http://127.0.0.1:9').call('GET', '/'),
    /Nothing listens at 127\.0\.0\.1:9\. Is `keywright serve` running/,
  )
})

test('the rest of what can be wrong with the way to a server is said in sentences, too', async () => {
  for (const url of ['nonsense', 'ftp://x', 'localhost:8787', '']) {
    assert.throws(() => client(url), /takes http:\/\/HOST:PORT, https:\/\/HOST:PORT or unix:\/path/, url)
  }
  await assert.rejects(
    client('unix:/nowhere/kw.sock').call('GET', '/'),
    /Nothing listens at unix:\/nowhere\/kw\.sock\./,
  )
  await assert.rejects(client('http://no-such-host.invalid').call('GET', '/'), /is not known.*--url/)
})

test('a Unix socket is a place like any other, and a tenant stands before the path', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-client-'))
  const path = join(folder, 'kw.sock')
  const server = createServer((request, response) => response.end(JSON.stringify(request.url)))
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const proxyEnvironment = { HTTP_PROXY: 'http://127.0.0.1:9' }
  const through = createClient({ url: `unix:${path}`, tenant: 'acme', token, caFile: undefined, proxyEnvironment })
  assert.equal((await through.call('GET', '/v1/apis')).body, '/t/acme/v1/apis')
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

test('what goes to this machine in the clear passes by every proxy, which would see the token', async () => {
  const server = createServer((_request, response) => response.end('"here"'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const proxy = { HTTP_PROXY: 'http://127.0.0.1:9' }
  assert.equal((await client(`http://127.0.0.1:${port}`, { proxy }).call('GET', '/')).body, 'here')
  server.close()
})

test('a problem document becomes its title, its detail and each place', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(422, { 'content-type': 'application/problem+json' })
    response.end(
      JSON.stringify({
        title: 'A field is not valid',
        detail: 'Too long.',
        errors: [{ pointer: '/name', detail: 'Too long.' }],
      }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await assert.rejects(
    client(`http://127.0.0.1:${port}`).call('GET', '/'),
    /A field is not valid: Too long\.\n {2}\/name: Too long\./,
  )
  server.close()
})

test('an answer that is no JSON raises a doubt about the server', async () => {
  const server = createServer((_request, response) => response.end('<html>'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await assert.rejects(client(`http://127.0.0.1:${port}`).call('GET', '/'), /is it Keywright\?/)
  server.close()
})

describe('behind TLS with a private authority', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keywright-client-'))
  const cert = join(folder, 'cert.pem')
  const key = join(folder, 'key.pem')
  let server: ReturnType<typeof createTlsServer>
  let port = 0

  before(async () => {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject],
      { stdio: 'ignore' },
    )
    server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      response.end(JSON.stringify({ authorization: request.headers.authorization ?? '' }))
    })
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
    port = (server.address() as AddressInfo).port
  })
  after(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('an unknown certificate is refused, and --ca-file is named as the remedy', async () => {
    await assert.rejects(client(`https://localhost:${port}`).call('GET', '/'), /not trusted.*--ca-file/)
  })

  test('--ca-file makes it trusted', async () => {
    const answer = await client(`https://localhost:${port}`, { caFile: cert }).call('GET', '/')
    assert.deepEqual(answer.body, { authorization: 'Bearer kwa_token' })
  })

  test('HTTPS_PROXY leads through a real CONNECT proxy, which sees no token', async () => {
    const seen: string[] = []
    const proxy = createServer()
    proxy.on('connect', (request, socket, head) => {
      seen.push(`${request.url} ${request.headers.authorization ?? ''}`)
      const upstream = connect(port, 'localhost', () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
        upstream.write(head)
        upstream.pipe(socket).pipe(upstream)
      })
      upstream.on('error', () => socket.destroy())
      socket.on('error', () => upstream.destroy())
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const proxyPort = (proxy.address() as AddressInfo).port
    const through = client(`https://localhost:${port}`, {
      caFile: cert,
      proxy: { HTTPS_PROXY: `http://127.0.0.1:${proxyPort}` },
    })
    const answer = await through.call('GET', '/')
    assert.equal(answer.status, 200)
    assert.deepEqual(seen, [`localhost:${port} `])
    proxy.close()
    proxy.closeAllConnections()
  })
})
