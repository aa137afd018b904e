import { packMac } from '../address.ts'
import { Attributes, type Message, readU32 } from '../codec/reader.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../socket.ts'
import { IFINFOMSG, RTM_GETLINK, RTM_NEWLINK } from './constants.ts'
import { decodeLink } from './link-decode.ts'
import { writeIfinfomsg } from './link-encode.ts'
import { LINK_SCHEMA } from './schema.ts'

const IFLA_ADDRESS = 1
const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_TXQLEN = 13
/** linux/if.h */
const IFF_PROMISC = 0x100
const IFF_ALLMULTI = 0x200

/** The settings of a link that the CNI plugin `tuning` changes. */
export interface LinkTuning {
  readonly mac?: string | undefined
  readonly mtu?: number | undefined
  readonly promiscuous?: boolean | undefined
  readonly allMulticast?: boolean | undefined
  readonly txQueueLength?: number | undefined
}

/** Changes settings of the link `index` in the namespace at `netns`, all in one message. */
export function tuneLink(netns: string, index: number, tuning: LinkTuning): void {
  using socket = new NetlinkSocket({ protocol: NETLINK_ROUTE, netns })
  let flags = 0
  let change = 0
  const flag = (bit: number, value: boolean | undefined): void => {
    if (value === undefined) return
    change |= bit
    if (value) flags |= bit
  }
  flag(IFF_PROMISC, tuning.promiscuous)
  flag(IFF_ALLMULTI, tuning.allMulticast)
  socket.request({
    label: `RTM_NEWLINK ${index}`,
    type: RTM_NEWLINK,
    flags: 0,
    header: IFINFOMSG,
    schema: LINK_SCHEMA,
    body: (w) => {
      writeIfinfomsg(w, { index, flags, change })
      if (tuning.mac !== undefined) w.attrBytes(IFLA_ADDRESS, packMac(tuning.mac))
      if (tuning.mtu !== undefined) w.attrU32(IFLA_MTU, tuning.mtu)
      if (tuning.txQueueLength !== undefined) w.attrU32(IFLA_TXQLEN, tuning.txQueueLength)
    },
  })
}

/** The settings of the link `name` in the namespace at `netns`; undefined if there is none. */
export function linkTuning(
  netns: string,
  name: string,
): (Required<LinkTuning> & { index: number }) | undefined {
  using socket = new NetlinkSocket({ protocol: NETLINK_ROUTE, netns })
  let found: (Required<LinkTuning> & { index: number }) | undefined
  try {
    socket.request(
      {
        label: `RTM_GETLINK ${name}`,
        type: RTM_GETLINK,
        flags: 0,
        header: IFINFOMSG,
        schema: LINK_SCHEMA,
        body: (w) => {
          writeIfinfomsg(w, {})
          w.attrString(IFLA_IFNAME, name)
        },
      },
      (message) => {
        found = decodeTuning(message)
      },
    )
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENODEV') throw error
  }
  return found
}

function decodeTuning(message: Message): (Required<LinkTuning> & { index: number }) | undefined {
  const link = decodeLink(message)
  if (link === undefined) return undefined
  const flags = readU32(message.bytes, message.body + 8)
  const attributes = new Attributes(message.bytes, message.body + IFINFOMSG, message.end)
  return {
    index: link.index,
    mac: link.mac,
    mtu: link.mtu,
    promiscuous: (flags & IFF_PROMISC) !== 0,
    allMulticast: (flags & IFF_ALLMULTI) !== 0,
    txQueueLength: attributes.u32(IFLA_TXQLEN) ?? 0,
  }
}
