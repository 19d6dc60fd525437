/**
 * kill -9 under load, many times on each database: what was acknowledged is there afterwards, and the journal holds.
 *
 *   node --conditions=@keywright/source packages/server/bench/crash.ts [--kills=200] [--writers=8] [--only=embedded,postgres]
 *
 * Prints a Markdown table. Exits 1 when anything was lost, half made or broken.
 */
import { parseArgs } from 'node:util'
import { type CrashReport, crashLoop } from '../journeys/crash-loop.ts'
import { databaseKinds, newPlace, openDatabases } from '../journeys/harness.ts'
import { machine } from './machine.ts'

const loadMilliseconds = [20, 400] as const

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    writers: { type: 'string', default: '8' },
    only: { type: 'string', default: databaseKinds.join(',') },
  },
})

function faultsOf(report: CrashReport): readonly string[] {
  return [...report.lost, ...report.halfApplied, ...report.journalBreaks, ...report.unexpected]
}

const databases = openDatabases()
const rows: string[] = []
try {
  for (const kind of databaseKinds.filter((one) => values.only.split(',').includes(one))) {
    const place = newPlace(await databases.fresh(kind))
    const report = await crashLoop(place, {
      kills: Number(values.kills),
      writers: Number(values.writers),
      loadMilliseconds,
    })
    place.leave()
    for (const fault of faultsOf(report)) console.error(`${kind}: ${fault}`)
    if (faultsOf(report).length > 0) process.exitCode = 1
    rows.push(
      `| ${kind} | ${report.kills} | ${report.acknowledged} | ${report.lost.length} | ${report.underWay} (${report.underWayMade}) | ${report.halfApplied.length} | ${report.entries} | ${report.journalBreaks.length} |`,
    )
  }
} finally {
  await databases.stop()
}
console.log(machine())
console.log(
  `\n| database | kills | acknowledged changes | lost | under way at a kill (made nevertheless) | half made | journal entries | breaks |\n|---|---|---|---|---|---|---|---|\n${rows.join('\n')}`,
)
