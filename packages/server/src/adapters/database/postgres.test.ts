/**
 * PostgreSQL: the contract, and what is PostgreSQL's alone.
 */
import { after, before } from 'node:test'
import { databaseContract } from '../../ports/database.contract.ts'
import { startAppender } from '../../testing/append-process.ts'
import { systemClock } from '../system/clock.ts'
import { openDatabase } from './open.ts'
import { startPostgres, type TestPostgres } from './postgres-for-tests.ts'

let postgres: TestPostgres

before(async () => {
  postgres = await startPostgres()
})

after(async () => await postgres.stop())

databaseContract('PostgreSQL', async () => {
  const url = await postgres.freshDatabase()
  return {
    open: () => openDatabase({ url, dataDir: '', clock: systemClock }),
    append: (count, prefix, tenants) => startAppender(url, '', count, prefix, tenants),
  }
})
