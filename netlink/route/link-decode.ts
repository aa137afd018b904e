import { formatAddress, formatMac } from '../address.ts'
import { type Attributes, attributesOf, type Message, readU32 } from '../codec/reader.ts'
import { IFINFOMSG, OPER_STATES } from './constants.ts'
import type { BridgePort, Link, LinkStats, Vxlan } from './types.ts'

const IFF_UP = 0x1
const IFF_LOOPBACK = 0x8
const IFF_RUNNING = 0x40
const IFLA_GROUP = 27

/** Decodes RTM_NEWLINK or RTM_DELLINK. */
export function decodeLink(message: Message, { stats: wanted = false } = {}): Link {
  const attributes = attributesOf(message, IFINFOMSG)
  const flags = readU32(message.bytes, message.body + 8)
  const info = attributes.nested(18)
  const kind = info?.string(1)
  const data = info?.has(2) === true ? info.nested(2) : undefined
  const port = info?.string(4) === 'bridge' ? info.nested(5) : undefined
  const stats = wanted ? attributes.bytes(23) : undefined
  return {
    index: readU32(message.bytes, message.body + 4),
    name: attributes.string(3) ?? '',
    kind,
    mtu: attributes.u32(4) ?? 0,
    mac: formatMac(attributes.bytes(1)),
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    master: attributes.u32(10),
    peerIndex: attributes.u32(5),
    linkNetnsId: attributes.s32(37),
    group: attributes.u32(IFLA_GROUP) ?? 0,
    alias: attributes.string(20),
    operState: OPER_STATES[attributes.u8(16) ?? 0] ?? 'unknown',
    // IFF_PROMISC is not shown for promiscuity the kernel itself asked for (bridge ports): the counter is.
    promiscuous: (attributes.u32(30) ?? 0) > 0,
    bridgePort: port === undefined ? undefined : decodeBridgePort(port),
    vxlan: kind === 'vxlan' && data !== undefined ? decodeVxlan(data) : undefined,
    bridge: kind === 'bridge' && data !== undefined ? { vlanFiltering: data.u8(7) === 1 } : undefined,
    stats64: stats === undefined || stats.length < 32 ? undefined : decodeStats(stats),
  }
}

/** Only the group of a link. */
export function decodeLinkGroup(message: Message): number {
  return attributesOf(message, IFINFOMSG).u32(IFLA_GROUP) ?? 0
}

function decodeBridgePort(port: Attributes): BridgePort {
  return {
    hairpin: port.u8(4) === 1,
    isolated: port.u8(33) === 1,
    learning: port.u8(8) === 1,
    state: port.u8(1) ?? 0,
  }
}

function decodeVxlan(data: Attributes): Vxlan {
  const local = data.bytes(4) ?? data.bytes(17)
  const group = data.bytes(2) ?? data.bytes(16)
  return {
    id: data.u32(1) ?? 0,
    link: data.u32(3) ?? 0,
    local: local === undefined ? undefined : formatAddress(local),
    group: group === undefined ? undefined : formatAddress(group),
    port: data.u16Be(15) ?? 0,
    learning: data.u8(7) === 1,
    l2miss: data.u8(13) === 1,
    l3miss: data.u8(14) === 1,
    gbp: data.has(23),
  }
}

/** The first members of rtnl_link_stats64: packets and bytes, received and sent. */
function decodeStats(bytes: Uint8Array): LinkStats {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const at = (offset: number): number => Number(view.getBigUint64(offset, true))
  return { rxPackets: at(0), txPackets: at(8), rxBytes: at(16), txBytes: at(24) }
}
