/**
 * The endpoints for those who run the program: health, metrics, the description of the API.
 */
import { timingSafeEqual } from 'node:crypto'
import { Fault } from '../../model/fault.ts'
import { docsPage } from '../docs.ts'
import { type Endpoint, endpoint, type Reply } from '../endpoint.ts'
import { openApi } from '../openapi.ts'
import { version } from '../version.ts'

const html = 'text/html; charset=utf-8'
const pageHeaders = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
}

function page(text: string): Reply {
  return { status: 200, type: html, body: text, headers: pageHeaders }
}

function sameText(one: string, other: string): boolean {
  const a = Buffer.from(one)
  const b = Buffer.from(other)
  return a.length === b.length && timingSafeEqual(a, b)
}

/** The operational endpoints; `all` is the whole list, which the description describes. */
export function operationEndpoints(all: () => readonly Endpoint[]): readonly Endpoint[] {
  const open = { method: 'GET', tag: 'Operation', roles: 'public' } as const
  return [
    endpoint({
      ...open,
      path: '/livez',
      summary: 'Tell whether the process lives',
      answers: { 200: null },
      handle: async () => ({ status: 200, body: { status: 'live' } }),
    }),
    endpoint({
      ...open,
      path: '/readyz',
      summary: 'Tell whether this node answers',
      description:
        '200 while any answer can still be given, with what is amiss in `degraded`; 503 on start and while draining.',
      answers: { 200: null, 503: null },
      handle: async ({ authority }) => {
        const { ready, degraded } = authority.readiness()
        return { status: ready ? 200 : 503, body: { status: ready ? 'ready' : 'not_ready', degraded } }
      },
    }),
    endpoint({
      ...open,
      path: '/metrics',
      summary: 'Read the metrics in Prometheus’ form',
      answerType: 'text/plain',
      answers: { 200: null },
      handle: async ({ authority, headers }) => {
        const wanted = authority.metricsToken
        const given = /^bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? ''
        if (wanted !== undefined && !sameText(given, wanted))
          throw new Fault('unauthenticated', 'The metrics ask for a token of their own.')
        const { degraded } = authority.readiness()
        const gauges = [
          { name: 'keywright_degraded', help: 'Parts that are amiss, as /readyz names them.', value: degraded.length },
        ]
        return {
          status: 200,
          type: 'text/plain; version=0.0.4; charset=utf-8',
          body: authority.metrics.write(gauges, version),
        }
      },
    }),
    endpoint({
      ...open,
      path: '/openapi.json',
      summary: 'Read the description of this API (OpenAPI 3.1)',
      answers: { 200: null },
      handle: async ({ authority }) => ({ status: 200, body: openApi(all(), authority.publicUrl) }),
    }),
    endpoint({
      ...open,
      path: '/docs',
      summary: 'Read the reference of this API',
      answerType: 'text/html',
      answers: { 200: null },
      handle: async () => page(docsPage(all())),
    }),
    endpoint({
      ...open,
      path: '/',
      summary: 'Find the way',
      answers: { 303: null },
      handle: async () => ({ status: 303, headers: { location: '/docs' } }),
    }),
  ]
}
