import { formatAddress, maskBytes, packAddress, parsePrefix } from '../address.ts'
import { Attributes, attributesOf, type Message, readU8, readU16, readU32 } from '../codec/reader.ts'
import type { MessageWriter } from '../codec/writer.ts'
import { NetlinkFormatError, NetlinkValueError } from '../errors.ts'
import { AF_INET, AF_INET6, familyNumber, ROUTE_TYPES, RTMSG, SCOPES, scopeName } from './constants.ts'
import type { AddressFamily, NextHop, Route, RouteFilter, RouteSpec, Scope } from './types.ts'

const RTA_DST = 1
const RTA_OIF = 4
const RTA_GATEWAY = 5
const RTA_PRIORITY = 6
const RTA_PREFSRC = 7
const RTA_METRICS = 8
const RTA_MULTIPATH = 9
const RTA_TABLE = 15
const RTA_VIA = 18
const RTAX_MTU = 2

const RTNH_F_LINKDOWN = 0x10
const RTNH_F_ONLINK = 0x4
const RTM_F_CLONED = 0x200
const RTPROT_BOOT = 3
const TABLE_MAIN = 254

function destinationOf(spec: RouteSpec): { family: AddressFamily; bytes: Uint8Array; length: number } {
  if (spec.destination !== 'default') return parsePrefix(spec.destination)
  const family = spec.family ?? (spec.gateway?.includes(':') === true ? 6 : 4)
  return { family, bytes: new Uint8Array(family === 4 ? 4 : 16), length: 0 }
}

/** The scope ip(8) chooses (ip/iproute.c). IPv6 has none. */
function defaultScope(spec: RouteSpec, family: AddressFamily): Scope {
  if (family === 6) return 'global'
  if (spec.type === 'local') return 'host'
  const direct = spec.type === undefined || spec.type === 'unicast' ? spec.gateway === undefined : false
  return direct || spec.type === 'broadcast' || spec.type === 'multicast' || spec.type === 'anycast'
    ? 'link'
    : 'global'
}

/** Body of RTM_NEWROUTE and RTM_DELROUTE. */
export function writeRoute(writer: MessageWriter, spec: RouteSpec, verb: 'new' | 'delete'): void {
  const { family, bytes, length } = destinationOf(spec)
  const table = spec.table ?? TABLE_MAIN
  const scope = spec.scope ?? (verb === 'delete' ? 'nowhere' : defaultScope(spec, family))
  writer.u8(familyNumber(family))
  writer.u8(length)
  writer.u8(0)
  writer.u8(0)
  writer.u8(table < 256 ? table : 0)
  // A deletion without protocol, scope and type matches every one (net/ipv4/fib_trie.c).
  writer.u8(spec.protocol ?? (verb === 'delete' ? 0 : RTPROT_BOOT))
  writer.u8(SCOPES[scope])
  writer.u8(spec.type === undefined ? (verb === 'delete' ? 0 : 1) : ROUTE_TYPES.indexOf(spec.type) + 1)
  writer.u32(spec.onlink === true ? RTNH_F_ONLINK : 0)
  if (length > 0) writer.attrBytes(RTA_DST, maskBytes(bytes, length))
  if (spec.gateway !== undefined) {
    const gateway = packAddress(spec.gateway)
    if (gateway.length === bytes.length) {
      writer.attrBytes(RTA_GATEWAY, gateway)
    } else if (gateway.length === 16) {
      // An IPv4 route by way of an IPv6 neighbour (RFC 5549): struct rtvia, family and address.
      const via = new Uint8Array(18)
      via[0] = AF_INET6
      via.set(gateway, 2)
      writer.attrBytes(RTA_VIA, via)
    } else {
      throw new NetlinkValueError(
        'gateway',
        `${spec.gateway} cannot lead to the IPv6 prefix ${spec.destination}`,
      )
    }
  }
  if (spec.index !== undefined) writer.attrU32(RTA_OIF, spec.index)
  if (spec.source !== undefined) writer.attrBytes(RTA_PREFSRC, packAddress(spec.source))
  if (spec.metric !== undefined) writer.attrU32(RTA_PRIORITY, spec.metric)
  writer.attrU32(RTA_TABLE, table)
  if (spec.mtu !== undefined) {
    const metrics = writer.nest(RTA_METRICS)
    writer.attrU32(RTAX_MTU, spec.mtu)
    writer.endNest(metrics)
  }
}

