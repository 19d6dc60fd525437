/**
 * The HTTP server: the one file that knows the framework. It routes, limits, and turns replies into bytes; what an endpoint does is in `run.ts`.
 */
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { createServer, METHODS, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { Fault } from '../model/fault.ts'
import type { Authority } from './authority.ts'
import { InFlight } from './draining.ts'
import type { Endpoint, Reply } from './endpoint.ts'
import { forgetHead } from './forget.ts'
import { type Lane, withLane } from './lane.ts'
import { writeSocketProblem } from './problem.ts'
import { withStrictHttp } from './strict.ts'
import { freeSocket, keepToOwner } from './unix-socket.ts'
import { failed, run } from './run.ts'
import type { Incoming } from './request.ts'

export const bodyBytesMax = 1_048_576
const headerBytesMax = 16_384
const keepAliveTimeoutMilliseconds = 65_000

/** How long a client and a stopping server may take. */
export interface Timeouts {
  /** From the first byte of a request, or from connecting, to the end of its head. */
  readonly headersMilliseconds: number
  /** To the end of its body. */
  readonly requestMilliseconds: number
  /** How often the two above are looked at. */
  readonly checkMilliseconds: number
  /** For what is in flight when the server is told to stop. */
  readonly drainMilliseconds: number
}

const timeoutsDefault: Timeouts = {
  headersMilliseconds: 10_000,
  requestMilliseconds: 30_000,
  checkMilliseconds: 2_000,
  drainMilliseconds: 14_000,
}

/** Where to listen: `host:port`, or a Unix socket. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly socket: string }

export interface ServerOptions {
  readonly authority: Authority
  readonly endpoints: readonly Endpoint[]
  readonly lane: Lane | undefined
  /** Certificate chain and key in PEM, for TLS. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  readonly timeouts?: Timeouts
}

export interface HttpServer {
  /** Listens; the URL by which it is reached. */
  listen(address: ListenAddress): Promise<string>
  /** Puts another certificate into use for new connections. */
  replaceTls(tls: { readonly cert: string; readonly key: string }): void
  /** Answers those in flight, and meanwhile new ones with `Connection: close`; then closes. */
  stop(): Promise<void>
}

/** Every method but those that are no requests for a resource. */
const anyMethods = METHODS.filter((method) => method !== 'CONNECT' && method !== 'TRACE')
const bodilessMethods = new Set(['GET', 'HEAD', 'TRACE', 'CONNECT'])

export async function createHttpServer(options: ServerOptions): Promise<HttpServer> {
  const state: State = { draining: false, inFlight: new InFlight() }
  const newRequestId = () => Buffer.from(options.authority.random.bytes(12)).toString('base64url')
  let server: Server | TlsServer | undefined
  const app = fastify({
    bodyLimit: bodyBytesMax,
    logger: false,
    genReqId: newRequestId,
    // While draining, requests that still come are answered like any other.
    return503OnClosing: false,
    // The framework's own answers to these two would repeat the path.
    frameworkErrors: (error, request, reply) => {
      send(reply, failed(options.authority, 'framework', ofFramework(error), String(request.id)), state)
    },
    clientErrorHandler: (error, socket) => refuseOnSocket(error, socket, newRequestId()),
    routerOptions: { maxParamLength: 1_024, ignoreTrailingSlash: false, caseSensitive: true },
    serverFactory: (handler) => {
      server = makeServer(options, withStrictHttp(handler as RequestListener, newRequestId), () => state.draining)
      return server
    },
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.addHook('onRequest', (_request, reply, done) => {
    state.inFlight.add(reply.raw)
    done()
  })
  app.addHook('onResponse', (request, _reply, done) => {
    forgetHead(request.raw)
    done()
  })
  addMethods(app)
  for (const endpoint of options.endpoints) addRoutes(app, options, endpoint, state)
  app.setNotFoundHandler((request, reply) => send(reply, missing(options, request, String(request.id)), state))
  app.setErrorHandler((error, request, reply) => {
    send(reply, failed(options.authority, 'framework', ofFramework(error), String(request.id)), state)
  })
  await app.ready()
  await warmUp()
  return {
    listen: (address) => listen(app, options, address),
    replaceTls: (tls) => (server as TlsServer | undefined)?.setSecureContext?.(tls),
    stop: () => stop(app, options, state),
  }
}

interface State {
  draining: boolean
  readonly inFlight: InFlight
}

/** Waits for what is in flight, then closes; what is not done by the end of the time for it is cut off. */
async function stop(app: FastifyInstance, { authority, timeouts }: ServerOptions, state: State): Promise<void> {
  state.draining = true
  authority.log.info('serve.draining', { in_flight: state.inFlight.size })
  const enough = new AbortController()
  const time = authority.clock.sleep((timeouts ?? timeoutsDefault).drainMilliseconds, enough.signal)
  await Promise.race([state.inFlight.settled(), time])
  const closed = app.close()
  app.server.closeIdleConnections()
  await Promise.race([closed, time])
  app.server.closeAllConnections()
  enough.abort()
  await closed
}

/** What could not even be read as a request, in the same form as all errors. */
function refuseOnSocket(error: Error & { readonly code?: string }, socket: Duplex, requestId: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  socket.end(writeSocketProblem(error.code, requestId), () => socket.destroy())
}

/** Teaches the framework the methods it does not know. */
function addMethods(app: FastifyInstance): void {
  for (const method of anyMethods) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: !bodilessMethods.has(method) })
  }
}

