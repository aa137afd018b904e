import type { Schema } from '../codec/schema.ts'
import type { MessageWriter } from '../codec/writer.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../socket.ts'
import { AF_BRIDGE, IFINFOMSG } from './constants.ts'

const RTM_DELLINK = 17
const RTM_SETLINK = 19
const IFLA_AF_SPEC = 26
/** linux/if_bridge.h */
const IFLA_BRIDGE_FLAGS = 0
const IFLA_BRIDGE_VLAN_INFO = 2
const BRIDGE_FLAGS_MASTER = 1
const BRIDGE_VLAN_INFO_PVID = 2
const BRIDGE_VLAN_INFO_UNTAGGED = 4
const BRIDGE_VLAN_INFO_RANGE_BEGIN = 8
const BRIDGE_VLAN_INFO_RANGE_END = 16

const SCHEMA: Schema = {
  names: { 26: 'IFLA_AF_SPEC' },
  nested: { 26: { names: { 0: 'IFLA_BRIDGE_FLAGS', 2: 'IFLA_BRIDGE_VLAN_INFO' } } },
}

/** VLAN membership of a bridge port. `first` to `last` (default: the same), 1 to 4094. */
export interface PortVlan {
  readonly first: number
  readonly last?: number | undefined
  /** Frames without a tag belong to it (a single VLAN only). */
  readonly pvid?: boolean | undefined
  /** Its frames leave without a tag. */
  readonly untagged?: boolean | undefined
}

/** Makes the port `index` a member of VLANs (`bridge vlan add`). Needs a bridge that filters VLANs. */
export function addPortVlans(index: number, vlans: readonly PortVlan[]): void {
  send(`RTM_SETLINK vlans of ${index}`, RTM_SETLINK, index, vlans)
}

/** Takes the port `index` out of VLANs (`bridge vlan del`). */
export function deletePortVlans(index: number, vlans: readonly PortVlan[]): void {
  send(`RTM_DELLINK vlans of ${index}`, RTM_DELLINK, index, vlans)
}

function send(label: string, type: number, index: number, vlans: readonly PortVlan[]): void {
  using socket = new NetlinkSocket({ protocol: NETLINK_ROUTE })
  const body = (writer: MessageWriter): void => writePortVlans(writer, index, vlans)
  socket.request({ label, type, flags: 0, header: IFINFOMSG, schema: SCHEMA, body })
}

/** Body of the messages above: ifinfomsg of family AF_BRIDGE, then one bridge_vlan_info per VLAN or end of a range. */
export function writePortVlans(w: MessageWriter, index: number, vlans: readonly PortVlan[]): void {
  for (const value of [AF_BRIDGE, index, 0, 0]) w.u32(value)
  const spec = w.nest(IFLA_AF_SPEC)
  w.attrU16(IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_MASTER)
  for (const { first, last = first, pvid, untagged } of vlans) {
    const flags =
      (pvid === true ? BRIDGE_VLAN_INFO_PVID : 0) | (untagged === true ? BRIDGE_VLAN_INFO_UNTAGGED : 0)
    if (first === last) {
      w.attrBytes(IFLA_BRIDGE_VLAN_INFO, vlanInfo(flags, first))
      continue
    }
    w.attrBytes(IFLA_BRIDGE_VLAN_INFO, vlanInfo(flags | BRIDGE_VLAN_INFO_RANGE_BEGIN, first))
    w.attrBytes(IFLA_BRIDGE_VLAN_INFO, vlanInfo(flags | BRIDGE_VLAN_INFO_RANGE_END, last))
  }
  w.endNest(spec)
}

function vlanInfo(flags: number, vid: number): Uint8Array {
  return new Uint8Array(Uint16Array.of(flags, vid).buffer)
}
