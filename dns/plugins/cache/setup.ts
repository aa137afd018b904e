import {
  directiveError,
  duration,
  expectArgs,
  integer,
  oneArg,
  onlyDirective,
  type PluginDefinition,
  readProperties,
  type Setup,
  zonesOrBlock,
} from '../../core/setup.ts'
import type { Directive } from '../../corefile/tree.ts'
import { CachePlugin } from './cache.ts'
import { CacheMetrics } from './metrics.ts'
import type { CacheOptions, StaleOptions, StoreOptions } from './options.ts'

const name = 'cache'
const capacity = 9984
const day = 86_400

export const cache: PluginDefinition = {
  name,
  setup: (c) => {
    const options = readOptions(c)
    const metrics = new CacheMetrics(c.metrics, options.zones)
    const previous = c.previous instanceof CachePlugin ? c.previous : undefined
    return new CachePlugin({ options, metrics, servers: c.block.servers, previous })
  },
}

function readOptions(c: Setup): CacheOptions {
  const directive = onlyDirective(c)
  const args = [...directive.args]
  const first = args[0]
  let cap: number | undefined
  if (first !== undefined && /^-?\d+$/.test(first.text)) {
    cap = integer(first, name, { min: 1, max: 365 * day })
    args.shift()
  }
  const zones = zonesOrBlock(args, c, name)
  const state = {
    success: { capacity, maxTtl: cap ?? 3600, minTtl: 5 } as StoreOptions,
    denial: { capacity, maxTtl: cap ?? 1800, minTtl: 5 } as StoreOptions,
    prefetch: { amount: 0, windowMs: 60_000, percentage: 10 },
    stale: undefined as StaleOptions | undefined,
    preferPositive: false,
    servfailTtl: 5,
    keepTtl: false,
    disabled: { success: [] as string[], denial: [] as string[] },
  }
  const store = (line: Directive, defaults: StoreOptions): StoreOptions => {
    const [size, max, min] = expectArgs(line, name, { min: 1, max: 3 })
    if (size === undefined) return defaults
    const wanted = integer(size, name, { min: 0, max: 100_000_000 })
    return {
      capacity: Math.max(1024, wanted - (wanted % 256)),
      maxTtl: max === undefined ? defaults.maxTtl : integer(max, name, { min: 1, max: 365 * day }),
      minTtl: min === undefined ? defaults.minTtl : integer(min, name, { min: 0, max: 365 * day }),
    }
  }
  readProperties(directive, name, {
    success: (line) => {
      state.success = store(line, state.success)
    },
    denial: (line) => {
      state.denial = store(line, state.denial)
    },
    prefetch: (line) => {
      const [amount, window, percentage] = expectArgs(line, name, { min: 1, max: 3 })
      if (amount === undefined) return
      state.prefetch.amount = integer(amount, name, { min: 0, max: 1_000_000 })
      if (window !== undefined) state.prefetch.windowMs = duration(window, name)
      if (percentage === undefined) return
      const match = /^(\d{1,2})%$/.exec(percentage.text)
      if (match === null || Number(match[1]) < 10 || Number(match[1]) > 90) {
        throw directiveError(percentage, name, `'${percentage.text}' must be a percentage from 10% to 90%`)
      }
      state.prefetch.percentage = Number(match[1])
    },
    serve_stale: (line) => {
      state.stale = readStale(line)
    },
    serve_stale_policy: (line) => {
      const policy = oneArg(line, name)
      if (policy.text !== 'prefer_positive')
        throw directiveError(policy, name, `policy '${policy.text}' must be prefer_positive`)
      state.preferPositive = true
    },
    servfail: (line) => {
      const [value] = expectArgs(line, name, { min: 1 })
      if (value === undefined) return
      const milliseconds = duration(value, name)
      if (milliseconds > 300_000)
        throw directiveError(value, name, 'SERVFAIL may be kept for 5m at most (RFC 2308 §7.1)')
      state.servfailTtl = milliseconds / 1000
    },
    keepttl: (line) => {
      expectArgs(line, name, { min: 0 })
      state.keepTtl = true
    },
    disable: (line) => {
      const [which, ...rest] = expectArgs(line, name, { min: 1, max: 1000 })
      if (which?.text !== 'success' && which?.text !== 'denial') {
        throw directiveError(which ?? line, name, "'disable' needs success or denial")
      }
      state.disabled[which.text].push(...zonesOrBlock(rest, c, name))
    },
  })
  if (state.preferPositive && state.stale === undefined)
    throw directiveError(directive, name, 'serve_stale_policy needs serve_stale')
  return { zones, ...state }
}

/** `serve_stale [DURATION] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]` */
function readStale(line: Directive): StaleOptions {
  const args = [...expectArgs(line, name, { min: 0, max: 5 })]
  const [first] = args
  let forMs = 3_600_000
  if (first !== undefined && /^[\d.]/.test(first.text)) {
    forMs = duration(first, name)
    args.shift()
  }
  const refresh = args.shift()
  const mode = refresh?.text.toLowerCase() ?? 'immediate'
  if (refresh !== undefined && mode !== 'immediate' && mode !== 'verify')
    throw directiveError(refresh, name, `refresh mode '${refresh.text}' must be immediate or verify`)
  const timeout = mode === 'verify' ? args.shift() : undefined
  const [ttl, recheck, extra] = args
  if (extra !== undefined) throw directiveError(extra, name, `'${extra.text}' is one argument too many`)
  const ttlMs = ttl === undefined ? 0 : duration(ttl, name)
  if (ttl !== undefined && ttlMs % 1000 !== 0)
    throw directiveError(ttl, name, `the TTL of stale answers '${ttl.text}' must be whole seconds`)
  return {
    forMs,
    mode: mode === 'verify' ? 'verify' : 'immediate',
    verifyTimeoutMs: timeout === undefined ? 0 : duration(timeout, name),
    ttl: ttlMs / 1000,
    recheckMs: recheck === undefined ? (mode === 'verify' ? 0 : 1000) : duration(recheck, name),
  }
}
