import { appendFile } from 'node:fs/promises'
import { compileExpression } from '../../route/index.ts'
import { loggerPlugin } from '../logger/logger-plugin.ts'

const DELAY_MS = 100

/** Appends a JSON line per request to a file. */
export const fileLogger = loggerPlugin({
  name: 'file-logger',
  priority: 399,
  delayMs: DELAY_MS,
  properties: {
    path: { type: 'string', minLength: 1 },
    match: { type: 'array', maxItems: 20, items: { type: 'array' } },
  },
  metadataProperties: { path: { type: 'string', minLength: 1 } },
  check(conf) {
    try {
      if (Array.isArray(conf.match)) compileExpression(conf.match)
      return undefined
    } catch (error) {
      return `failed to validate the 'match' expression: ${error instanceof Error ? error.message : error}`
    }
  },
  wants(conf, environment) {
    const holds = compileExpression(Array.isArray(conf.match) ? conf.match : [])
    return (context) =>
      (conf.path !== undefined || environment.metadata().path !== undefined) && holds(context.variables)
  },
  open(conf, environment) {
    // Opened for each batch, so that a rotated file is not written to for ever.
    return (entries) =>
      appendFile(
        String(conf.path ?? environment.metadata().path),
        entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''),
        { mode: 0o640 },
      )
  },
})
