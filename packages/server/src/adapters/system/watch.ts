/**
 * Notices that files were replaced or rewritten, by looking at them: renewals replace links as well as contents, which events miss.
 */
import { statSync } from 'node:fs'

const watchMilliseconds = 1_000

/** Calls back after any of the files changed. Returns how to stop. */
export function watchFiles(paths: readonly string[], onChange: () => void): () => void {
  const look = () =>
    paths
      .map((path) => {
        const stat = statSync(path, { throwIfNoEntry: false })
        return stat === undefined ? 'none' : `${stat.ino} ${stat.mtimeMs} ${stat.size}`
      })
      .join(' ')
  let seen = look()
  const timer = setInterval(() => {
    const now = look()
    if (now === seen) return
    seen = now
    onChange()
  }, watchMilliseconds)
  timer.unref()
  return () => clearInterval(timer)
}
