export type { DnsDiscoverySettings } from './dns-discovery.ts'
export { isSecure, type Server, splitAddress } from './nodes.ts'
export { UpstreamGroup } from './upstream-group.ts'
