#!/usr/bin/env node
/** The command `keywright`. What it does to find its Node.js is in `launch.mjs`. */
import { launch } from './launch.mjs'

launch(process.argv.slice(2))
