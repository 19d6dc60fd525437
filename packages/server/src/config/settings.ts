/**
 * Every setting of the server: one table, from which flags, environment variables, help and `docs/configuration.md` follow.
 */

export interface Setting {
  /** The flag without its dashes; the variable is `KEYWRIGHT_` and the same in capitals. */
  readonly flag: string
  readonly value: string
  readonly default: string | undefined
  /** One sentence. */
  readonly sentence: string
  /** Never printed. */
  readonly secret?: true
}

export const settings = {
  listen: {
    flag: 'listen',
    value: 'HOST:PORT',
    default: '127.0.0.1:8787',
    sentence: 'Where to listen; `unix:/path` for a Unix socket.',
  },
  publicUrl: {
    flag: 'public-url',
    value: 'URL',
    default: undefined,
    sentence: 'The URL by which others reach this server; by default the address it listens on.',
  },
  dataDir: {
    flag: 'data-dir',
    value: 'DIR',
    default: './data',
    sentence: 'The folder of the embedded database and of the operator token.',
  },
  database: { flag: 'database', value: 'URL', default: 'embedded', sentence: '`embedded`, or `postgres://…`.' },
  databaseListenUrl: {
    flag: 'database-listen-url',
    value: 'URL',
    default: undefined,
    sentence: 'A direct connection for LISTEN where `--database` leads through a pooler.',
  },
  bus: { flag: 'bus', value: 'URL', default: 'none', sentence: '`none`; a bus comes with the limits.' },
  kek: {
    flag: 'kek',
    value: 'PLACE,…',
    default: undefined,
    sentence:
      'The key-encryption keys, `file:PATH` or `env:NAME`; the first seals, all open. By default `keywright/kek` in the configuration folder of the user.',
  },
  tlsCert: {
    flag: 'tls-cert',
    value: 'FILE',
    default: undefined,
    sentence: 'The certificate chain for TLS in PEM; read again when it changes.',
  },
  tlsKey: {
    flag: 'tls-key',
    value: 'FILE',
    default: undefined,
    sentence: 'The private key of the certificate in PEM.',
  },
  trustedProxies: {
    flag: 'trusted-proxies',
    value: 'CIDR,…',
    default: '',
    sentence: 'Proxies whose X-Forwarded-For counts, read from the right.',
  },
  caFile: {
    flag: 'ca-file',
    value: 'FILE',
    default: undefined,
    sentence: 'Certificates to trust in outgoing connections, besides the usual ones.',
  },
  checkpointDir: {
    flag: 'checkpoint-dir',
    value: 'DIR',
    default: undefined,
    sentence: 'A folder outside the database for signed checkpoints of the journals.',
  },
  metricsToken: {
    flag: 'metrics-token',
    value: 'TOKEN',
    default: undefined,
    sentence: 'The bearer token that /metrics asks for.',
    secret: true,
  },
  operatorToken: {
    flag: 'operator-token',
    value: 'TOKEN',
    default: undefined,
    sentence: 'A well-formed operator token for the owner of an empty database, instead of a fresh one.',
    secret: true,
  },
  unknownFloorMs: {
    flag: 'unknown-floor-ms',
    value: 'N',
    default: '5',
    sentence: 'Milliseconds before which nobody learns that a credential is unknown.',
  },
  logLevel: {
    flag: 'log-level',
    value: 'LEVEL',
    default: 'info',
    sentence: '`debug`, `info`, `warn`, `error` or `silent`.',
  },
} as const satisfies Readonly<Record<string, Setting>>

export type SettingName = keyof typeof settings

/** The environment variable of a setting. */
export function variableOf(setting: Setting): string {
  return `KEYWRIGHT_${setting.flag.toUpperCase().replaceAll('-', '_')}`
}

/** Variables that belong to the command line alone. */
export const clientVariables: readonly string[] = ['KEYWRIGHT_URL', 'KEYWRIGHT_CONFIG', 'KEYWRIGHT_OPERATOR_TOKEN']

/** The page for people, as Markdown. */
export function settingsPage(): string {
  const rows = Object.values(settings as Readonly<Record<string, Setting>>).map(
    (setting) =>
      `| \`--${setting.flag} ${setting.value}\` | \`${variableOf(setting)}\` | ${setting.default === undefined || setting.default === '' ? '' : `\`${setting.default}\``} | ${setting.sentence} |`,
  )
  return `# How is Keywright configured?

Flags of \`keywright serve\` come first, then environment variables, then the JSON file that \`--config FILE\` names. Each variable also has a form that
ends in \`_FILE\` and names a file with the value. In the file a setting has its flag's name: \`{"listen": "127.0.0.1:8787"}\`.

| flag | variable | default | what it says |
|---|---|---|---|
${rows.join('\n')}

Plain HTTP on an address that is not loopback is refused unless TLS is configured or a trusted proxy is named. Unknown \`KEYWRIGHT_*\` variables are
warned of. This page is made from the program's own table (\`packages/server/src/config/settings.ts\`) and checked by a test.
`
}
