import type { Fields } from '#ipam'
import type { TokenBucket } from '#netlink'
import { CniError, cniCodes } from '../protocol/errors.ts'

/** What a pod may receive (ingress) and send (egress): bits per second and bits. 0: not limited. */
export interface BandwidthLimits {
  readonly ingressRate: number
  readonly ingressBurst: number
  readonly egressRate: number
  readonly egressBurst: number
}

const names = ['ingressRate', 'ingressBurst', 'egressRate', 'egressBurst'] as const
/** A packet may wait this long in the bucket before it is dropped, as in the reference plugin. */
const latencyMs = 25

/**
 * Reads the limits: those of the configuration beat those of the `bandwidth` capability. undefined when there are
 * none. Texts as in the reference plugin (plugins/meta/bandwidth/main.go).
 */
export function readBandwidth(fields: Fields): BandwidthLimits | undefined {
  for (const name of ['shapedSubnets', 'unshapedSubnets']) {
    if ((fields.list(name) ?? []).length === 0) continue
    throw new CniError(
      cniCodes.unsupportedField,
      `unsupported field ${name}=${JSON.stringify(fields.list(name))}: a limit holds for all of a pod's traffic`,
    )
  }
  const own = readLimits(fields)
  const limits = own ?? readLimits(fields.object('runtimeConfig')?.object('bandwidth'))
  if (limits === undefined) return undefined
  check(limits.ingressRate, limits.ingressBurst, 'ingress')
  check(limits.egressRate, limits.egressBurst, 'egress')
  return limits
}

function readLimits(fields: Fields | undefined): BandwidthLimits | undefined {
  if (fields === undefined) return undefined
  const [ingressRate = 0, ingressBurst = 0, egressRate = 0, egressBurst = 0] = names.map((name) =>
    readCount(fields, name),
  )
  if (ingressRate + ingressBurst + egressRate + egressBurst === 0) return undefined
  return { ingressRate, ingressBurst, egressRate, egressBurst }
}

function readCount(fields: Fields, name: string): number {
  const value = fields.raw(name) ?? 0
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
  throw new CniError(
    cniCodes.decodingFailure,
    `field "${fields.path === '' ? name : `${fields.path}.${name}`}": expected a number of bits, got ${JSON.stringify(value)}`,
  )
}

function check(rate: number, burst: number, direction: 'ingress' | 'egress'): void {
  if (rate > 0 && burst === 0) throw invalid(`if rate is set, burst must also be set (${direction})`)
  if (burst > 0 && rate === 0) throw invalid(`if burst is set, rate must also be set (${direction})`)
  if (burst / 8 >= 2 ** 32) throw invalid(`burst cannot be more than 4GB (${direction})`)
}

/** The token bucket for a rate and burst in bits: the limit holds the burst and 25 ms of traffic. */
export function tokenBucket(rateInBits: number, burstInBits: number): TokenBucket {
  if (rateInBits < 8) throw invalid(`invalid rate: ${rateInBits}`)
  if (burstInBits < 8) throw invalid(`invalid burst: ${burstInBits}`)
  const rate = Math.floor(rateInBits / 8)
  const burst = Math.floor(burstInBits / 8)
  return { rate, burst, limit: Math.min(Math.floor((rate * latencyMs) / 1000) + burst, 0xffffffff) }
}

function invalid(message: string): CniError {
  return new CniError(cniCodes.internal, message)
}
