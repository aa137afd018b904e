/** Cluster DNS with CoreDNS's Corefile, semantics and metrics. See README.md. */
export { type CorefileSource, loadCorefile } from './component/load.ts'
export { type Corefile, parseCorefile, readCorefile } from './corefile/parse.ts'
export { CorefileError, DnsError, type DnsErrorCode } from './errors.ts'
export { type DnsFlags, describeDnsFlags, dnsUsage, parseDnsFlags, pluginNames } from './flags.ts'
export { type DnsComponent, type DnsOptions, startDns } from './start.ts'
