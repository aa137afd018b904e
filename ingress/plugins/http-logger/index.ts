import { loggerPlugin, post } from '../logger/logger-plugin.ts'

interface Conf {
  readonly uri: string
  readonly auth_header?: string
  readonly timeout: number
  readonly concat_method: 'json' | 'new_line'
  readonly ssl_verify: boolean
}

/** Sends log entries of requests to an HTTP server, in batches. */
export const httpLogger = loggerPlugin({
  name: 'http-logger',
  priority: 410,
  encryptFields: ['auth_header'],
  properties: {
    uri: { type: 'string', pattern: '^https?://' },
    auth_header: { type: 'string' },
    timeout: { type: 'integer', minimum: 1, default: 3 },
    concat_method: { type: 'string', enum: ['json', 'new_line'], default: 'json' },
    ssl_verify: { type: 'boolean', default: false },
  },
  required: ['uri'],
  open(conf) {
    const own = conf as unknown as Conf
    const json = own.concat_method === 'json'
    return (entries) => {
      const lines = entries.map((entry) => JSON.stringify(entry))
      const [only = ''] = lines
      const body = !json ? lines.join('\n') : lines.length === 1 ? only : `[${lines.join(',')}]`
      const headers = {
        'Content-Type': json ? 'application/json' : 'text/plain',
        ...(own.auth_header === undefined ? {} : { Authorization: own.auth_header }),
      }
      return post({ url: own.uri, headers, body, timeout: own.timeout, verify: own.ssl_verify })
    }
  },
})
