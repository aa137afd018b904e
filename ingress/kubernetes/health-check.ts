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
    const inner = name === 'interval' || name === 'timeout' ? seconds(one) : renamed(one)
    return [NAMES[name] ?? name, inner]
  })
  return Object.fromEntries(entries)
}

/** `healthCheck` of an ApisixUpstream as `checks` of an upstream; undefined if there is none or it is not usable. */
export function checksOf(healthCheck: JsonObject | undefined): JsonObject | undefined {
  if (healthCheck === undefined) return undefined
  const checks = renamed(structuredClone(healthCheck)) as JsonObject
  const schema = SCHEMAS.upstreams.properties?.checks
  return schema === undefined || validate(schema, checks) === undefined ? checks : undefined
}
