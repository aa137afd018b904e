/** Netlink in TypeScript: rtnetlink, nf_tables and network namespaces. See README.md. */
export { formatAddress, formatMac, maskBytes, packAddress, packIPv4, packIPv6, packMac } from './address.ts'
export {
  isAlreadyExists,
  isBusy,
  isNotFound,
  NetlinkError,
  NetlinkFormatError,
  NetlinkValueError,
} from './errors.ts'
export { tryFlock } from './flock.ts'
export { createNetns, deleteNetns, getSysctl, netnsInode, runInNetns, setSysctl } from './netns.ts'
export type * from './nft/types.ts'
export { peerCredentials } from './peer-credentials.ts'
export { RouteMonitor, type RouteMonitorOptions } from './route/monitor.ts'
export { RouteSocket } from './route/socket.ts'
export type * from './route/types.ts'
