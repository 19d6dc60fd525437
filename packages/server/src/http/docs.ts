/**
 * The reference as one page for people: rendered here from the list of endpoints, without scripts.
 */
import type { TSchema } from 'typebox'
import type { Endpoint } from './endpoint.ts'
import { version } from './version.ts'

/** What this page reads of a JSON Schema. */
interface View {
  readonly type?: string
  readonly enum?: readonly (string | number)[]
  readonly anyOf?: readonly View[]
  readonly items?: View
  readonly properties?: Readonly<Record<string, View>>
  readonly required?: readonly string[]
  readonly description?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly maxItems?: number
}

const style = `
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d9dee6;--ground:#fff;--panel:#f5f7fa;--accent:#0b5cad}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--line:#2d3642;--ground:#12161c;--panel:#1a2029;--accent:#7ab8ff}}
*{box-sizing:border-box}body{margin:0;font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--ground);display:grid;grid-template-columns:16rem minmax(0,1fr)}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.5rem 1rem;border-right:1px solid var(--line);background:var(--panel)}
nav h1{font-size:1.1rem;margin:0 0 1rem}nav h2{font-size:.75rem;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);margin:1.2rem 0 .3rem}
nav a{display:block;color:inherit;text-decoration:none;font-size:.85rem;padding:.15rem 0}nav a:hover,nav a:focus{color:var(--accent)}
main{padding:2rem clamp(1rem,4vw,3.5rem);max-width:62rem}section{border-top:1px solid var(--line);padding:1.5rem 0}
h3{font-size:1.05rem;margin:0 0 .4rem}code{font:.88em ui-monospace,monospace}.path{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.35rem .6rem;display:inline-block;overflow-wrap:anywhere}
.method{font-weight:700;color:var(--accent);margin-right:.5em}.soft{color:var(--soft);font-size:.9rem}table{border-collapse:collapse;width:100%;font-size:.9rem;margin:.6rem 0}
pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.7rem .9rem;overflow-x:auto;font:.82rem/1.5 ui-monospace,monospace}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:600}
@media(max-width:48rem){body{display:block}nav{position:static;height:auto;border:0}}`

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** Escaped prose in which `code` is set as code. */
function prose(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>')
}

function typeOf(schema: View): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' | ')
  if (schema.type === 'array') return `array of ${schema.items === undefined ? 'anything' : typeOf(schema.items)}`
  return schema.type ?? 'anything'
}

function boundsOf(schema: View): string {
  const bounds = [
    schema.minimum === undefined ? '' : `from ${schema.minimum}`,
    schema.maximum === undefined ? '' : `to ${schema.maximum}`,
    schema.maxLength === undefined ? '' : `at most ${schema.maxLength} characters`,
    schema.maxItems === undefined ? '' : `at most ${schema.maxItems} items`,
    schema.description ?? '',
  ]
  return bounds.filter((bound) => bound !== '').join(', ')
}

function rows(schema: View, prefix = ''): string {
  return Object.entries(schema.properties ?? {})
    .map(([name, field]) => {
      const required = schema.required?.includes(name) === true ? 'required' : ''
      const inner =
        field.properties ??
        field.items?.properties ??
        field.anyOf?.find((one) => one.properties !== undefined)?.properties
      const holder: View | undefined =
        inner === undefined
          ? undefined
          : (field.items ?? field.anyOf?.find((one) => one.properties !== undefined) ?? field)
      const row = `<tr><td><code>${escapeHtml(prefix + name)}</code></td><td>${escapeHtml(typeOf(field))}</td><td class="soft">${prose([required, boundsOf(field)].filter((part) => part !== '').join('; '))}</td></tr>`
      return row + (holder === undefined ? '' : rows(holder, `${prefix}${name}${field.type === 'array' ? '[]' : ''}.`))
    })
    .join('')
}

function table(title: string, schema: TSchema | undefined): string {
  if (schema === undefined) return ''
  const body = rows(schema as View)
  return body === ''
    ? ''
    : `<table><thead><tr><th>${title}</th><th>type</th><th></th></tr></thead><tbody>${body}</tbody></table>`
}

function anchor(endpoint: Endpoint): string {
  return `${endpoint.method}${endpoint.path}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
}

/** The call as a person types it. */
function example(endpoint: Endpoint): string {
  if (endpoint.example === undefined) return ''
  const line = JSON.stringify(endpoint.example)
  const call = [
    `curl ${endpoint.method === 'POST' ? '' : `-X ${endpoint.method} `}$KEYWRIGHT_URL${endpoint.path.replaceAll(/:(\w+)/g, (_all, name: string) => name.toUpperCase())} \\`,
    '  -H "Authorization: Bearer $KEYWRIGHT_OPERATOR_TOKEN" \\',
    "  -H 'Content-Type: application/json' \\",
    `  -d '${line}'`,
  ]
  return `<pre><code>${escapeHtml(call.join('\n'))}</code></pre>`
}

function headerTable(headers: Endpoint['requestHeaders']): string {
  if (headers === undefined) return ''
  const body = Object.entries(headers).map(
    ([name, text]) => `<tr><td><code>${name}</code></td><td>${prose(text)}</td></tr>`,
  )
  return `<table><thead><tr><th>header</th><th></th></tr></thead><tbody>${body.join('')}</tbody></table>`
}

function section(endpoint: Endpoint): string {
  const who = endpoint.roles === 'public' ? 'Needs no token.' : `For: ${endpoint.roles.join(', ')}.`
  const extras = [
    endpoint.idempotent === true ? 'Takes `Idempotency-Key`.' : '',
    endpoint.conditional === true ? 'Takes `If-Match`.' : '',
    endpoint.metaFilters === true ? 'Filters by `meta.NAME=value`.' : '',
    `Answers ${Object.keys(endpoint.answers).join(', ')}.`,
  ]
  return `<section id="${anchor(endpoint)}"><h3>${escapeHtml(endpoint.summary)}</h3><p class="path"><code><span class="method">${endpoint.method}</span>${escapeHtml(endpoint.path)}</code></p>
<p class="soft">${prose([who, ...extras].filter((part) => part !== '').join(' '))}</p>${endpoint.description === undefined ? '' : `<p>${prose(endpoint.description)}</p>`}${headerTable(endpoint.requestHeaders)}${table('query', endpoint.query)}${table('body', endpoint.body)}${example(endpoint)}</section>`
}

/** The page. */
export function docsPage(endpoints: readonly Endpoint[]): string {
  const shown = endpoints.filter((endpoint) => !endpoint.path.endsWith('*'))
  const tags = [...new Set(shown.map((endpoint) => endpoint.tag))]
  const of = (tag: string) => shown.filter((endpoint) => endpoint.tag === tag)
  const menu = tags
    .map(
      (tag) =>
        `<h2>${tag}</h2>${of(tag)
          .map((one) => `<a href="#${anchor(one)}">${escapeHtml(one.summary)}</a>`)
          .join('')}`,
    )
    .join('')
  const body = tags.map((tag) => `<h2>${tag}</h2>${of(tag).map(section).join('')}`).join('')
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Keywright ${version}: API reference</title><style>${style}</style></head>
<body><nav aria-label="Endpoints"><h1>Keywright ${version}</h1><a href="/openapi.json">openapi.json</a>${menu}</nav><main><h1>API reference</h1>
<p>Send <code>Authorization: Bearer kwa_…</code>. Errors are problem documents (RFC 9457) that name the field and never repeat a value. Lists take <code>page_size</code> and <code>cursor</code>. Every path under <code>/v1</code> also answers under <code>/t/{slug}</code>.</p>${body}</main></body></html>`
}
