/** `npm start`: installs what is missing, then goes on as `keywright serve` with the arguments behind `--`. */
import { launch } from '../packages/server/bin/launch.mjs'
import { ensurePackages, runScript } from './install.mjs'

runScript(() => {
  ensurePackages()
  launch(['serve', ...process.argv.slice(2)])
})
