export { DNS_ORDER, type DnsDiscoverySettings, type DnsRecordType } from './dns-discovery.ts'
export { isSecure, type Server, splitAddress } from './nodes.ts'
export { UpstreamGroup, type UpstreamSurroundings } from './upstream-group.ts'
