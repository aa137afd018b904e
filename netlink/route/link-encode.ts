import { packAddress, packMac } from '../address.ts'
import type { MessageWriter } from '../codec/writer.ts'
import { NetlinkValueError } from '../errors.ts'
import type { LinkChange, LinkSpec, MacvlanSpec, VethSpec, VxlanSpec } from './types.ts'

const IFF_UP = 0x1
const IFF_PROMISC = 0x100

const IFLA_ADDRESS = 1
const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_LINK = 5
const IFLA_MASTER = 10
const IFLA_TXQLEN = 13
const IFLA_LINKINFO = 18
const IFLA_IFALIAS = 20
const IFLA_GROUP = 27
const IFLA_NET_NS_FD = 28
const IFLA_EXT_MASK = 29
const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const IFLA_INFO_SLAVE_KIND = 4
const IFLA_INFO_SLAVE_DATA = 5
const VETH_INFO_PEER = 1
const RTEXT_FILTER_SKIP_STATS = 1 << 3

const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const

/** ifinfomsg: family, type, index, flags and the mask of flags to change. */
export function writeIfinfomsg(
  writer: MessageWriter,
  header: { index?: number | undefined; flags?: number; change?: number; family?: number },
): void {
  writer.u8(header.family ?? 0)
  writer.u8(0)
  writer.u16(0)
  writer.u32(header.index ?? 0)
  writer.u32(header.flags ?? 0)
  writer.u32(header.change ?? 0)
}

function checkName(field: string, name: string): void {
  // dev_valid_name() of net/core/dev.c.
  if (name === '' || name === '.' || name === '..' || /[/:\s]/.test(name) || Buffer.byteLength(name) > 15) {
    throw new NetlinkValueError(field, `'${name}' is no interface name (1 to 15 bytes, no '/', ':' or space)`)
  }
}

/** Body of RTM_NEWLINK that makes a link. `fds` are the namespaces opened for it. */
export function writeNewLink(
  writer: MessageWriter,
  spec: LinkSpec,
  fds: { netns?: number | undefined; peer?: number | undefined },
): void {
  checkName('name', spec.name)
  const up = spec.up === true ? IFF_UP : 0
  writeIfinfomsg(writer, { flags: up, change: up })
  writer.attrString(IFLA_IFNAME, spec.name)
  if (spec.mtu !== undefined) writer.attrU32(IFLA_MTU, spec.mtu)
  if (spec.mac !== undefined) writer.attrBytes(IFLA_ADDRESS, packMac(spec.mac))
  if (spec.master !== undefined) writer.attrU32(IFLA_MASTER, spec.master)
  if (spec.group !== undefined) writer.attrU32(IFLA_GROUP, spec.group)
  if (spec.txQueueLength !== undefined) writer.attrU32(IFLA_TXQLEN, spec.txQueueLength)
  if (spec.macvlan !== undefined) writer.attrU32(IFLA_LINK, spec.macvlan.link)
  const netns = spec.netnsFd ?? fds.netns
  if (netns !== undefined) writer.attrU32(IFLA_NET_NS_FD, netns)
  const info = writer.nest(IFLA_LINKINFO)
  writer.attrString(IFLA_INFO_KIND, spec.kind)
  writeInfoData(writer, spec, fds.peer)
  writer.endNest(info)
}

function writeInfoData(writer: MessageWriter, spec: LinkSpec, peerNetns: number | undefined): void {
  const data = writer.nest(IFLA_INFO_DATA)
  if (spec.kind === 'veth') {
    if (spec.veth === undefined) throw new NetlinkValueError('veth', 'a veth pair needs the name of its peer')
    writeVeth(writer, spec.veth, peerNetns)
  } else if (spec.kind === 'vxlan') {
    if (spec.vxlan === undefined) throw new NetlinkValueError('vxlan', 'a VXLAN device needs its id (VNI)')
    writeVxlan(writer, spec.vxlan)
  } else if (spec.kind === 'macvlan') {
    if (spec.macvlan === undefined) throw new NetlinkValueError('macvlan', 'a macvlan needs its lower device')
    writeMacvlan(writer, spec.macvlan)
  } else if (spec.kind === 'bridge') {
    // Off is the default, and kernels built without it refuse even that.
    if (spec.bridge?.vlanFiltering === true) writer.attrU8(7, 1)
  }
  writer.endNest(data)
}

function writeVeth(writer: MessageWriter, veth: VethSpec, netns: number | undefined): void {
  checkName('veth.peerName', veth.peerName)
  const peer = writer.nest(VETH_INFO_PEER)
  // Not up yet: a peer is opened before it knows its other end, and that is ENOTCONN (drivers/net/veth.c).
  writeIfinfomsg(writer, {})
  writer.attrString(IFLA_IFNAME, veth.peerName)
  if (veth.peerMtu !== undefined) writer.attrU32(IFLA_MTU, veth.peerMtu)
  if (veth.peerMac !== undefined) writer.attrBytes(IFLA_ADDRESS, packMac(veth.peerMac))
  if (netns !== undefined) writer.attrU32(IFLA_NET_NS_FD, netns)
  writer.endNest(peer)
}

