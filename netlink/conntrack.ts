import { formatAddress, packAddress } from './address.ts'
import { type Attributes, attributesOf, type Message } from './codec/reader.ts'
import type { Schema } from './codec/schema.ts'
import type { MessageWriter } from './codec/writer.ts'
import { isNotFound } from './errors.ts'
import { NETLINK_NETFILTER, NetlinkSocket } from './socket.ts'

// include/uapi/linux/netfilter/nfnetlink_conntrack.h
const SUBSYSTEM = 1 << 8
const IPCTNL_MSG_CT_GET = SUBSYSTEM | 1
const IPCTNL_MSG_CT_DELETE = SUBSYSTEM | 2
const NFGENMSG = 4

const CTA_TUPLE_ORIG = 1
const CTA_TUPLE_REPLY = 2
const CTA_STATUS = 3
const CTA_ID = 12
const CTA_FILTER = 25
const CTA_TUPLE_IP = 1
const CTA_TUPLE_PROTO = 2
const CTA_IP_V4_SRC = 1
const CTA_IP_V4_DST = 2
const CTA_IP_V6_SRC = 3
const CTA_IP_V6_DST = 4
const CTA_PROTO_NUM = 1
const CTA_PROTO_SRC_PORT = 2
const CTA_PROTO_DST_PORT = 3
const CTA_FILTER_ORIG_FLAGS = 1
const CTA_FILTER_REPLY_FLAGS = 2
const FILTER_IP_DST = 1 << 1
const FILTER_PROTO_NUM = 1 << 3
const FILTER_PROTO_DST_PORT = 1 << 5

const IPS_SRC_NAT = 1 << 4
const IPS_DST_NAT = 1 << 5

const AF_INET = 2
const AF_INET6 = 10

const TUPLE_SCHEMA: Schema = {
  names: { [CTA_TUPLE_IP]: 'CTA_TUPLE_IP', [CTA_TUPLE_PROTO]: 'CTA_TUPLE_PROTO' },
}
const SCHEMA: Schema = {
  names: {
    [CTA_TUPLE_ORIG]: 'CTA_TUPLE_ORIG',
    [CTA_TUPLE_REPLY]: 'CTA_TUPLE_REPLY',
    [CTA_ID]: 'CTA_ID',
    [CTA_FILTER]: 'CTA_FILTER',
  },
  nested: { [CTA_TUPLE_ORIG]: TUPLE_SCHEMA, [CTA_TUPLE_REPLY]: TUPLE_SCHEMA },
}

/** One direction of a connection. Ports are 0 for protocols without them. */
export interface ConntrackTuple {
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
}

/** A tracked connection. In `reply`, source is who really answers: a DNATed connection has another one than `original.destination`. */
export interface ConntrackEntry {
  readonly family: 4 | 6
  /** IP protocol number, 17 for UDP */
  readonly protocol: number
  readonly original: ConntrackTuple
  readonly reply: ConntrackTuple
  readonly sourceNat: boolean
  readonly destinationNat: boolean
  /** what identifies it to the kernel */
  readonly handle: { readonly tuple: Uint8Array; readonly id: number | undefined }
}

/** Restricts a dump, in the kernel (5.8 and newer; older ones send everything). */
export interface ConntrackFilter {
  readonly family: 4 | 6
  readonly protocol: number
  /** original destination */
  readonly destination?: string | undefined
  readonly destinationPort?: number | undefined
}

/** Connection tracking over ctnetlink: dump and delete. Calls are synchronous. */
export class ConntrackSocket {
  readonly #socket: NetlinkSocket

  constructor(options: { netns?: string | undefined } = {}) {
    this.#socket = new NetlinkSocket({
      protocol: NETLINK_NETFILTER,
      netns: options.netns,
      receiveBuffer: 4 << 20,
    })
  }

  /** Connections that match the filter. */
  entries(filter: ConntrackFilter): ConntrackEntry[] {
    const entries = this.#socket.dump(
      {
        label: 'IPCTNL_MSG_CT_GET',
        type: IPCTNL_MSG_CT_GET,
        flags: 0,
        header: NFGENMSG,
        schema: SCHEMA,
        body: (writer) => writeFilter(writer, filter),
      },
      (message) => decodeEntry(message, filter.family),
    )
    return entries.filter((entry) => matches(entry, filter))
  }

  /** Forgets a connection: its next packet is treated as the first of a new one. False if it was gone already. */
  delete(entry: ConntrackEntry): boolean {
    const { tuple, id } = entry.handle
    try {
      this.#socket.request({
        label: `IPCTNL_MSG_CT_DELETE ${entry.original.destination}`,
        type: IPCTNL_MSG_CT_DELETE,
        flags: 0,
        header: NFGENMSG,
        schema: SCHEMA,
        body: (writer) => {
          writeHeader(writer, entry.family)
          const nest = writer.nest(CTA_TUPLE_ORIG)
          writer.raw(tuple)
          writer.endNest(nest)
          if (id !== undefined) writer.attrU32Be(CTA_ID, id)
        },
      })
      return true
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
  }

  close(): void {
    this.#socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function writeHeader(writer: MessageWriter, family: 4 | 6): void {
  writer.u8(family === 4 ? AF_INET : AF_INET6)
  writer.zeros(3)
}

