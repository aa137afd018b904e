import type { RequestContext } from '../../dataplane/context.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly break_response_code: number
  readonly break_response_body?: string
  readonly break_response_headers?: readonly { readonly key: string; readonly value: string }[]
  readonly max_breaker_sec: number
  readonly unhealthy: { readonly http_statuses: readonly number[]; readonly failures: number }
  readonly healthy: { readonly http_statuses: readonly number[]; readonly successes: number }
}

interface Circuit {
  failures: number
  successes: number
  /** When it opened (performance.now), and for how long. */
  openedAt: number
  openMs: number
}

const KEPT = 10_000
const statuses = (least: number, list: readonly number[]) =>
  ({
    type: 'array',
    items: { type: 'integer', minimum: least, maximum: 599 },
    minItems: 1,
    uniqueItems: true,
    default: list,
  }) as const

/** Stops asking an upstream that keeps failing: for 2, 4, 8 ... seconds, until it succeeds again. */
export const apiBreaker: Plugin = {
  name: 'api-breaker',
  priority: 1005,
  schema: {
    type: 'object',
    properties: {
      break_response_code: { type: 'integer', minimum: 200, maximum: 599 },
      break_response_body: { type: 'string' },
      break_response_headers: {
        type: 'array',
        items: {
          type: 'object',
          properties: { key: { type: 'string', minLength: 1 }, value: { type: 'string', minLength: 1 } },
          required: ['key', 'value'],
        },
      },
      max_breaker_sec: { type: 'integer', minimum: 3, default: 300 },
      unhealthy: {
        type: 'object',
        properties: {
          http_statuses: statuses(500, [500]),
          failures: { type: 'integer', minimum: 1, default: 3 },
        },
        default: { http_statuses: [500], failures: 3 },
      },
      healthy: {
        type: 'object',
        properties: {
          http_statuses: statuses(200, [200]),
          successes: { type: 'integer', minimum: 1, default: 3 },
        },
        default: { http_statuses: [200], successes: 3 },
      },
    },
    required: ['break_response_code'],
  },
  compile(conf, environment) {
    const own = conf as unknown as Conf
    const scope = `${environment.owner} ${JSON.stringify(conf)}`
    const circuits = (environment.state.get(scope) as Map<string, Circuit> | undefined) ?? new Map()
    environment.state.set(scope, circuits)
    const keyOf = (context: RequestContext) => `${context.host}${context.path}`
    const headers = Object.fromEntries(
      (own.break_response_headers ?? []).map(({ key, value }) => [key, value]),
    )
    return {
      access(context) {
        const circuit = circuits.get(keyOf(context))
        if (circuit === undefined || circuit.failures < own.unhealthy.failures) return undefined
        if (performance.now() - circuit.openedAt >= circuit.openMs) return undefined
        const body = own.break_response_body
        return { status: own.break_response_code, body, headers: body === undefined ? {} : headers }
      },
      log(context) {
        // The breaker's own answers say nothing about the upstream.
        if (context.upstreamStatus === '') return
        const { status } = context.exchange
        const key = keyOf(context)
        let circuit = circuits.get(key)
        if (own.unhealthy.http_statuses.includes(status)) {
          if (circuit === undefined) {
            if (circuits.size >= KEPT) circuits.clear()
            circuit = { failures: 0, successes: 0, openedAt: 0, openMs: 0 }
            circuits.set(key, circuit)
          }
          circuit.successes = 0
          circuit.failures++
          if (circuit.failures % own.unhealthy.failures === 0) {
            const times = circuit.failures / own.unhealthy.failures
            circuit.openedAt = performance.now()
            circuit.openMs = Math.min(2 ** times, own.max_breaker_sec) * 1000
          }
        } else if (circuit !== undefined && own.healthy.http_statuses.includes(status)) {
          if (++circuit.successes >= own.healthy.successes) circuits.delete(key)
        }
      },
    }
  },
}
