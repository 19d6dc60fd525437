/**
 * The one place where adapters are chosen from the configuration and joined to the domain.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCredential } from '@keywright/credential/credential'
import { openDatabase } from './adapters/database/open.ts'
import { openKeks } from './adapters/kek/all.ts'
import { createSlowHash } from './adapters/slow-hash/pool.ts'
import { systemClock } from './adapters/system/clock.ts'
import { writePrivateFile } from './adapters/system/files.ts'
import { createLog } from './adapters/system/log.ts'
import { systemRandom } from './adapters/system/random.ts'
import { watchFiles } from './adapters/system/watch.ts'
import { type Config, Misconfigured } from './config/read.ts'
import { Authenticator } from './domain/access/authenticate.ts'
import { type Network, parseNetwork } from './domain/access/networks.ts'
import { Throttle } from './domain/access/throttle.ts'
import { Follower } from './domain/feed/follower.ts'
import { SlowCosts } from './domain/import/slow-costs.ts'
import type { Domain } from './domain/records/domain.ts'
import { Store } from './domain/records/store.ts'
import { Keyring } from './domain/seal/keyring.ts'
import { foundDefaultTenant, type NewOwner, newOwner, tenantIdOf } from './domain/tenants/tenants.ts'
import { FactsCache } from './domain/verify/facts.ts'
import type { Authority } from './http/authority.ts'
import { endpoints } from './http/endpoints.ts'
import { Metrics } from './http/metrics.ts'
import { createHttpServer, type HttpServer } from './http/server.ts'
import { verifyLane } from './http/verify-lane.ts'
import { checkpointOrigin } from './domain/journal/entry.ts'
import { verifyJournal } from './domain/journal/verify-journal.ts'
import { makeDeks, resealTenants, rewrap } from './domain/seal/rewrap.ts'
import { backup, restore } from './operate/backup.ts'
import { publishCheckpoints, sweep } from './operate/checkpoint-files.ts'
import { examine } from './operate/doctor.ts'
import { escrow, recover } from './operate/escrow.ts'
import type { LocalOperations, TenantVerdict } from './cli/command/local.ts'
import { Fault } from './model/fault.ts'
import { defaultTenantSlug } from './model/ids.ts'
import { Secret } from './model/secret.ts'

/** A running authority. */
export interface Running {
  /** Where it is reached. */
  readonly url: string
  /** The file with the owner's token, where it was written at this start or an earlier one. */
  readonly tokenFile: string | undefined
  /** Whether this start made the database. */
  readonly isNew: boolean
  stop(): Promise<void>
}

export const tokenFileName = 'operator-token'
const replaySweepMilliseconds = 60_000
const checkpointMilliseconds = 60_000
const sweepMilliseconds = 3_600_000

export interface OpenOptions {
  readonly readOnly: boolean
  /** Whether an empty database gets a fresh KEK where its file is missing. */
  readonly makeKek: boolean
}

