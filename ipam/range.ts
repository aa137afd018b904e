import {
  formatAddress,
  formatSubnet,
  type IpAddress,
  lastOf,
  networkOf,
  nextAddress,
  parseAddress,
  parseSubnet,
  type Subnet,
  sameAddress,
  subnetContains,
} from './address.ts'
import { IpamError } from './errors.ts'
import type { Fields } from './fields.ts'

/** A run of addresses of one subnet, both ends included. The gateway is never handed out. */
export interface Range {
  readonly subnet: Subnet
  readonly start: IpAddress
  readonly end: IpAddress
  readonly gateway: IpAddress
}

/** A pool: one attachment gets one address of each set. All ranges of a set are of one family. */
export type RangeSet = readonly Range[]

/** Reads `{subnet, rangeStart, rangeEnd, gateway}` and fills what is missing as the reference plugin does. */
export function readRange(fields: Fields): Range {
  const subnetText = fields.string('subnet')
  if (subnetText === undefined) throw invalid('IP <nil> not v4 nor v6')
  const subnet = parseSubnet(subnetText)
  if (subnet === undefined) throw invalid(`invalid CIDR address: ${subnetText}`)
  const width = subnet.address.family === 4 ? 32 : 128
  if (subnet.prefix > width - 2) throw invalid(`Network ${formatSubnet(subnet)} too small to allocate from`)
  const network = networkOf(subnet)
  if (!sameAddress(network, subnet.address)) {
    throw invalid(
      `Network has host bits set. For a subnet mask of length ${subnet.prefix} the network address is ${formatAddress(network)}`,
    )
  }
  const first = nextAddress(network)
  const gateway = readAddress(fields, 'gateway') ?? first
  const start = readAddress(fields, 'rangeStart') ?? first
  if (!subnetContains(subnet, start)) {
    throw invalid(`RangeStart ${formatAddress(start)} not in network ${formatSubnet(subnet)}`)
  }
  const last = lastOf(subnet)
  const usable = subnet.address.family === 4 ? { family: 4 as const, value: last.value - 1n } : last
  const end = readAddress(fields, 'rangeEnd') ?? usable
  if (!subnetContains(subnet, end) || end.value < start.value) {
    throw invalid(`RangeEnd ${formatAddress(end)} not in network ${formatSubnet(subnet)}`)
  }
  return { subnet, start, end, gateway }
}

/** Reads one set and checks that its ranges are of one family and apart from each other. */
export function readRangeSet(ranges: readonly Fields[]): RangeSet {
  const set = ranges.map(readRange)
  const [first] = set
  if (first === undefined) throw invalid('empty range set')
  if (set.some((range) => range.start.family !== first.start.family)) throw invalid('mixed address families')
  for (const [index, range] of set.entries()) {
    const other = set.slice(index + 1).find((later) => rangesOverlap(range, later))
    if (other !== undefined) throw invalid(`subnets ${formatRange(range)} and ${formatRange(other)} overlap`)
  }
  return set
}

export function rangeFor(set: RangeSet, address: IpAddress): Range | undefined {
  return set.find((range) => rangeContains(range, address))
}

export function setsOverlap(a: RangeSet, b: RangeSet): boolean {
  return a.some((range) => b.some((other) => rangesOverlap(range, other)))
}

export function formatRangeSet(set: RangeSet): string {
  return set.map(formatRange).join(',')
}

/** How many addresses a set can hand out. */
export function capacityOf(set: RangeSet): bigint {
  return set.reduce((sum, range) => {
    const size = range.end.value - range.start.value + 1n
    return sum + size - (rangeContains(range, range.gateway) ? 1n : 0n)
  }, 0n)
}

/**
 * Every address a set can hand out, once, beginning after `last` (the round robin of the reference plugin: an
 * address is reused as late as possible).
 */
export function* candidates(
  set: RangeSet,
  last: IpAddress | undefined,
): Generator<{ address: IpAddress; range: Range }> {
  const startIndex = last === undefined ? -1 : set.findIndex((range) => rangeContains(range, last))
  const begin = Math.max(startIndex, 0)
  for (let step = 0; step <= set.length; step += 1) {
    const range = set[(begin + step) % set.length]
    if (range === undefined) return
    const resumed = startIndex >= 0 && last !== undefined
    // The range that holds `last` is walked twice: first what lies after it, in the end what lies before.
    const from = step === 0 && resumed ? last.value + 1n : range.start.value
    const to = step === set.length ? (resumed ? last.value : range.start.value - 1n) : range.end.value
    for (let value = from; value <= to; value += 1n) {
      if (value === range.gateway.value) continue
      yield { address: { family: range.start.family, value }, range }
    }
  }
}

function rangeContains(range: Range, address: IpAddress): boolean {
  return (
    range.start.family === address.family &&
    range.start.value <= address.value &&
    address.value <= range.end.value
  )
}

function rangesOverlap(a: Range, b: Range): boolean {
  return rangeContains(a, b.start) || rangeContains(b, a.start)
}

function formatRange(range: Range): string {
  return `${formatAddress(range.start)}-${formatAddress(range.end)}`
}

function readAddress(fields: Fields, name: string): IpAddress | undefined {
  const text = fields.string(name)
  if (text === undefined || text === '') return undefined
  const address = parseAddress(text)
  if (address === undefined) throw invalid(`invalid IP address: ${text}`)
  return address
}

function invalid(message: string): IpamError {
  return new IpamError('IPAM_INVALID_CONFIG', message)
}
