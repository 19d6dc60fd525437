/**
 * The release that runs, as its package says.
 */
import packageJson from '../../package.json' with { type: 'json' }

export const version: string = packageJson.version
