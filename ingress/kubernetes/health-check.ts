import { isObject, type JsonObject, SCHEMAS, validate } from '../objects/index.ts'

const NAMES: Readonly<Record<string, string>> = {
  httpPath: 'http_path',
  httpMethod: 'http_method',
  strictTLS: 'https_verify_certificate',
  requestHeaders: 'req_headers',
  httpCodes: 'http_statuses',
  httpFailures: 'http_failures',
  tcpFailures: 'tcp_failures',
}

/** Durations such as "1s" or "500ms" in whole seconds, at least one; other values as they are. */
function seconds(value: unknown): unknown {
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(value) : null
  if (match === null) return value
  const factor = match[2] === 'ms' ? 0.001 : match[2] === 'm' ? 60 : 1
  return Math.max(1, Math.round(Number(match[1]) * factor))
}

function renamed(value: unknown): unknown {
  if (!isObject(value)) return value
  const entries = Object.entries(value).map(([name, one]) => {
    // The CRD calls the count of timeouts `timeout`, as it calls how long a probe may take.
    if (name === 'unhealthy' && isObject(one)) {
      const { timeout, ...others } = one
      return [name, renamed(timeout === undefined ? others : { timeouts: timeout, ...others })]
    }
    const inner = name === 'interval' || name === 'timeout' ? seconds(one) : renamed(one)
    return [NAMES[name] ?? name, inner]
  })
  return Object.fromEntries(entries)
}

/** `healthCheck` of an ApisixUpstream as `checks` of an upstream; a sentence if it is not usable. */
export function checksOf(healthCheck: JsonObject | undefined): JsonObject | string | undefined {
  if (healthCheck === undefined) return undefined
  const checks = renamed(structuredClone(healthCheck)) as JsonObject
  const schema = SCHEMAS.upstreams.properties?.checks
  return schema === undefined ? checks : (validate(schema, checks) ?? checks)
}
