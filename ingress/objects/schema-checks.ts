import type { Schema } from './validator.ts'

const statuses = (list: readonly number[]): Schema => ({
  type: 'array',
  items: { type: 'integer', minimum: 200, maximum: 599 },
  minItems: 1,
  uniqueItems: true,
  default: list,
})
const count = (value: number): Schema => ({ type: 'integer', minimum: 0, maximum: 254, default: value })
const interval: Schema = { type: 'integer', minimum: 1, default: 1 }

const ACTIVE_HEALTHY = {
  interval,
  http_statuses: statuses([200, 302]),
  successes: { ...count(2), minimum: 1 },
}
const ACTIVE_UNHEALTHY = {
  interval,
  http_statuses: statuses([429, 404, 500, 501, 502, 503, 504, 505]),
  http_failures: { ...count(5), minimum: 1 },
  tcp_failures: { ...count(2), minimum: 1 },
  timeouts: { ...count(3), minimum: 1 },
}
const PASSIVE_STATUSES = [
  200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308,
]
const PASSIVE_HEALTHY = { http_statuses: statuses(PASSIVE_STATUSES), successes: count(5) }
const PASSIVE_UNHEALTHY = {
  http_statuses: statuses([429, 500, 503]),
  tcp_failures: count(2),
  timeouts: count(7),
  http_failures: count(5),
}

/** An object whose own default is that of its properties, so that leaving it out means the same as leaving it empty. */
function filled(properties: Readonly<Record<string, Schema>>): Schema {
  const whole = Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, one.default]))
  return { type: 'object', properties, default: whole }
}

/** `checks` of an upstream: probes, and what answers to requests say. */
export const CHECKS: Schema = {
  type: 'object',
  properties: {
    active: {
      type: 'object',
      properties: {
        type: { type: 'string', enum: ['http', 'https', 'tcp'], default: 'http' },
        timeout: { type: 'number', exclusiveMinimum: 0, default: 1 },
        concurrency: { type: 'integer', minimum: 1, default: 10 },
        host: { type: 'string', minLength: 1 },
        port: { type: 'integer', minimum: 1, maximum: 65535 },
        http_method: { type: 'string', enum: ['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS'], default: 'GET' },
        http_path: { type: 'string', pattern: '^/', default: '/' },
        https_verify_certificate: { type: 'boolean', default: true },
        req_headers: { type: 'array', items: { type: 'string' }, minItems: 1, uniqueItems: true },
        healthy: filled(ACTIVE_HEALTHY),
        unhealthy: filled(ACTIVE_UNHEALTHY),
      },
    },
    passive: {
      type: 'object',
      properties: { healthy: filled(PASSIVE_HEALTHY), unhealthy: filled(PASSIVE_UNHEALTHY) },
    },
  },
  anyOf: [{ required: ['active'] }, { required: ['active', 'passive'] }],
  additionalProperties: false,
}