/** Body of the RTM_GETROUTE dump; the kernel filters by table and interface. */
export function writeRouteDump(writer: MessageWriter, family: AddressFamily, filter: RouteFilter): void {
  writer.u8(familyNumber(family))
  writer.zeros(RTMSG - 1)
  if (filter.table !== undefined) writer.attrU32(RTA_TABLE, filter.table)
  if (filter.index !== undefined) writer.attrU32(RTA_OIF, filter.index)
}

/** Body of RTM_GETROUTE that asks for the way to one address. */
export function writeRouteTo(writer: MessageWriter, address: string): void {
  const bytes = packAddress(address)
  writer.u8(bytes.length === 4 ? AF_INET : AF_INET6)
  writer.u8(bytes.length * 8)
  writer.zeros(RTMSG - 2)
  writer.attrBytes(RTA_DST, bytes)
}

/** Decodes RTM_NEWROUTE or RTM_DELROUTE; undefined for multicast families and IPv6 cache entries. */
export function decodeRoute(message: Message, options: { cloned?: boolean } = {}): Route | undefined {
  const attributes = attributesOf(message, RTMSG)
  const { bytes, body } = message
  const familyByte = readU8(bytes, body)
  if (familyByte !== AF_INET && familyByte !== AF_INET6) return undefined
  const flags = readU32(bytes, body + 8)
  if ((flags & RTM_F_CLONED) !== 0 && options.cloned !== true) return undefined
  const type = ROUTE_TYPES[readU8(bytes, body + 7) - 1]
  if (type === undefined) return undefined
  const family = familyByte === AF_INET ? 4 : 6
  const length = readU8(bytes, body + 1)
  const destination = attributes.bytes(RTA_DST)
  const source = attributes.bytes(RTA_PREFSRC)
  const hops = attributes.bytes(RTA_MULTIPATH)
  const nextHops = hops === undefined ? undefined : decodeNextHops(hops)
  const first = nextHops?.[0]
  return {
    family,
    destination: `${destination === undefined ? (family === 4 ? '0.0.0.0' : '::') : formatAddress(destination)}/${length}`,
    gateway: gatewayOf(attributes) ?? first?.gateway,
    index: attributes.u32(RTA_OIF) ?? first?.index,
    source: source === undefined ? undefined : formatAddress(source),
    table: attributes.u32(RTA_TABLE) ?? readU8(bytes, body + 4),
    scope: scopeName(readU8(bytes, body + 6)),
    type,
    protocol: readU8(bytes, body + 5),
    metric: attributes.u32(RTA_PRIORITY),
    mtu: attributes.nested(RTA_METRICS)?.u32(RTAX_MTU),
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    linkDown: (flags & RTNH_F_LINKDOWN) !== 0,
    nextHops,
  }
}

function gatewayOf(attributes: Attributes): string | undefined {
  const gateway = attributes.bytes(RTA_GATEWAY) ?? attributes.bytes(RTA_VIA)?.subarray(2)
  return gateway === undefined ? undefined : formatAddress(gateway)
}

/** struct rtnexthop: length u16, flags u8, hops u8, index u32, then attributes. */
function decodeNextHops(bytes: Uint8Array): NextHop[] {
  const hops: NextHop[] = []
  let at = 0
  while (bytes.length - at >= 8) {
    const length = readU16(bytes, at)
    if (length < 8 || at + length > bytes.length) {
      throw new NetlinkFormatError(`a next hop claims ${length} of ${bytes.length - at} bytes`)
    }
    hops.push({
      index: readU32(bytes, at + 4),
      gateway: gatewayOf(new Attributes(bytes, at + 8, at + length)),
      onlink: (readU8(bytes, at + 2) & RTNH_F_ONLINK) !== 0,
      weight: readU8(bytes, at + 3) + 1,
    })
    at += (length + 3) & ~3
  }
  return hops
}
