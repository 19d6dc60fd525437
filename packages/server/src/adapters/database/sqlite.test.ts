/**
 * The embedded database: the contract, and what is SQLite's alone.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { databaseContract } from '../../ports/database.contract.ts'
import { startAppender } from '../../testing/append-process.ts'
import { systemClock } from '../system/clock.ts'
import { openDatabase } from './open.ts'

const folders: string[] = []

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'keywright-sqlite-'))
  folders.push(made)
  return made
}

after(() => {
  for (const made of folders) rmSync(made, { recursive: true, force: true })
})

databaseContract('SQLite', async () => {
  const dataDir = folder()
  return {
    open: () => openDatabase({ url: 'embedded', dataDir, clock: systemClock }),
    append: (count, prefix, tenants) => startAppender('embedded', dataDir, count, prefix, tenants),
  }
})
