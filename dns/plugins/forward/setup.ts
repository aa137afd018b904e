import { readFileSync } from 'node:fs'
import { type HostPort, parseHostPort } from '../../core/host-port.ts'
import {
  directiveError,
  duration,
  expectArgs,
  integer,
  oneArg,
  type PluginDefinition,
  readProperties,
  type Setup,
  zonesOrBlock,
} from '../../core/setup.ts'
import type { Directive } from '../../corefile/tree.ts'
import { normalizeZone } from '../../corefile/zone-key.ts'
import { addressFamily, canonicalName, isName, Rcode, rcodeNumber } from '../../wire/index.ts'
import { ForwardPlugin } from './forward.ts'
import { ForwardMetrics } from './metrics.ts'
import type { ForwardOptions, UpstreamAddress } from './options.ts'
import { readTarget } from './targets.ts'

const name = 'forward'
const maxUpstreams = 15

/** One plugin for each `forward` of the block; they are tried in the order of the file. */
export const forward: PluginDefinition = {
  name,
  setup: (c) => {
    c.block.anyClass = true
    const metrics = new ForwardMetrics(c.metrics)
    return c.directives.map((directive) => new ForwardPlugin(readOptions(directive, c), metrics, c.log))
  },
}

function readOptions(directive: Directive, c: Setup): ForwardOptions {
  const [from, ...targets] = expectArgs(directive, name, { min: 2, max: 1000 })
  if (from === undefined) throw directiveError(directive, name, 'FROM is missing')
  const zones = normalizeZone(from.text)
  const zone = zones?.[0]
  if (zone === undefined || zones?.length !== 1)
    throw directiveError(from, name, `'${from.text}' is no single zone`)
  const to = targets.flatMap((target) => readTarget(target, c))
  if (to.length > maxUpstreams)
    throw directiveError(directive, name, `more than ${maxUpstreams} upstreams: ${to.length}`)
  const tls = {
    wanted: false,
    cert: undefined as string | undefined,
    key: undefined as string | undefined,
    ca: undefined as string | undefined,
    servername: undefined as string | undefined,
  }
  const state = {
    except: [] as string[],
    forceTcp: false,
    dohMethod: 'POST' as ForwardOptions['dohMethod'],
    preferUdp: false,
    expireMs: 10_000,
    maxAgeMs: 0,
    readTimeoutMs: 2000,
    source: undefined as string | undefined,
    maxIdle: 0,
    resolvers: [] as HostPort[],
    maxFails: 2,
    maxAttempts: 0,
    maxConcurrent: 0,
    policy: 'random' as ForwardOptions['policy'],
    healthCheck: { intervalMs: 500, recursion: true, domain: '.' },
    failFast: false,
    failover: new Set<number>(),
    next: new Set<number>(),
    nextOnNoData: false,
  }
  const codes =
    (into: Set<number>) =>
    (line: Directive): void => {
      for (const argument of expectArgs(line, name, { min: 1, max: 32 })) {
        const code = rcodeNumber(argument.text)
        if (code === undefined) throw directiveError(argument, name, `'${argument.text}' is no response code`)
        if (into === state.failover && code === Rcode.NOERROR)
          throw directiveError(argument, name, 'failover is not for NOERROR')
        into.add(code)
      }
    }
  const flag =
    (set: () => void) =>
    (line: Directive): void => {
      expectArgs(line, name, { min: 0 })
      set()
    }
  const number =
    (set: (value: number) => void) =>
    (line: Directive): void =>
      set(integer(oneArg(line, name), name, { min: 0, max: 1_000_000_000 }))
  const time =
    (set: (value: number) => void) =>
    (line: Directive): void =>
      set(duration(oneArg(line, name), name))
  readProperties(directive, name, {
    except: (line) =>
      void state.except.push(...zonesOrBlock(expectArgs(line, name, { min: 1, max: 10_000 }), c, name)),
    force_tcp: flag(() => void (state.forceTcp = true)),
    prefer_udp: flag(() => void (state.preferUdp = true)),
    expire: time((value) => void (state.expireMs = value)),
    max_age: time((value) => void (state.maxAgeMs = value)),
    max_idle_conns: number((value) => void (state.maxIdle = value)),
    read_timeout: (line) => {
      time((value) => void (state.readTimeoutMs = value))(line)
      if (state.readTimeoutMs === 0) throw directiveError(line, name, 'read_timeout must be above 0')
    },
    max_fails: number((value) => void (state.maxFails = value)),
    max_connect_attempts: number((value) => void (state.maxAttempts = value)),
    max_concurrent: number((value) => void (state.maxConcurrent = value)),
    policy: (line) => {
      const policy = oneArg(line, name)
      if (policy.text !== 'random' && policy.text !== 'round_robin' && policy.text !== 'sequential') {
        throw directiveError(
          policy,
          name,
          `policy '${policy.text}' must be random, round_robin or sequential`,
        )
      }
      state.policy = policy.text
    },
    health_check: (line) => readHealthCheck(line, state.healthCheck),
    failfast_all_unhealthy_upstreams: flag(() => void (state.failFast = true)),
    failover: codes(state.failover),
    next: codes(state.next),
    next_on_nodata: flag(() => void (state.nextOnNoData = true)),
    tls: (line) => {
      const [cert, key, ca] = expectArgs(line, name, { min: 0, max: 3 })
      const files = [cert, key, ca].filter((file) => file !== undefined)
      const read = (at: (typeof files)[number]): string => {
        try {
          return readFileSync(at.text, 'utf8')
        } catch (cause) {
          throw directiveError(at, name, `cannot read '${at.text}': ${String(cause)}`)
        }
      }
      tls.wanted = true
      if (cert !== undefined && key === undefined) tls.ca = read(cert)
      if (cert !== undefined && key !== undefined) {
        tls.cert = read(cert)
        tls.key = read(key)
      }
      if (ca !== undefined) tls.ca = read(ca)
    },
    tls_servername: (line) => void (tls.servername = oneArg(line, name).text),
    doh_method: (line) => {
      const method = oneArg(line, name)
      const wanted = method.text.toUpperCase()
      if (wanted !== 'GET' && wanted !== 'POST')
        throw directiveError(method, name, `doh_method '${method.text}' must be GET or POST`)
      state.dohMethod = wanted
    },
    source_address: (line) => {
      const address = oneArg(line, name)
      if (addressFamily(address.text) === undefined)
        throw directiveError(address, name, `'${address.text}' is no address`)
      state.source = address.text
    },
    resolver: (line) => {
      for (const argument of expectArgs(line, name, { min: 1, max: 16 })) {
        const at = parseHostPort(argument.text, 53)?.at
        if (at === undefined) throw directiveError(argument, name, `'${argument.text}' is no IP address`)
        state.resolvers.push(at)
      }
    },
  })
  const dressed = to.map((upstream): UpstreamAddress => {
    if (upstream.tls === undefined) return upstream
    const { cert, key, ca } = tls
    return {
      ...upstream,
      tls: {
        servername: tls.servername ?? upstream.tls.servername,
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(ca === undefined ? {} : { ca }),
      },
    }
  })
  if (state.maxAgeMs > 0 && state.maxAgeMs < state.expireMs)
    throw directiveError(directive, name, 'max_age must not be less than expire')
  if (state.forceTcp && state.preferUdp) state.preferUdp = false
  return { from: zone, to: dressed, ...state }
}

/** `health_check DURATION [no_rec] [domain FQDN]` */
function readHealthCheck(
  line: Directive,
  into: { intervalMs: number; recursion: boolean; domain: string },
): void {
  const [interval, ...rest] = expectArgs(line, name, { min: 1, max: 4 })
  if (interval === undefined) return
  into.intervalMs = duration(interval, name)
  for (let i = 0; i < rest.length; i += 1) {
    const word = rest[i]
    const value = rest[i + 1]
    if (word?.text === 'no_rec') into.recursion = false
    else if (word?.text === 'domain' && value !== undefined && isName(value.text)) {
      into.domain = canonicalName(value.text)
      i += 1
    } else
      throw directiveError(
        word ?? line,
        name,
        `health_check: '${word?.text}' is neither no_rec nor domain NAME`,
      )
  }
}
