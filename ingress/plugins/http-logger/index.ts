import { setTimeout as sleep } from 'node:timers/promises'
import { isObject, type JsonObject } from '../../objects/index.ts'
import { Batch } from '../batch.ts'
import { call } from '../http-call.ts'
import { logEntry } from '../log-entry.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly uri: string
  readonly auth_header?: string
  readonly timeout: number
  readonly log_format?: JsonObject
  readonly concat_method: 'json' | 'new_line'
  readonly ssl_verify: boolean
  readonly batch_max_size: number
  readonly inactive_timeout: number
  readonly max_retry_count: number
  readonly retry_delay: number
}

const HELD = 10_000

/** Sends log entries of requests to an HTTP server, in batches. */
export const httpLogger: Plugin = {
  name: 'http-logger',
  priority: 410,
  schema: {
    type: 'object',
    properties: {
      uri: { type: 'string', pattern: '^https?://' },
      auth_header: { type: 'string' },
      timeout: { type: 'integer', minimum: 1, default: 3 },
      log_format: { type: 'object' },
      concat_method: { type: 'string', enum: ['json', 'new_line'], default: 'json' },
      ssl_verify: { type: 'boolean', default: false },
      batch_max_size: { type: 'integer', minimum: 1, default: 1000 },
      inactive_timeout: { type: 'integer', minimum: 1, default: 5 },
      buffer_duration: { type: 'integer', minimum: 1, default: 60 },
      max_retry_count: { type: 'integer', minimum: 0, default: 0 },
      retry_delay: { type: 'integer', minimum: 0, default: 1 },
      name: { type: 'string' },
    },
    required: ['uri'],
  },
  metadataSchema: { type: 'object', properties: { log_format: { type: 'object' } } },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const deliver = async (entries: readonly JsonObject[]): Promise<void> => {
      const lines = entries.map((entry) => JSON.stringify(entry))
      const [only = ''] = lines
      const json = own.concat_method === 'json'
      const body = !json ? lines.join('\n') : lines.length === 1 ? only : `[${lines.join(',')}]`
      const headers = {
        'Content-Type': json ? 'application/json' : 'text/plain',
        ...(own.auth_header === undefined ? {} : { Authorization: own.auth_header }),
      }
      const { uri: url, timeout, ssl_verify: verify } = own
      const answer = await call({ url, method: 'POST', headers, body, timeoutMs: timeout * 1000, verify })
      if (answer.status >= 400) throw new Error(`status ${answer.status}`)
    }
    const send = async (entries: readonly JsonObject[]): Promise<void> => {
      for (let attempt = 0; ; attempt++) {
        try {
          await deliver(entries)
          return
        } catch (error) {
          if (attempt < own.max_retry_count) {
            await sleep(own.retry_delay * 1000)
            continue
          }
          const object = environment.owner
          environment.log.warn(
            { plugin: 'http-logger', object, lost: entries.length, err: error },
            'log entries lost',
          )
          return
        }
      }
    }
    const { batch_max_size: size, inactive_timeout } = own
    const batch = new Batch({ size, delayMs: inactive_timeout * 1000, limit: HELD, send })
    return {
      log(context) {
        const shared = environment.metadata().log_format
        batch.push(logEntry(context, own.log_format ?? (isObject(shared) ? shared : undefined)))
      },
    }
  },
}