/** IFLA_VXLAN_*; what flannel leaves at zero is zero here (backend/vxlan/device.go). */
function writeVxlan(writer: MessageWriter, vxlan: VxlanSpec): void {
  writer.attrU32(1, vxlan.id)
  writeVxlanUnderlay(writer, vxlan)
  writer.attrU8(7, vxlan.learning === true ? 1 : 0)
  if (vxlan.port !== undefined) writer.attrU16Be(15, vxlan.port)
  if (vxlan.gbp === true) writer.flag(23)
}

function writeVxlanUnderlay(writer: MessageWriter, vxlan: Pick<VxlanSpec, 'link' | 'local'>): void {
  if (vxlan.link !== undefined) writer.attrU32(3, vxlan.link)
  if (vxlan.local !== undefined) {
    const local = packAddress(vxlan.local)
    writer.attrBytes(local.length === 4 ? 4 : 17, local)
  }
}

function writeMacvlan(writer: MessageWriter, macvlan: MacvlanSpec): void {
  writer.attrU32(1, MACVLAN_MODES[macvlan.mode ?? 'bridge'])
  // IFLA_MACVLAN_BC_QUEUE_LEN
  if (macvlan.broadcastQueueLength !== undefined) writer.attrU32(7, macvlan.broadcastQueueLength)
}

/** Body of RTM_NEWLINK that changes the link `index`. */
export function writeChange(
  writer: MessageWriter,
  index: number,
  change: LinkChange,
  netns: number | undefined,
): void {
  let flags = 0
  let mask = 0
  if (change.up !== undefined) {
    mask |= IFF_UP
    if (change.up) flags |= IFF_UP
  }
  if (change.promiscuous !== undefined) {
    mask |= IFF_PROMISC
    if (change.promiscuous) flags |= IFF_PROMISC
  }
  writeIfinfomsg(writer, { index, flags, change: mask })
  if (change.name !== undefined) {
    checkName('name', change.name)
    writer.attrString(IFLA_IFNAME, change.name)
  }
  if (change.mtu !== undefined) writer.attrU32(IFLA_MTU, change.mtu)
  if (change.mac !== undefined) writer.attrBytes(IFLA_ADDRESS, packMac(change.mac))
  if (change.master !== undefined) writer.attrU32(IFLA_MASTER, change.master)
  if (change.group !== undefined) writer.attrU32(IFLA_GROUP, change.group)
  // Without the NUL, for which there is no room behind 255 bytes.
  if (change.alias !== undefined) writer.attrBytes(IFLA_IFALIAS, Buffer.from(change.alias))
  if (netns !== undefined) writer.attrU32(IFLA_NET_NS_FD, netns)
  if (change.vxlan !== undefined) {
    const info = writer.nest(IFLA_LINKINFO)
    writer.attrString(IFLA_INFO_KIND, 'vxlan')
    const data = writer.nest(IFLA_INFO_DATA)
    writeVxlanUnderlay(writer, change.vxlan)
    if (change.vxlan.learning !== undefined) writer.attrU8(7, change.vxlan.learning ? 1 : 0)
    writer.endNest(data)
    writer.endNest(info)
  }
  if (changesBridgePort(change) && canCarryPort(change)) writePortAttributes(writer, change)
}

/** Whether attributes of the bridge port go into the same message: not where the link becomes a port by it. */
export function canCarryPort({ master, vxlan }: LinkChange): boolean {
  return master === undefined && vxlan === undefined
}

/** Does a change touch the attributes of a bridge port? */
export function changesBridgePort(change: LinkChange): boolean {
  return change.hairpin !== undefined || change.isolated !== undefined || change.learning !== undefined
}

/** Body of RTM_NEWLINK that changes the bridge port `index`. */
export function writeBridgePort(writer: MessageWriter, index: number, change: LinkChange): void {
  writeIfinfomsg(writer, { index })
  writePortAttributes(writer, change)
}

function writePortAttributes(writer: MessageWriter, change: LinkChange): void {
  const info = writer.nest(IFLA_LINKINFO)
  writer.attrString(IFLA_INFO_SLAVE_KIND, 'bridge')
  const port = writer.nest(IFLA_INFO_SLAVE_DATA)
  if (change.hairpin !== undefined) writer.attrU8(4, change.hairpin ? 1 : 0)
  if (change.learning !== undefined) writer.attrU8(8, change.learning ? 1 : 0)
  if (change.isolated !== undefined) writer.attrU8(33, change.isolated ? 1 : 0)
  writer.endNest(port)
  writer.endNest(info)
}

/** Asks for an answer without IPv6's counters, which are half of it. */
export function writeWithoutStats(writer: MessageWriter): void {
  writer.attrU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
}

/** Attributes that choose a link by name. */
export function writeLinkName(writer: MessageWriter, name: string): void {
  checkName('name', name)
  writer.attrString(IFLA_IFNAME, name)
}

/** The attribute that chooses all links of a group (RTM_DELLINK). */
export function writeLinkGroup(writer: MessageWriter, group: number): void {
  writer.attrU32(IFLA_GROUP, group)
}
