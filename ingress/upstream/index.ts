export type { DnsDiscoverySettings } from './dns-discovery.ts'
export { isSecure, type Server, splitAddress } from './nodes.ts'
export { UpstreamGroup, type UpstreamSurroundings } from './upstream-group.ts'
