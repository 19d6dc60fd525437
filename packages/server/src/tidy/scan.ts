/**
 * Reads a source text just well enough for the house rules: what is code, and what it imports. It is no parser: it knows
 * comments, strings, templates and regular expressions, and leaves every other character where it was.
 */

/** The same text with comments, strings and regular expressions blanked, so that a position means the same line. */
export function codeOnly(text: string): string {
  const scanner: Scanner = { text, at: 0, out: '' }
  scanCode(scanner, false)
  return scanner.out
}

interface Scanner {
  readonly text: string
  at: number
  out: string
}

/** Copies code up to the end, or up to the `}` that closes a template's `${`. */
function scanCode(scanner: Scanner, inTemplate: boolean): void {
  let depth = 0
  while (scanner.at < scanner.text.length) {
    const char = scanner.text.charAt(scanner.at)
    const pair = scanner.text.slice(scanner.at, scanner.at + 2)
    if (pair === '//') blankUntil(scanner, '\n', 0)
    else if (pair === '/*') blankUntil(scanner, '*/', 2)
    else if (char === "'" || char === '"') blankString(scanner, char)
    else if (char === '`') blankTemplate(scanner)
    else if (char === '/' && regexMayStart(scanner.out)) blankRegex(scanner)
    else {
      if (char === '{') depth++
      if (char === '}' && inTemplate && depth-- === 0) return
      scanner.out += char
      scanner.at++
    }
  }
}

function blank(scanner: Scanner, end: number): void {
  const stop = Math.min(end, scanner.text.length)
  scanner.out += scanner.text.slice(scanner.at, stop).replace(/[^\n]/g, ' ')
  scanner.at = stop
}

function blankUntil(scanner: Scanner, mark: string, include: number): void {
  const found = scanner.text.indexOf(mark, scanner.at + include)
  blank(scanner, found < 0 ? scanner.text.length : found + include)
}

/** The quotes stay, so that a blanked string still reads as a value. */
function blankString(scanner: Scanner, quote: string): void {
  keep(scanner)
  let end = scanner.at
  while (end < scanner.text.length && scanner.text.charAt(end) !== quote && scanner.text.charAt(end) !== '\n') {
    end += scanner.text.charAt(end) === '\\' ? 2 : 1
  }
  blank(scanner, end)
  keep(scanner)
}

function keep(scanner: Scanner): void {
  scanner.out += scanner.text.charAt(scanner.at)
  scanner.at++
}

function blankTemplate(scanner: Scanner): void {
  keep(scanner)
  while (scanner.at < scanner.text.length && scanner.text.charAt(scanner.at) !== '`') {
    if (scanner.text.startsWith('${', scanner.at)) {
      keep(scanner)
      keep(scanner)
      scanCode(scanner, true)
      keep(scanner)
    } else blank(scanner, scanner.at + (scanner.text.charAt(scanner.at) === '\\' ? 2 : 1))
  }
  keep(scanner)
}

/** A slash behind a value divides; behind an operator, a bracket or a keyword it opens a regular expression. */
function regexMayStart(before: string): boolean {
  const tail = before.trimEnd()
  if (tail === '' || /[(,=:[!&|?{};+*%~^<>-]$/.test(tail)) return true
  return /\b(return|typeof|case|of|in|do|else|yield|await)$/.test(tail)
}

function blankRegex(scanner: Scanner): void {
  keep(scanner)
  let end = scanner.at
  let inClass = false
  while (end < scanner.text.length && (inClass || scanner.text.charAt(end) !== '/')) {
    const char = scanner.text.charAt(end)
    if (char === '[') inClass = true
    if (char === ']') inClass = false
    end += char === '\\' ? 2 : 1
  }
  blank(scanner, end)
  keep(scanner)
}

/** Every module that a text imports or re-exports, by `from`, a bare `import`, or `import()` of a literal. */
export function importsOf(text: string): { readonly specifier: string; readonly line: number }[] {
  const code = codeOnly(text)
  const found = []
  for (const match of code.matchAll(/\b(?:from|import)\s*\(?\s*(['"])( *)\1/g)) {
    const end = match.index + match[0].length - 1
    found.push({ specifier: text.slice(end - (match[2] ?? '').length, end), line: lineAt(code, match.index) })
  }
  return found
}

/** The number of the line, from 1, that holds a position. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length
}
