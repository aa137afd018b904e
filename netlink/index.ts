/** Netlink in TypeScript: rtnetlink, nf_tables and network namespaces. See README.md. */
export {
  formatAddress,
  formatMac,
  maskBytes,
  type Prefix,
  packAddress,
  packIPv4,
  packIPv6,
  packMac,
  parsePrefix,
} from './address.ts'
export { type ConntrackEntry, type ConntrackFilter, ConntrackSocket } from './conntrack.ts'
export {
  isAlreadyExists,
  isBusy,
  isNotFound,
  NetlinkError,
  NetlinkFormatError,
  NetlinkValueError,
} from './errors.ts'
export { deviceFeature, setDeviceFeature } from './ethtool.ts'
export { tryFlock } from './flock.ts'
export { createNetns, deleteNetns, getSysctl, netnsInode, runInNetns, setSysctl } from './netns.ts'
export type { PackedElement } from './nft/decode-packed.ts'
export { NftError } from './nft/errors.ts'
export { nft } from './nft/match.ts'
export { NftMonitor, type NftMonitorOptions } from './nft/monitor.ts'
export { concat, type Protocol, packHostU32, packIfname, packPort, packProto } from './nft/pack.ts'
export { NftSocket } from './nft/socket.ts'
export { type NftOperation, NftTransaction } from './nft/transaction.ts'
export type * from './nft/types.ts'
export { storedComment } from './nft/userdata.ts'
export { peerCredentials } from './peer-credentials.ts'
export { RouteBatch, type RouteRefusal } from './route/batch.ts'
export { addPortVlans, deletePortVlans, type PortVlan } from './route/bridge-vlan.ts'
export { deleteLinkGroupInBackground } from './route/group-deletion.ts'
export { type LinkTuning, linkTuning, tuneLink } from './route/link-tuning.ts'
export { RouteMonitor, type RouteMonitorOptions } from './route/monitor.ts'
export { RouteSocket } from './route/socket.ts'
export { burstInTicks, type Qdisc, type TokenBucket, TrafficControlSocket } from './route/traffic-control.ts'
export type * from './route/types.ts'
export { createSharedMemory, mapSharedMemory } from './shared-memory.ts'
export { UdpSender } from './udp/sender.ts'
export { UdpSocket, type UdpSocketOptions } from './udp/socket.ts'
export { UdpKnock } from './udp-knock.ts'
export { receiveNow, sendNow } from './unix-stream.ts'
