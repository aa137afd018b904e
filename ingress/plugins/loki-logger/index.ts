import type { JsonObject } from '../../objects/index.ts'
import { byTurns, loggerPlugin, post } from '../logger/logger-plugin.ts'

interface Conf {
  readonly endpoint_addrs: readonly string[]
  readonly endpoint_uri: string
  readonly tenant_id: string
  readonly headers: Readonly<Record<string, string>>
  readonly log_labels: Readonly<Record<string, string>>
  readonly ssl_verify: boolean
  readonly timeout: number
}

/** Sends log entries to Grafana Loki's push API. */
export const lokiLogger = loggerPlugin({
  name: 'loki-logger',
  priority: 414,
  encryptFields: ['headers'],
  properties: {
    endpoint_addrs: { type: 'array', minItems: 1, items: { type: 'string', pattern: '^https?://' } },
    endpoint_uri: { type: 'string', minLength: 1, default: '/loki/api/v1/push' },
    tenant_id: { type: 'string', default: 'fake' },
    headers: { type: 'object', default: {} },
    log_labels: { type: 'object', default: { job: 'apisix' } },
    ssl_verify: { type: 'boolean', default: true },
    timeout: { type: 'integer', minimum: 1, maximum: 60_000, default: 3000 },
    keepalive: { type: 'boolean', default: true },
    keepalive_timeout: { type: 'integer', minimum: 1000, default: 60_000 },
    keepalive_pool: { type: 'integer', minimum: 1, default: 5 },
  },
  required: ['endpoint_addrs'],
  open(conf) {
    const own = conf as unknown as Conf
    const next = byTurns(own.endpoint_addrs)
    const at = (entry: JsonObject) => `${Number(entry.start_time ?? Date.now())}000000`
    return (entries) => {
      const values = entries.map((entry) => [at(entry), JSON.stringify(entry)])
      const body = JSON.stringify({ streams: [{ stream: own.log_labels, values }] })
      const headers = { ...own.headers, 'Content-Type': 'application/json', 'X-Scope-OrgID': own.tenant_id }
      const url = next() + own.endpoint_uri
      return post({ url, headers, body, timeout: own.timeout / 1000, verify: own.ssl_verify })
    }
  },
})