function writeFilter(writer: MessageWriter, filter: ConntrackFilter): void {
  const { family, protocol, destinationPort } = filter
  // Linux compares IPv6 addresses the wrong way round here (ctnetlink_filter_match_tuple: `!ipv6_addr_cmp`) and would send all
  // connections but those. `matches` picks them out.
  const destination = family === 4 ? filter.destination : undefined
  writeHeader(writer, family)
  const tuple = writer.nest(CTA_TUPLE_ORIG)
  if (destination !== undefined) {
    const ip = writer.nest(CTA_TUPLE_IP)
    writer.attrBytes(CTA_IP_V4_DST, packAddress(destination))
    writer.endNest(ip)
  }
  const proto = writer.nest(CTA_TUPLE_PROTO)
  writer.attrU8(CTA_PROTO_NUM, protocol)
  if (destinationPort !== undefined) writer.attrU16Be(CTA_PROTO_DST_PORT, destinationPort)
  writer.endNest(proto)
  writer.endNest(tuple)
  const flags = writer.nest(CTA_FILTER)
  writer.attrU32(
    CTA_FILTER_ORIG_FLAGS,
    FILTER_PROTO_NUM |
      (destination === undefined ? 0 : FILTER_IP_DST) |
      (destinationPort === undefined ? 0 : FILTER_PROTO_DST_PORT),
  )
  writer.attrU32(CTA_FILTER_REPLY_FLAGS, 0)
  writer.endNest(flags)
}

function matches({ protocol, original }: ConntrackEntry, filter: ConntrackFilter): boolean {
  return (
    protocol === filter.protocol &&
    (filter.destination === undefined || original.destination === filter.destination) &&
    (filter.destinationPort === undefined || original.destinationPort === filter.destinationPort)
  )
}

function decodeEntry(message: Message, family: 4 | 6): ConntrackEntry | undefined {
  const attributes = attributesOf(message, NFGENMSG)
  const tuple = attributes.bytes(CTA_TUPLE_ORIG)
  const original = decodeTuple(attributes.nested(CTA_TUPLE_ORIG), family)
  const reply = decodeTuple(attributes.nested(CTA_TUPLE_REPLY), family)
  if (tuple === undefined || original === undefined || reply === undefined) return undefined
  const status = attributes.u32Be(CTA_STATUS) ?? 0
  return {
    family,
    protocol: original.protocol,
    original: original.tuple,
    reply: reply.tuple,
    sourceNat: (status & IPS_SRC_NAT) !== 0,
    destinationNat: (status & IPS_DST_NAT) !== 0,
    handle: { tuple: tuple.slice(), id: attributes.u32Be(CTA_ID) },
  }
}

function decodeTuple(
  attributes: Attributes | undefined,
  family: 4 | 6,
): { protocol: number; tuple: ConntrackTuple } | undefined {
  const ip = attributes?.nested(CTA_TUPLE_IP)
  const proto = attributes?.nested(CTA_TUPLE_PROTO)
  const source = ip?.bytes(family === 4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC)
  const destination = ip?.bytes(family === 4 ? CTA_IP_V4_DST : CTA_IP_V6_DST)
  const protocol = proto?.u8(CTA_PROTO_NUM)
  if (source === undefined || destination === undefined || protocol === undefined) return undefined
  return {
    protocol,
    tuple: {
      source: formatAddress(source),
      sourcePort: proto?.u16Be(CTA_PROTO_SRC_PORT) ?? 0,
      destination: formatAddress(destination),
      destinationPort: proto?.u16Be(CTA_PROTO_DST_PORT) ?? 0,
    },
  }
}
