import type { RequestContext } from '../../dataplane/context.ts'
import { monotonicNow, type SharedRecord } from '../../sharing/index.ts'
import type { Plugin } from '../plugin.ts'

interface Conf {
  readonly break_response_code: number
  readonly break_response_body?: string
  readonly break_response_headers?: readonly { readonly key: string; readonly value: string }[]
  readonly max_breaker_sec: number
  readonly unhealthy: { readonly http_statuses: readonly number[]; readonly failures: number }
  readonly healthy: { readonly http_statuses: readonly number[]; readonly successes: number }
}

/** A circuit in shared memory: statuses counted, when it opened (monotonicNow) and for how long. */
const FAILURES = 0
const SUCCESSES = 1
const OPENED_AT = 2
const OPEN_MS = 3

/** A circuit nobody has failed on for so long may make room for others. */
const KEPT_MS = 3_600_000
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
    const circuits = environment.shared.within(`api-breaker ${scope}`)
    const keyOf = (context: RequestContext) => `${context.host}${context.path}`
    const headers = Object.fromEntries(
      (own.break_response_headers ?? []).map(({ key, value }) => [key, value]),
    )
    return {
      access(context) {
        const key = circuits.key(keyOf(context))
        if (circuits.records.peek(key, FAILURES) < own.unhealthy.failures) return undefined
        const open = circuits.records.update(
          key,
          (circuit) => monotonicNow() - circuit.get(OPENED_AT) < circuit.get(OPEN_MS),
        )
        if (!open) return undefined
        const body = own.break_response_body
        return { status: own.break_response_code, body, headers: body === undefined ? {} : headers }
      },
      log(context) {
        // The breaker's own answers say nothing about the upstream.
        if (context.upstreamStatus === '') return
        const { status } = context.exchange
        const failed = own.unhealthy.http_statuses.includes(status)
        if (!failed && !own.healthy.http_statuses.includes(status)) return
        const key = circuits.key(keyOf(context))
        if (failed) circuits.records.update(key, (circuit) => recordFailure(circuit, own))
        else if (circuits.records.peek(key, FAILURES) > 0)
          circuits.records.update(key, (circuit) => recordSuccess(circuit, own))
      },
    }
  },
}

function recordFailure(circuit: SharedRecord, { unhealthy, max_breaker_sec }: Conf): void {
  const failures = circuit.get(FAILURES) + 1
  circuit.set(FAILURES, failures)
  circuit.set(SUCCESSES, 0)
  const now = monotonicNow()
  if (failures % unhealthy.failures === 0) {
    circuit.set(OPENED_AT, now)
    circuit.set(OPEN_MS, Math.min(2 ** (failures / unhealthy.failures), max_breaker_sec) * 1000)
  }
  circuit.expiresAt = now + KEPT_MS
}

function recordSuccess(circuit: SharedRecord, { healthy }: Conf): void {
  const successes = circuit.get(SUCCESSES) + 1
  circuit.set(SUCCESSES, successes)
  if (successes < healthy.successes) return
  circuit.set(FAILURES, 0)
  circuit.set(SUCCESSES, 0)
  circuit.expiresAt = 0
}
