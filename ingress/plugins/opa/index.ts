import { isObject, type JsonObject } from '../../objects/index.ts'
import { call } from '../http-call.ts'
import type { Plugin, PluginAnswer } from '../plugin.ts'

interface Conf {
  readonly host: string
  readonly policy: string
  readonly ssl_verify: boolean
  readonly timeout: number
  readonly with_route: boolean
  readonly with_service: boolean
  readonly with_consumer: boolean
  readonly send_headers_upstream?: readonly string[]
}

/** Asks Open Policy Agent whether a request may pass. */
export const opa: Plugin = {
  name: 'opa',
  priority: 2001,
  schema: {
    type: 'object',
    properties: {
      host: { type: 'string', pattern: '^https?://' },
      policy: { type: 'string' },
      ssl_verify: { type: 'boolean', default: true },
      timeout: { type: 'integer', minimum: 1, maximum: 60_000, default: 3000 },
      keepalive: { type: 'boolean', default: true },
      keepalive_timeout: { type: 'integer', minimum: 1000, default: 60_000 },
      keepalive_pool: { type: 'integer', minimum: 1, default: 5 },
      with_route: { type: 'boolean', default: false },
      with_service: { type: 'boolean', default: false },
      with_consumer: { type: 'boolean', default: false },
      send_headers_upstream: { type: 'array', minItems: 1, items: { type: 'string' } },
    },
    required: ['host', 'policy'],
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const url = `${own.host}/v1/data/${own.policy}`
    return {
      async access(context): Promise<PluginAnswer | undefined> {
        const { exchange, route, service, consumer } = context
        const { headers } = exchange
        for (const name of own.send_headers_upstream ?? []) if (headers.has(name)) headers.remove(name)
        const { transport } = exchange.connection
        const input = {
          type: 'http',
          request: {
            scheme: context.scheme,
            method: context.method,
            host: context.host,
            port: transport.localPort,
            path: context.path,
            headers: headers.entries(),
            query: Object.fromEntries(new URLSearchParams(context.query)),
          },
          var: {
            server_addr: transport.localAddress,
            server_port: String(transport.localPort),
            remote_addr: context.remoteAddr,
            remote_port: String(transport.remotePort),
            timestamp: Math.floor(Date.now() / 1000),
          },
          ...(own.with_route && route !== undefined ? { route: route.route } : {}),
          ...(own.with_service && service !== undefined ? { service } : {}),
          ...(own.with_consumer && consumer !== undefined
            ? { consumer: { username: consumer.username, labels: consumer.labels } }
            : {}),
        }
        let result: unknown
        try {
          const answer = await call({
            url,
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ input }),
            timeoutMs: own.timeout,
            verify: own.ssl_verify,
          })
          const decoded: unknown = JSON.parse(answer.body.toString('utf8'))
          result = isObject(decoded) ? decoded.result : undefined
        } catch (error) {
          environment.log.error({ plugin: 'opa', object: environment.owner, err: error }, 'no decision')
          return { status: 403 }
        }
        if (!isObject(result)) return { status: 503 }
        const told = textFields(result.headers)
        if (result.allow !== true) {
          const body = isObject(result.reason) ? (result.reason as JsonObject) : String(result.reason ?? '')
          const status = Number(result.status_code ?? 403)
          return { status, ...(body === '' ? {} : { body }), headers: told }
        }
        for (const name of own.send_headers_upstream ?? []) {
          const value = told[name]
          if (value !== undefined) headers.set(name, value)
        }
        return undefined
      },
    }
  },
}

function textFields(value: unknown): Record<string, string> {
  if (!isObject(value)) return {}
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, String(one)]))
}
