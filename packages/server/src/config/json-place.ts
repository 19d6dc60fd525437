/**
 * Where a text stops being JSON, for sentences that must not repeat what is in it. It makes no values: JSON.parse does.
 */

const token =
  /[ \t\r\n]*(?:([{}[\]:,])|("(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/uy

type Awaited = 'value' | 'value or ]' | 'name' | 'name or }' | ':' | 'comma or close' | 'end'

/** The first character that cannot stand where it stands, or the end where more should come; both from 1. */
export function placeOfFault(text: string): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offsetOfFault(text))
  const lines = before.split('\n')
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 }
}

function offsetOfFault(text: string): number {
  const open: ('{' | '[')[] = []
  let awaited: Awaited = 'value'
  let at = 0
  while (at < text.length) {
    token.lastIndex = at
    const match = token.exec(text)
    const next: Awaited | undefined = match === null ? undefined : follow(awaited, match[1], match[2], open)
    if (next === undefined) break
    awaited = next
    at = token.lastIndex
  }
  return text.length - text.slice(at).trimStart().length
}

/** What is awaited behind this token, or undefined where the token itself is not. `open` is kept up to date. */
function follow(
  awaited: Awaited,
  mark: string | undefined,
  string: string | undefined,
  open: ('{' | '[')[],
): Awaited | undefined {
  if (awaited === 'comma or close') {
    if (mark === ',') return open.at(-1) === '{' ? 'name' : 'value'
    return closes(mark, open)
  }
  if (awaited === ':') return mark === ':' ? 'value' : undefined
  if (awaited === 'name' || (awaited === 'name or }' && mark !== '}')) return string === undefined ? undefined : ':'
  if (awaited === 'name or }' || (awaited === 'value or ]' && mark === ']')) return closes(mark, open)
  if (awaited === 'end') return undefined
  if (mark === '{' || mark === '[') {
    open.push(mark)
    return mark === '{' ? 'name or }' : 'value or ]'
  }
  return mark === undefined ? afterValue(open) : undefined
}

function closes(mark: string | undefined, open: ('{' | '[')[]): Awaited | undefined {
  if (mark !== (open.at(-1) === '{' ? '}' : ']')) return undefined
  open.pop()
  return afterValue(open)
}

function afterValue(open: readonly string[]): Awaited {
  return open.length === 0 ? 'end' : 'comma or close'
}
