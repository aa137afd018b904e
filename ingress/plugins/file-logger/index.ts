import { appendFile } from 'node:fs/promises'
import { isObject, type JsonObject } from '../../objects/index.ts'
import { Batch } from '../batch.ts'
import { logEntry } from '../log-entry.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly path?: string
  readonly log_format?: JsonObject
}

const DELAY_MS = 100
const BATCH = 1000
const HELD = 100_000

/** Appends a JSON line per request to a file. */
export const fileLogger: Plugin = {
  name: 'file-logger',
  priority: 399,
  schema: {
    type: 'object',
    properties: { path: { type: 'string', minLength: 1 }, log_format: { type: 'object' } },
  },
  metadataSchema: {
    type: 'object',
    properties: { path: { type: 'string', minLength: 1 }, log_format: { type: 'object' } },
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const send = async (lines: readonly string[]): Promise<void> => {
      const path = own.path ?? environment.metadata().path
      try {
        // Opened for each batch, so that a rotated file is not written to for ever.
        await appendFile(String(path), lines.join(''), { mode: 0o640 })
      } catch (error) {
        environment.log.warn(
          { plugin: 'file-logger', path, lost: lines.length, err: error },
          'log entries lost',
        )
      }
    }
    const batch = new Batch({ size: BATCH, delayMs: DELAY_MS, limit: HELD, send })
    return {
      log(context) {
        const metadata = environment.metadata()
        if (own.path === undefined && metadata.path === undefined) return
        const shared = isObject(metadata.log_format) ? metadata.log_format : undefined
        batch.push(`${JSON.stringify(logEntry(context, own.log_format ?? shared))}\n`)
      },
    }
  },
}
