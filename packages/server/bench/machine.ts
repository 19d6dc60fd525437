/**
 * Where a measurement was made, in one line, and the few statistics that benchmarks share.
 */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** Date, Node.js and processors, as they stand above each table. */
export function machine(): string {
  const processors = cpus()
  const model = processors[0]?.model ?? 'unknown processor'
  return `${new Date().toISOString().slice(0, 10)}, Node.js ${process.versions.node}, ${processors.length} × ${model}`
}

/** The value below which `share` (0 to 1) of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Resident memory of a process in MB, from `/proc`: Linux only. */
export function residentMegabytesOf(pid: number | 'self'): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? Number.NaN) / 1024
}
