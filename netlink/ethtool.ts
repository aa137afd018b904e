/**
 * Offload features of network devices through ethtool's generic netlink family
 * (Documentation/networking/ethtool-netlink.rst, include/uapi/linux/ethtool_netlink.h). Like `ethtool -k` and `-K`.
 */
import { type Attributes, attributesOf } from './codec/reader.ts'
import type { MessageWriter } from './codec/writer.ts'
import { NetlinkFormatError } from './errors.ts'
import { NETLINK_GENERIC, NetlinkSocket } from './socket.ts'

/** genlmsghdr: command, version, reserved (u16). */
const GENLMSG = 4
const GENL_ID_CTRL = 16
const CTRL_CMD_GETFAMILY = 3
const CTRL_ATTR_FAMILY_ID = 1
const CTRL_ATTR_FAMILY_NAME = 2

const ETHTOOL_MSG_FEATURES_GET = 11
const ETHTOOL_MSG_FEATURES_SET = 12
const ETHTOOL_A_FEATURES_HEADER = 1
const ETHTOOL_A_FEATURES_WANTED = 3
const ETHTOOL_A_FEATURES_ACTIVE = 4
const ETHTOOL_A_HEADER_DEV_INDEX = 1
const ETHTOOL_A_BITSET_BITS = 3
const ETHTOOL_A_BITSET_BITS_BIT = 1
const ETHTOOL_A_BITSET_BIT_NAME = 2
const ETHTOOL_A_BITSET_BIT_VALUE = 3

const SCHEMA = { names: { 1: 'HEADER', 3: 'WANTED' } }

export interface DeviceFeature {
  /** Interface index in the namespace. */
  index: number
  /** The kernel's name of the feature, as `ethtool -k` prints it, e.g. 'tx-checksum-ip-generic'. */
  feature: string
  /** Path of the namespace; default: the thread's. */
  netns?: string | undefined
}

/** Is a feature of a device active? */
export function deviceFeature({ index, feature, netns }: DeviceFeature): boolean {
  using socket = new NetlinkSocket({ protocol: NETLINK_GENERIC, netns })
  let active: boolean | undefined
  const request = featuresRequest(socket, ETHTOOL_MSG_FEATURES_GET, (w) => writeDevice(w, index))
  socket.request(request, (message) => {
    const bits = attributesOf(message, GENLMSG)
      .nested(ETHTOOL_A_FEATURES_ACTIVE)
      ?.nested(ETHTOOL_A_BITSET_BITS)
    // A list without mask: every bit in it is set.
    active = bits !== undefined && [...namesOf(bits)].includes(feature)
  })
  if (active === undefined) throw new NetlinkFormatError(`no answer about the features of device ${index}`)
  return active
}

/** Switches a feature of a device. EINVAL when the kernel knows no such feature, ENODEV without the device. */
export function setDeviceFeature(spec: DeviceFeature & { on: boolean }): void {
  const { index, feature, netns, on } = spec
  using socket = new NetlinkSocket({ protocol: NETLINK_GENERIC, netns })
  socket.request(
    featuresRequest(socket, ETHTOOL_MSG_FEATURES_SET, (w) => {
      writeDevice(w, index)
      const wanted = w.nest(ETHTOOL_A_FEATURES_WANTED)
      const bits = w.nest(ETHTOOL_A_BITSET_BITS)
      const bit = w.nest(ETHTOOL_A_BITSET_BITS_BIT)
      w.attrString(ETHTOOL_A_BITSET_BIT_NAME, feature)
      if (on) w.flag(ETHTOOL_A_BITSET_BIT_VALUE)
      w.endNest(bit)
      w.endNest(bits)
      w.endNest(wanted)
    }),
  )
}

function* namesOf(bits: Attributes): Generator<string> {
  for (const bit of bits.items()) {
    const name = bit.string(ETHTOOL_A_BITSET_BIT_NAME)
    if (name !== undefined) yield name
  }
}

function featuresRequest(socket: NetlinkSocket, command: number, body: (writer: MessageWriter) => void) {
  return {
    label: `ethtool features ${command === ETHTOOL_MSG_FEATURES_SET ? 'set' : 'get'}`,
    type: familyId(socket),
    flags: 0,
    header: GENLMSG,
    schema: SCHEMA,
    body: (writer: MessageWriter) => {
      writeHeader(writer, command)
      body(writer)
    },
  }
}

/** The kernel numbers generic families as it starts. */
function familyId(socket: NetlinkSocket): number {
  let id: number | undefined
  socket.request(
    {
      label: 'generic netlink family ethtool',
      type: GENL_ID_CTRL,
      flags: 0,
      header: GENLMSG,
      schema: { names: { 2: 'CTRL_ATTR_FAMILY_NAME' } },
      body: (w) => {
        writeHeader(w, CTRL_CMD_GETFAMILY)
        w.attrString(CTRL_ATTR_FAMILY_NAME, 'ethtool')
      },
    },
    (message) => {
      id = attributesOf(message, GENLMSG).u16(CTRL_ATTR_FAMILY_ID)
    },
  )
  if (id === undefined) throw new NetlinkFormatError('the kernel told no number of the ethtool family')
  return id
}

function writeHeader(writer: MessageWriter, command: number): void {
  writer.u8(command)
  writer.u8(1)
  writer.u16(0)
}

function writeDevice(writer: MessageWriter, index: number): void {
  const header = writer.nest(ETHTOOL_A_FEATURES_HEADER)
  writer.attrU32(ETHTOOL_A_HEADER_DEV_INDEX, index)
  writer.endNest(header)
}
