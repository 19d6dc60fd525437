/**
 * Starts `append.ts` as another process and reads what it acknowledges.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TenantId } from '../model/ids.ts'
import type { Appender } from '../ports/database.contract.ts'

const program = fileURLToPath(new URL('./append.ts', import.meta.url))

/** Starts it; `fileBlocksMax` is the size, in blocks of 512 bytes, beyond which the system refuses to write any file. */
export function startAppender(
  url: string,
  dataDir: string,
  count: number,
  prefix: string,
  tenants: readonly TenantId[],
  fileBlocksMax?: number,
): Appender {
  const node = ['--conditions=@keywright/source', program, url, dataDir, String(count), prefix, ...tenants]
  const limited = ['-c', `ulimit -f ${fileBlocksMax ?? 'unlimited'}; exec "$0" "$@"`, process.execPath, ...node]
  const child = spawn('/bin/sh', limited, { stdio: ['ignore', 'pipe', 'inherit'], env: {} })
  const acknowledged: { tenant: TenantId; id: string }[] = []
  const waiting = new Set<() => void>()
  const wake = () => {
    for (const check of waiting) check()
  }
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [outcome = '', tenant = '', id = ''] = line.split(' ')
    if (outcome === 'committed') acknowledged.push({ tenant: tenant as TenantId, id })
    wake()
  })
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      resolve(code)
      wake()
    })
  })
  return {
    acknowledged,
    exited,
    reached: (wanted) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (acknowledged.length < wanted && child.exitCode === null) return
          waiting.delete(check)
          if (acknowledged.length >= wanted) resolve()
          else reject(new Error(`the process ended after ${acknowledged.length} keys`))
        }
        waiting.add(check)
        check()
      }),
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
