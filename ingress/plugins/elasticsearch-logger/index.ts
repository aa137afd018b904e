import type { JsonObject } from '../../objects/index.ts'
import { byTurns, loggerPlugin, post } from '../logger/logger-plugin.ts'

interface Conf {
  readonly endpoint_addr?: string
  readonly endpoint_addrs?: readonly string[]
  readonly field: { readonly index: string; readonly type?: string }
  readonly auth?: { readonly username: string; readonly password: string }
  readonly headers?: Readonly<Record<string, string>>
  readonly timeout: number
  readonly ssl_verify: boolean
}

/** {%Y.%m.%d} in an index name: the date, in UTC. */
function indexName(index: string): string {
  const [date = '', time = ''] = new Date().toISOString().split(/[T.]/)
  const [year = '', month = '', day = ''] = date.split('-')
  const parts: Readonly<Record<string, string>> = { Y: year, m: month, d: day, H: time.slice(0, 2) }
  return index.replace(/\{([^}]*)\}/g, (_, format: string) =>
    format.replace(/%([YmdH])/g, (whole, letter: string) => parts[letter] ?? whole),
  )
}

/** Sends log entries to Elasticsearch's bulk API. */
export const elasticsearchLogger = loggerPlugin({
  name: 'elasticsearch-logger',
  priority: 413,
  encryptFields: ['auth.password', 'headers'],
  properties: {
    endpoint_addr: { type: 'string', pattern: '[^/]$' },
    endpoint_addrs: { type: 'array', minItems: 1, items: { type: 'string', pattern: '[^/]$' } },
    field: {
      type: 'object',
      properties: { index: { type: 'string' }, type: { type: 'string' } },
      required: ['index'],
    },
    auth: {
      type: 'object',
      properties: { username: { type: 'string', minLength: 1 }, password: { type: 'string', minLength: 1 } },
      required: ['username', 'password'],
    },
    headers: {
      type: 'object',
      minProperties: 1,
      patternProperties: { '^[^:]+$': { type: 'string', minLength: 1 } },
    },
    timeout: { type: 'integer', minimum: 1, default: 10 },
    ssl_verify: { type: 'boolean', default: true },
  },
  required: ['field'],
  check: (conf) =>
    conf.endpoint_addr === undefined && conf.endpoint_addrs === undefined
      ? 'value should match only one schema, but matches none'
      : undefined,
  open(conf) {
    const own = conf as unknown as Conf
    const next = byTurns(own.endpoint_addrs ?? [own.endpoint_addr ?? ''])
    const credentials = own.auth === undefined ? undefined : `${own.auth.username}:${own.auth.password}`
    return (entries: readonly JsonObject[]) => {
      const create = {
        _index: indexName(own.field.index),
        ...(own.field.type ? { _type: own.field.type } : {}),
      }
      const head = JSON.stringify({ create })
      const body = entries.map((entry) => `${head}\n${JSON.stringify(entry)}\n`).join('')
      const headers = {
        'Content-Type': 'application/x-ndjson',
        ...(credentials === undefined
          ? {}
          : { Authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
        ...own.headers,
      }
      return post({ url: `${next()}/_bulk`, headers, body, timeout: own.timeout, verify: own.ssl_verify })
    }
  },
})
