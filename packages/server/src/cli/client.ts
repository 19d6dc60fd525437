/**
 * The command line's HTTP client: one request, one answer, errors as one sentence. Proxies by `HTTPS_PROXY` and its like, private authorities by
 * `--ca-file`.
 */
import { readFileSync } from 'node:fs'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { Secret } from '../model/secret.ts'
import { CannotDo } from './output.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined }

export interface ClientOptions {
  /** `http://…`, `https://…`, or `unix:/path` for a Unix socket. */
  readonly url: string
  /** The tenant, where it is not that of the token. */
  readonly tenant?: string | undefined
  readonly token: Secret
  readonly caFile: string | undefined
  /** Where `HTTPS_PROXY` and its like are looked up. */
  readonly proxyEnvironment: NodeJS.ProcessEnv
}

export interface Answer {
  readonly status: number
  readonly body: Json
}

export interface Client {
  call(method: string, path: string, body?: Json): Promise<Answer>
}

const timeoutMilliseconds = 30_000
const answerBytesMax = 64 * 1024 * 1024

/** The token of the environment, else that of the data folder. */
export function findToken(given: Secret | undefined, dataDir: string): Secret {
  if (given !== undefined) return given
  const path = join(dataDir, 'operator-token')
  try {
    return new Secret(readFileSync(path, 'utf8').trim())
  } catch {
    throw new CannotDo(`No operator token: set KEYWRIGHT_OPERATOR_TOKEN, or run this where ${path} can be read.`)
  }
}

export function createClient(options: ClientOptions): Client {
  const ca = options.caFile === undefined ? undefined : [...rootCertificates, readCa(options.caFile)]
  const place = placeOf(options)
  return {
    call: async (method, path, body) => {
      const { status, text } = await send(
        { ...options, place, ca },
        method,
        path,
        body === undefined ? undefined : JSON.stringify(body),
      )
      const parsed = text === '' ? null : parse(text, status)
      if (status >= 400 && !(status === 503 && isVerdict(parsed))) throw new CannotDo(sentenceOf(status, parsed))
      return { status, body: parsed }
    },
  }
}

/** Where a server is: behind an address, or behind a Unix socket. */
interface Place {
  readonly name: string
  readonly secure: boolean
  readonly address: { readonly hostname: string; readonly port: number } | { readonly socketPath: string }
  /** What stands before every path. */
  readonly prefix: string
  /** Whether a proxy may lie on the way. */
  readonly proxied: boolean
}

function placeOf({ url: text, tenant }: ClientOptions): Place {
  const suffix = tenant === undefined ? '' : `/t/${encodeURIComponent(tenant)}`
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length)
    return { name: text, secure: false, address: { socketPath }, prefix: suffix, proxied: false }
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new CannotDo('--url, or KEYWRIGHT_URL, takes http://HOST:PORT, https://HOST:PORT or unix:/path.')
  const secure = url.protocol === 'https:'
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  return {
    name: url.host,
    secure,
    address: { hostname, port: url.port === '' ? (secure ? 443 : 80) : Number(url.port) },
    prefix: url.pathname.replace(/\/+$/, '') + suffix,
    // What goes to this machine in the clear would show the token to the proxy.
    proxied: secure || !/^(localhost|127(\.\d+){3}|::1)$/.test(hostname),
  }
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw new CannotDo(`The file of --ca-file, ${path}, cannot be read.`)
  }
}

function isVerdict(body: Json): boolean {
  return typeof body === 'object' && body !== null && 'valid' in body
}

function parse(text: string, status: number): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    throw new CannotDo(`The server answered ${status} with something that is not JSON; is it Keywright?`)
  }
}

/** A problem document as sentences. */
function sentenceOf(status: number, problem: Json): string {
  if (typeof problem !== 'object' || problem === null || Array.isArray(problem)) return `The server answered ${status}.`
  const { title, detail, errors } = problem as {
    title?: string
    detail?: string
    errors?: { pointer?: string; parameter?: string; detail: string }[]
  }
  const places = (errors ?? [])
    .map((error) => `\n  ${error.pointer ?? error.parameter ?? ''}: ${error.detail}`)
    .join('')
  return `${title ?? `The server answered ${status}`}: ${detail ?? ''}${places}`
}

function send(
  {
    place,
    ca,
    token,
    proxyEnvironment,
  }: ClientOptions & { readonly place: Place; readonly ca: readonly string[] | undefined },
  method: string,
  path: string,
  body: string | undefined,
): Promise<{ status: number; text: string }> {
  const agentOptions = {
    ...(place.proxied ? { proxyEnv: proxyEnvironment } : {}),
    ...(ca === undefined ? {} : { ca: [...ca] }),
  }
  return new Promise((resolve, reject) => {
    const request = (place.secure ? httpsRequest : httpRequest)(
      {
        ...place.address,
        path: place.prefix + path,
        method,
        agent: place.secure ? new HttpsAgent(agentOptions) : new HttpAgent(agentOptions),
        timeout: timeoutMilliseconds,
        headers: {
          authorization: `Bearer ${token.reveal()}`,
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > answerBytesMax) request.destroy(new CannotDo('The answer is too large.'))
          else chunks.push(chunk)
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        )
        response.on('error', reject)
      },
    )
    request.on('timeout', () =>
      request.destroy(new CannotDo(`The server at ${place.name} did not answer in ${timeoutMilliseconds / 1000} s.`)),
    )
    request.on('error', (error: NodeJS.ErrnoException) =>
      reject(error instanceof CannotDo ? error : unreachable(place, error)),
    )
    request.end(body)
  })
}

function unreachable({ name, address }: Place, error: NodeJS.ErrnoException): CannotDo {
  const code = error.code ?? 'unknown'
  if (code === 'ECONNREFUSED' || ('socketPath' in address && code === 'ENOENT'))
    return new CannotDo(
      `Nothing listens at ${name}. Is \`keywright serve\` running there? Name another place by --url or KEYWRIGHT_URL.`,
    )
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new CannotDo(`The host of ${name} is not known. Name another by --url or KEYWRIGHT_URL.`)
  if (code.includes('CERT') || code.includes('SIGNED') || code.startsWith('ERR_TLS'))
    return new CannotDo(`The certificate of ${name} is not trusted (${code}). Name its authority by --ca-file.`)
  return new CannotDo(`The server at ${name} cannot be reached (${code}).`)
}
