/**
 * `keywright doctor`: what is wrong with this installation, and what to do about it.
 */
import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { databaseFile } from '../adapters/database/sqlite.ts'
import type { Config } from '../config/read.ts'
import type { Domain } from '../domain/records/domain.ts'
import type { Entry } from '../model/journal.ts'
import { sealsWarned } from '../domain/seal/sealer.ts'

export interface Finding {
  readonly check: string
  readonly severity: 'ok' | 'warn' | 'bad'
  readonly sentence: string
}

const clockSkewMillisecondsMax = 60_000
const unsignedMillisecondsMax = 600_000
const freeBytesMin = 512 * 1024 * 1024

/** Examines; nothing is changed. */
export async function examine(domain: Domain, config: Config, tokenFile: string): Promise<readonly Finding[]> {
  return [
    { check: 'node', severity: 'ok', sentence: `Node.js ${process.versions.node}.` },
    ...(await database(domain)),
    ...(await keys(domain)),
    ...(await journals(domain)),
    ...kekPlace(config),
    ...files(config, tokenFile),
    coreDumps(),
    ...space(config),
  ]
}

async function database(domain: Domain): Promise<Finding[]> {
  const found = await domain.database.diagnose()
  const findings = found.map(
    ({ severity, sentence }): Finding => ({
      check: 'database',
      severity: severity === 'refuse' ? 'bad' : 'warn',
      sentence,
    }),
  )
  return findings.length > 0
    ? findings
    : [
        {
          check: 'database',
          severity: 'ok',
          sentence: `The ${domain.database.dialect} database answers and keeps what it acknowledges.`,
        },
      ]
}

async function keys(domain: Domain): Promise<Finding[]> {
  const findings: Finding[] = []
  const heads = await domain.database.heads()
  for (const [tenant, head] of heads) {
    try {
      await domain.keyring.of(tenant)
    } catch {
      findings.push({
        check: 'kek',
        severity: 'bad',
        sentence: `No given KEK opens the keys of ${tenant}. Name the right one by --kek.`,
      })
    }
    if (head.seals >= sealsWarned)
      findings.push({
        check: 'seals',
        severity: 'warn',
        sentence: `${tenant} has made ${head.seals} seals; a new DEK is due: keywright rewrap --new-dek`,
      })
  }
  return findings.length > 0
    ? findings
    : [
        {
          check: 'kek',
          severity: 'ok',
          sentence: `The KEK opens the keys of ${heads.size === 1 ? 'the tenant' : `all ${heads.size} tenants`}.`,
        },
      ]
}

/** Whether the clock agrees with what was journalled, and whether the journals are signed as they grow. */
async function journals(domain: Domain): Promise<Finding[]> {
  const findings: Finding[] = []
  const now = domain.clock.now()
  for (const [tenant, head] of await domain.database.heads()) {
    const [stored] = await domain.database.entries(tenant, head.seq - 1, 1)
    if (stored === undefined) {
      const sentence = `The journal of ${tenant} has no entry ${head.seq}. Run: keywright audit verify`
      findings.push({ check: 'journal', severity: 'bad', sentence })
      continue
    }
    const at = Date.parse((JSON.parse(stored.entry) as Entry).at)
    if (at > now + clockSkewMillisecondsMax) {
      const sentence = `The clock is behind the newest journal entry of ${tenant} (${new Date(at).toISOString()}). Set it right: expiries go by it.`
      findings.push({ check: 'clock', severity: 'warn', sentence })
    }
    const signed = (await domain.database.latestCheckpoint(tenant))?.size ?? 0
    if (signed < head.seq && at < now - unsignedMillisecondsMax) {
      const sentence = `${head.seq - signed} entries of ${tenant} are older than 10 minutes and in no signed checkpoint. A running server signs each minute.`
      findings.push({ check: 'checkpoint', severity: 'warn', sentence })
    }
  }
  return findings.length === 0
    ? [{ check: 'journal', severity: 'ok', sentence: 'The clock and the checkpoints agree with the journals.' }]
    : findings
}

function kekPlace(config: Config): Finding[] {
  if (config.database !== 'embedded') return []
  const dataDir = resolve(config.dataDir)
  return config.kek
    .filter((place) => place.startsWith('file:'))
    .map((place) => resolve(place.slice('file:'.length)))
    .flatMap((path): Finding[] => {
      if (path.startsWith(`${dataDir}/`))
        return [
          {
            check: 'kek place',
            severity: 'bad',
            sentence: `${path} lies in the data folder, so a copy of the folder has everything. Move it.`,
          },
        ]
      const sameVolume = existsSync(path) && existsSync(dataDir) && statSync(path).dev === statSync(dataDir).dev
      return sameVolume
        ? [
            {
              check: 'kek place',
              severity: 'warn',
              sentence: `${path} lies on the volume of the database: an image of the volume has both.`,
            },
          ]
        : []
    })
}

function files(config: Config, tokenFile: string): Finding[] {
  const findings: Finding[] = []
  if (existsSync(tokenFile)) {
    findings.push({
      check: 'owner token',
      severity: 'warn',
      sentence: `${tokenFile} still holds the owner’s token. Keep it elsewhere and delete the file.`,
    })
  }
  const paths = [tokenFile, ...['', '-wal', '-shm'].map((suffix) => join(config.dataDir, databaseFile + suffix))]
  for (const path of paths) {
    if (existsSync(path) && (statSync(path).mode & 0o077) !== 0)
      findings.push({
        check: 'file modes',
        severity: 'bad',
        sentence: `${path} can be read by others. Run: chmod 600 ${path}`,
      })
  }
  return findings
}

function coreDumps(): Finding {
  const path = '/proc/self/limits'
  const soft = existsSync(path) ? /^Max core file size\s+(\S+)/m.exec(readFileSync(path, 'utf8'))?.[1] : '0'
  return soft === '0'
    ? { check: 'core dumps', severity: 'ok', sentence: 'Core dumps are off.' }
    : {
        check: 'core dumps',
        severity: 'warn',
        sentence: 'A crash could write keys into a core dump. Start the server with: ulimit -c 0',
      }
}

function space(config: Config): Finding[] {
  if (config.database !== 'embedded') return []
  const folder = existsSync(config.dataDir) ? config.dataDir : dirname(resolve(config.dataDir))
  const { bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  const megabytes = Math.floor(free / 1_048_576)
  return [
    free < freeBytesMin
      ? { check: 'disk', severity: 'warn', sentence: `Only ${megabytes} MiB are free where the database lies.` }
      : { check: 'disk', severity: 'ok', sentence: `${megabytes} MiB are free where the database lies.` },
  ]
}
