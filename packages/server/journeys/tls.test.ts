/**
 * The operator who serves TLS and renews the certificate under way, and who keeps the metrics to themselves.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { newPlace, startServer } from './harness.ts'

const place = newPlace('embedded')
after(() => place.leave())
const file = (name: string) => join(place.folder, name)

function makeCertificate(name: string): void {
  const parameters = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost']
  const made = spawnSync('openssl', [
    'req',
    ...parameters,
    ...subject,
    '-keyout',
    file(`${name}.key`),
    '-out',
    file(`${name}.pem`),
  ])
  assert.equal(made.status, 0, made.stderr?.toString())
}

function install(certificate: string, key = certificate): void {
  copyFileSync(file(`${key}.key`), file('key.pem'))
  copyFileSync(file(`${certificate}.pem`), file('cert.pem'))
}

/** Asks over a connection of its own; the name on the server's certificate and the status. */
function ask(
  port: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ readonly name: string; readonly status: number }> {
  const ca = ['first', 'second'].map((name) => readFileSync(file(`${name}.pem`)))
  return new Promise((resolve, reject) => {
    const asked = request({ host: 'localhost', port, path, ca, agent: false, headers }, (answer) => {
      const name = String((answer.socket as TLSSocket).getPeerCertificate().subject.CN)
      answer.resume().on('end', () => resolve({ name, status: answer.statusCode ?? 0 }))
    })
    asked.on('error', reject).end()
  })
}

before(() => {
  makeCertificate('first')
  makeCertificate('second')
})

test('a renewed certificate is put into use without a restart, and a pair that does not fit is not', async (context) => {
  install('first')
  const server = await startServer(place, ['--tls-cert', file('cert.pem'), '--tls-key', file('key.pem')], {
    KEYWRIGHT_METRICS_TOKEN: 'metrics-only',
  })
  context.after(() => server.kill())
  const { protocol, port } = new URL(server.url)
  assert.equal(protocol, 'https:')
  assert.deepEqual(await ask(port, '/livez'), { name: 'first', status: 200 })

  writeFileSync(file('cert.pem'), 'half a certif')
  while (!server.output().includes('tls.reload_failed')) await ask(port, '/livez')
  assert.equal((await ask(port, '/livez')).name, 'first')

  install('second')
  while (!server.output().includes('tls.reloaded')) await ask(port, '/livez')
  assert.deepEqual(await ask(port, '/livez'), { name: 'second', status: 200 })

  assert.equal((await ask(port, '/metrics')).status, 401)
  assert.equal((await ask(port, '/metrics', { authorization: `Bearer ${server.token}` })).status, 401)
  assert.equal((await ask(port, '/metrics', { authorization: 'Bearer metrics-only' })).status, 200)
  assert.equal(await server.stop(), 0)
})
