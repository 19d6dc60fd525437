/**
 * One secret line for a command: the first line of standard input, or what is typed at a prompt that shows nothing. Never an argument, which others could see.
 */
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CannotDo } from './output.ts'

/** Reads the line, without spaces around it. Throws `CannotDo` where none comes, or where it is broken off (Ctrl-C, Ctrl-D). */
export async function readSecretLine(what: string, say: (text: string) => void): Promise<string> {
  const line = process.stdin.isTTY ? await typed(what, say) : await piped()
  // Whoever is at the other end may keep it open; this process has read what it needs.
  process.stdin.destroy()
  if (line === undefined) throw new CannotDo(`No ${what} came on standard input.`)
  return line.trim()
}

async function piped(): Promise<string | undefined> {
  for await (const line of createInterface({ input: process.stdin, terminal: false })) return line
  return undefined
}

/** The line editor does its work, backspace and Ctrl-C included, but what it would echo goes nowhere. */
function typed(what: string, say: (text: string) => void): Promise<string | undefined> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const editor = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 })
  say(`${what[0]?.toUpperCase()}${what.slice(1)} (it is not shown):`)
  return new Promise<string | undefined>((resolve) => {
    editor.once('line', resolve)
    editor.once('SIGINT', () => resolve(undefined))
    editor.once('close', () => resolve(undefined))
  }).finally(() => editor.close())
}
