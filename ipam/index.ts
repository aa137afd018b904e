/** Host-local address management in the reference plugin's on-disk format. See README.md. */
export {
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
export {
  type AllocateOptions,
  type Allocation,
  allocate,
  checkCapacity,
  checkLease,
  collectLeases,
  leasesOf,
  release,
} from './allocate.ts'
export { parseCniArgs } from './cni-args.ts'
export { dataDirectoryOf, type IpamConfig, knownCniArgs, loadIpamConfig } from './config.ts'
export { IpamError, type IpamErrorCode } from './errors.ts'
export { Fields } from './fields.ts'
export type { LeaseEvidence, LeaseOwner } from './owner.ts'
export type { OwnerRecord } from './owner-index.ts'
export { type DnsSettings, parseResolvConf, readResolvConf } from './resolv-conf.ts'
export { LeaseStore } from './store.ts'
