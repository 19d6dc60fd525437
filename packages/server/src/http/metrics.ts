/**
 * Counters of this node in Prometheus' text form. No key id, address, path or free text ever becomes a label.
 */
import { codes, type Code } from '../domain/verify/decision.ts'

/** Upper bounds of the latency histogram, in seconds. */
const bounds = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const

interface Series {
  readonly buckets: number[]
  count: number
  sum: number
}

export class Metrics {
  readonly #verdicts = new Map<Code, number>(codes.map((code) => [code, 0]))
  readonly #requests = new Map<string, Series>()

  countVerdict = (code: Code): void => {
    this.#verdicts.set(code, (this.#verdicts.get(code) ?? 0) + 1)
  }

  /** Counts an answered request. `route` is a template, `status` its class and number. */
  countRequest(method: string, route: string, status: number, seconds: number): void {
    const name = `http_request_method="${method}",http_route="${route}",http_response_status_code="${status}"`
    let series = this.#requests.get(name)
    if (series === undefined) {
      series = { buckets: bounds.map(() => 0), count: 0, sum: 0 }
      this.#requests.set(name, series)
    }
    series.count += 1
    series.sum += seconds
    for (const [index, bound] of bounds.entries())
      if (seconds <= bound) series.buckets[index] = (series.buckets[index] ?? 0) + 1
  }

  /** Everything, with the gauges that are read now. */
  write(
    gauges: readonly { readonly name: string; readonly help: string; readonly value: number }[],
    version: string,
  ): string {
    const lines = [
      '# HELP keywright_verifications_total Verdicts given, by code.',
      '# TYPE keywright_verifications_total counter',
      ...[...this.#verdicts].map(([code, count]) => `keywright_verifications_total{code="${code}"} ${count}`),
      '# HELP keywright_build_info The release that runs.',
      '# TYPE keywright_build_info gauge',
      `keywright_build_info{version="${version}"} 1`,
    ]
    for (const { name, help, value } of gauges)
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`)
    lines.push(
      '# HELP http_server_request_duration_seconds Time from request to answer.',
      '# TYPE http_server_request_duration_seconds histogram',
    )
    for (const [labels, { buckets, count, sum }] of this.#requests) {
      for (const [index, bound] of bounds.entries()) {
        lines.push(`http_server_request_duration_seconds_bucket{${labels},le="${bound}"} ${buckets[index]}`)
      }
      lines.push(`http_server_request_duration_seconds_bucket{${labels},le="+Inf"} ${count}`)
      lines.push(
        `http_server_request_duration_seconds_sum{${labels}} ${sum}`,
        `http_server_request_duration_seconds_count{${labels}} ${count}`,
      )
    }
    return `${lines.join('\n')}\n`
  }
}