/** Opens what the configuration names and joins it: the domain without any server. */
export async function openDomain(
  config: Config,
  options: OpenOptions = { readOnly: false, makeKek: true },
): Promise<Domain> {
  const clock = systemClock
  const random = systemRandom
  const log = createLog(config.logLevel)
  const database = await openDatabase({
    url: config.database,
    dataDir: config.dataDir,
    listenUrl: config.databaseListenUrl,
    caFile: config.caFile,
    readOnly: options.readOnly,
    clock,
    onFatal: (reason) => {
      // After a failed fsync nobody knows what the disk holds: a start anew reads what is really there.
      log.error('database.lost', { reason })
      process.exit(1)
    },
  })
  try {
    const isNew = (await tenantIdOf({ database }, defaultTenantSlug)) === undefined
    const keks = openKeks(config.kek, {
      make: isNew && options.makeKek,
      random,
      makeFile: (path, text) => writePrivateFile(path, text, { fresh: true }),
      environment: config.variable,
    })
    const keyring = new Keyring(database, keks)
    const store = new Store({ database, keyring, log })
    const listener = new Follower({ database, keyring, clock, log })
    listener.listen((_tenant, entry) => store.follow(entry))
    return { database, keks, keyring, store, listener, clock, random, log, slowHash: createSlowHash({ random }) }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Starts the authority: from here on it answers. */
export async function startAuthority(config: Config): Promise<Running> {
  const domain = await openDomain(config)
  try {
    for (const name of config.unknownVariables) domain.log.warn('configuration.unknown_variable', { name })
    for (const { severity, sentence } of await domain.database.diagnose()) {
      if (severity === 'refuse') throw new Misconfigured(sentence)
      domain.log.warn('configuration.warning', { sentence })
    }
    await domain.listener.start()
    const founded = await found(domain, config)
    return await serve(domain, config, founded)
  } catch (error) {
    await closeDomain(domain)
    throw error
  }
}

export async function closeDomain(domain: Domain): Promise<void> {
  await domain.listener.stop()
  await domain.slowHash.close()
  await domain.database.close()
}

interface Founded {
  readonly isNew: boolean
  readonly tokenFile: string | undefined
}

/** Makes the default tenant of an empty database; opens its keys, so that a wrong KEK is found before anything is answered. */
async function found(domain: Domain, config: Config): Promise<Founded> {
  const path = join(config.dataDir, tokenFileName)
  const tenant = await tenantIdOf(domain, defaultTenantSlug)
  if (tenant !== undefined) {
    await domain.keyring.of(tenant)
    if (config.operatorToken !== undefined) await requireKnownToken(domain, config.operatorToken)
    return { isNew: false, tokenFile: existsSync(path) ? path : undefined }
  }
  if (config.operatorToken !== undefined) {
    await foundOnce(domain, adoptable(config.operatorToken))
    await requireKnownToken(domain, config.operatorToken)
    return { isNew: true, tokenFile: undefined }
  }
  await foundOnce(domain, ownerOf(path, domain))
  return { isNew: true, tokenFile: path }
}

/**
 * The owner to be, whose token is in its file before there is an owner: a start that is killed in between leaves a token that the next start takes up,
 * and of two that start at once on one folder both take the same.
 */
function ownerOf(path: string, domain: Domain): NewOwner {
  const owner = newOwner(domain.random)
  try {
    writePrivateFile(path, `${owner.token.reveal()}\n`, { fresh: true })
    return owner
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    return adoptable(new Secret(readFileSync(path, 'utf8').trim()))
  }
}

/** Another process may have made the default tenant in the same moment; then it is there. */
async function foundOnce(domain: Domain, owner: NewOwner): Promise<void> {
  try {
    await foundDefaultTenant(domain, owner)
  } catch (error) {
    if (!(error instanceof Fault && error.code === 'conflict')) throw error
    await domain.listener.catchUp()
  }
}

function adoptable(token: Secret): NewOwner {
  const parsed = parseCredential(token.reveal())
  if (typeof parsed === 'string' || parsed.kind !== 'operator') {
    throw new Misconfigured(
      'KEYWRIGHT_OPERATOR_TOKEN, or the file operator-token of the data folder, holds no well-formed operator token (kwa_…).',
    )
  }
  return { id: parsed.id, token }
}

async function requireKnownToken(domain: Domain, token: Secret): Promise<void> {
  const authenticator = new Authenticator({ ...domain, throttle: new Throttle(domain.clock) })
  try {
    await authenticator.authenticate(token, undefined, defaultTenantSlug)
  } catch {
    throw new Misconfigured(
      'KEYWRIGHT_OPERATOR_TOKEN is not a token of this database, which has an owner already. Unset it, or use the right one.',
    )
  }
}

async function serve(domain: Domain, config: Config, founded: Founded): Promise<Running> {
  const state = { ready: false }
  const throttle = new Throttle(domain.clock)
  const metrics = new Metrics()
  const facts = new FactsCache()
  domain.listener.listen((_tenant, entry) => facts.follow(entry))
  const verify = {
    ...domain,
    facts,
    throttle,
    slowCosts: new SlowCosts(domain),
    unknownFloorMilliseconds: config.unknownFloorMs,
    count: metrics.countVerdict,
  }
  const authority: Authority = {
    ...domain,
    verify,
    metrics,
    authenticator: new Authenticator({ ...domain, throttle }),
    publicUrl: config.publicUrl ?? defaultUrl(config),
    trustedProxies: config.trustedProxies
      .map((text) => parseNetwork(text))
      .filter((network): network is Network => typeof network !== 'string'),
    metricsToken: config.metricsToken?.reveal(),
    readiness: () => ({ ready: state.ready, degraded: degradedParts(domain) }),
  }
  const server = await createHttpServer({ authority, endpoints, lane: verifyLane(authority), tls: readTls(config) })
  const url = await server.listen(config.listen)
  const stops = [
    watchTls(domain, config, server),
    domain.clock.every(replaySweepMilliseconds, () => void forget(domain)),
    domain.clock.every(checkpointMilliseconds, () => void publishCheckpoints(domain, config.checkpointDir)),
    domain.clock.every(sweepMilliseconds, () => void sweep(domain, config.checkpointDir)),
  ]
  state.ready = true
  domain.log.info('serve.listening', { url })
  return {
    url: config.publicUrl ?? url,
    ...founded,
    stop: async () => {
      state.ready = false
      for (const stop of stops) stop()
      await server.stop()
      await publishCheckpoints(domain, config.checkpointDir)
      await closeDomain(domain)
      domain.log.info('serve.stopped', {})
    },
  }
}

function defaultUrl(config: Config): string {
  if ('socket' in config.listen) return 'http://localhost'
  return `${config.tls === undefined ? 'http' : 'https'}://localhost:${config.listen.port}`
}

function degradedParts(domain: Domain): readonly string[] {
  return [
    ...(domain.listener.databaseLost ? ['database'] : []),
    ...(domain.listener.brokenTenants.length > 0 ? ['journal'] : []),
  ]
}

async function forget(domain: Domain): Promise<void> {
  await domain.database.forgetReplays(domain.clock.now()).catch(() => undefined)
}

function readTls(config: Config): { readonly cert: string; readonly key: string } | undefined {
  if (config.tls === undefined) return undefined
  try {
    return { cert: readFileSync(config.tls.cert, 'utf8'), key: readFileSync(config.tls.key, 'utf8') }
  } catch {
    throw new Misconfigured('The files of --tls-cert and --tls-key cannot be read.')
  }
}

/** Puts a renewed certificate into use; one that does not fit leaves the old one. */
function watchTls(domain: Domain, config: Config, server: HttpServer): () => void {
  const { tls } = config
  if (tls === undefined) return () => undefined
  return watchFiles([tls.cert, tls.key], () => {
    try {
      const renewed = readTls(config)
      if (renewed === undefined) return
      server.replaceTls(renewed)
      domain.log.info('tls.reloaded', {})
    } catch {
      domain.log.warn('tls.reload_failed', { reason: 'the certificate and its key do not fit' })
    }
  })
}

/** The operations on the database itself. */
export const localOperations: LocalOperations = {
  migrate: (config) => withDomain(config, async () => undefined),
  backup: (config, file) => backup(config, file, systemClock.now()),
  restore: (config, file, revocations) =>
    withDomain(config, (domain) => restore(domain, file, revocations), { readOnly: false, makeKek: false }),
  rewrap: (config, newDek) =>
    withDomain(config, async (domain) => {
      const { wrapped, removed } = await rewrap(domain)
      const tenants = [...(await domain.database.heads()).keys()]
      if (newDek) await makeDeks(domain, tenants)
      const resealed = await resealTenants(domain, tenants)
      return { wrapped, removed, resealed }
    }),
  escrow,
  recover,
  examine: (config) =>
    withDomain(config, (domain) => examine(domain, config, join(config.dataDir, tokenFileName)), {
      readOnly: true,
      makeKek: false,
    }),
  verify: (config, checkpoints) =>
    withDomain(
      config,
      async (domain) => {
        const outside = checkpoints.map((path) => readFileSync(path, 'utf8'))
        const verdicts: TenantVerdict[] = []
        for (const tenant of (await domain.database.heads()).keys()) {
          const own = outside.filter((note) => note.startsWith(`${checkpointOrigin(tenant)}\n`))
          for (const note of own) outside.splice(outside.indexOf(note), 1)
          verdicts.push({ tenant, ...(await verifyJournal(domain, tenant, own)) })
        }
        // A journal that is gone as a whole shows only in what was kept elsewhere.
        for (const note of outside) {
          const reason = 'a checkpoint is of a journal that this database does not have'
          verdicts.push({ tenant: note.split('\n')[0] ?? '', ok: false, seq: 0, reason })
        }
        return verdicts
      },
      { readOnly: true, makeKek: false },
    ),
}

async function withDomain<Result>(
  config: Config,
  use: (domain: Domain) => Promise<Result>,
  options?: OpenOptions,
): Promise<Result> {
  const domain = await openDomain(config, options)
  try {
    return await use(domain)
  } finally {
    await closeDomain(domain)
  }
}
