/**
 * `npm run test:interop`: runs the judges, programs written by others that check Keywright from outside against a
 * standard. What Keywright speaks today needs none; each protocol that is added brings its judge into this table.
 */
const judges = []

process.stdout.write(`${judges.length} external judges: nothing that Keywright speaks today needs one.\n`)
