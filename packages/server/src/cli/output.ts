/**
 * What the command line prints: tables for people, JSON for programs. Colours only on a terminal.
 */
import { styleText } from 'node:util'
import type { Json } from './client.ts'

export interface Output {
  readonly json: boolean
  readonly colour: boolean
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

/** A command could not do what it was asked: one sentence and, where there is one, a remedy. Exit code 2. */
export class CannotDo extends Error {
  override readonly name = 'CannotDo'
}

/** Aligned columns under a header. */
export function table(output: Output, headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(printable))
  const widths = headers.map((header, column) =>
    Math.max(header.length, ...clean.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  const head = line(headers.map((header) => header.toUpperCase()))
  return [output.colour ? styleText('dim', head) : head, ...clean.map(line)].join('\n')
}

/** One thing as `name  value` lines. */
export function fields(output: Output, pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length))
  return pairs
    .map(([name, value]) => {
      const label = name.padEnd(width)
      return `${output.colour ? styleText('dim', label) : label}  ${printable(value)}`
    })
    .join('\n')
}

/** Control characters of names that others chose must not reach a terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not be printed.
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '·')
}

/** A JSON value as a person reads it in a cell. */
export function cell(value: Json | undefined): string {
  if (value === undefined || value === null || value === '') return '–'
  if (typeof value !== 'object') return String(value)
  const parts = Array.isArray(value)
    ? value.map(cell)
    : membersOf(value as { readonly [name: string]: Json | undefined })
  return parts.length === 0 ? '–' : parts.join(' ')
}

function membersOf(value: { readonly [name: string]: Json | undefined }): string[] {
  const said = Object.entries(value).filter(([, one]) => one !== null && one !== '' && one !== undefined)
  return said.map(([name, one]) => `${name}=${cell(one)}`)
}

/** Prints what the API answered, or the text for people. */
export function show(output: Output, answer: Json, text: () => string): void {
  output.out(output.json ? JSON.stringify(answer) : text())
}