function makeServer(options: ServerOptions, framework: RequestListener, draining: () => boolean): Server | TlsServer {
  const timeouts = options.timeouts ?? timeoutsDefault
  const settings = {
    maxHeaderSize: headerBytesMax,
    headersTimeout: timeouts.headersMilliseconds,
    requestTimeout: timeouts.requestMilliseconds,
    keepAliveTimeout: keepAliveTimeoutMilliseconds,
    connectionsCheckingInterval: timeouts.checkMilliseconds,
    noDelay: true,
    // `strict.ts` asks for it, with an answer in our own form.
    requireHostHeader: false,
  }
  const { lane } = options
  const listener =
    lane === undefined ? framework : withLane((...question) => (draining() ? undefined : lane(...question)), framework)
  const server =
    options.tls === undefined
      ? createServer(settings, listener)
      : createTlsServer({ ...settings, ...options.tls, minVersion: 'TLSv1.2' }, listener)
  // An expectation other than 100-continue may be ignored (RFC 9110 section 10.1.1).
  return server.on('checkExpectation', framework)
}

/**
 * With the framework ready in the process, V8 settles early on a bad form of `process.nextTick`, on which the lane stands; taught on monomorphic calls
 * first, it keeps the good one. Measured: 24 against 20 µs of CPU a request.
 */
async function warmUp(): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    for (let call = 0; call < 1_000; call += 1) process.nextTick((_one: number, _two: number) => undefined, 1, 2)
    await new Promise<void>((resolve) => process.nextTick(resolve))
  }
}

function addRoutes(app: FastifyInstance, options: ServerOptions, endpoint: Endpoint, state: State): void {
  const { authority } = options
  const paths = endpoint.path.startsWith('/v1/') ? [endpoint.path, `/t/:slug${endpoint.path}`] : [endpoint.path]
  for (const url of paths) {
    app.route({
      method: endpoint.method === 'ANY' ? [...anyMethods] : endpoint.method,
      url,
      exposeHeadRoute: endpoint.method === 'GET',
      handler: async (request, reply) => {
        const began = authority.clock.monotonic()
        const answer = await run(authority, endpoint, incomingOf(request), String(request.id))
        authority.metrics.countRequest(
          request.method,
          endpoint.path,
          answer.status,
          (authority.clock.monotonic() - began) / 1000,
        )
        return send(reply, answer, state)
      },
    })
  }
}

function incomingOf(request: FastifyRequest): Incoming {
  return {
    method: request.method,
    url: request.url,
    headers: request.headers,
    peer: request.socket.remoteAddress,
    body: Buffer.isBuffer(request.body) ? request.body : undefined,
    parameters: request.params as Readonly<Record<string, string>>,
  }
}

function send(reply: FastifyReply, answer: Reply, state: State): FastifyReply {
  reply.code(answer.status).headers({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'keywright-request-id': String(reply.request.id),
    ...(state.draining ? { connection: 'close' } : {}),
    ...answer.headers,
  })
  if (answer.body === undefined) return reply.send()
  if (typeof answer.body === 'string' && answer.type !== undefined) return reply.type(answer.type).send(answer.body)
  return reply.type(answer.type ?? 'application/json').send(Buffer.from(JSON.stringify(answer.body)))
}

/** 405 with `Allow` where the path takes other methods, else 404. */
function missing(options: ServerOptions, request: FastifyRequest, requestId: string): Reply {
  const path = request.url.split('?')[0]?.replace(/^\/t\/[^/]+(?=\/v1\/)/, '') ?? ''
  const methods = new Set<string>()
  for (const endpoint of options.endpoints) {
    if (!patternOf(endpoint.path).test(path)) continue
    for (const method of endpoint.method === 'ANY' ? anyMethods : [endpoint.method]) methods.add(method)
    if (endpoint.method === 'GET') methods.add('HEAD')
  }
  const fault =
    methods.size === 0
      ? new Fault('not-found', 'There is nothing at this path.')
      : new Fault('method-not-allowed', `This path takes ${[...methods].join(', ')}.`, { allow: [...methods] })
  return failed(options.authority, 'none', fault, requestId)
}

function patternOf(path: string): RegExp {
  const escaped = path.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll(/:\w+/g, '[^/]+').replace(/\*$/, '.*')}$`)
}

/** The framework's own refusals as ours. */
function ofFramework(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Fault('too-large', `A body has at most ${bodyBytesMax} bytes.`)
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new Fault('unsupported-media-type', 'Send a Content-Type that can be read.')
  if (code.startsWith('FST_ERR_CTP_')) return new Fault('unreadable-body', 'The body does not fit its headers.')
  if (code === 'FST_ERR_MAX_PARAM_LENGTH') return new Fault('not-found', 'There is nothing at this path.')
  if (code === 'FST_ERR_BAD_URL' || code === 'FST_ERR_ASYNC_CONSTRAINT')
    return new Fault('unreadable-body', 'The path cannot be read.')
  return error
}

async function listen(app: FastifyInstance, options: ServerOptions, address: ListenAddress): Promise<string> {
  if ('socket' in address) {
    await freeSocket(address.socket)
    await app.listen({ path: address.socket })
    keepToOwner(address.socket)
    return `unix:${address.socket}`
  }
  await app.listen({ host: address.host, port: address.port })
  const bound = app.server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${options.tls === undefined ? 'http' : 'https'}://${host === '127.0.0.1' ? 'localhost' : host}:${port}`
}
