/**
 * Files that a command is given to read. What is wrong with one is said by its name and place alone: it may hold secrets.
 */
import { readFileSync } from 'node:fs'
import { placeOfFault } from '../config/json-place.ts'
import type { Json } from './client.ts'
import { CannotDo } from './output.ts'

/** Reads a file of JSON, or standard input for `-`. Throws `CannotDo` that names the file, never what is in it. */
export function readJsonFile(file: string): Json {
  const name = file === '-' ? 'Standard input' : `The file ${file}`
  let text: string
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch {
    throw new CannotDo(`${name} cannot be read. Is its name right, and may this user read it?`)
  }
  try {
    return JSON.parse(text) as Json
  } catch {
    const { line, column } = placeOfFault(text)
    throw new CannotDo(`${name} is not whole JSON: look at line ${line}, column ${column}.`)
  }
}
