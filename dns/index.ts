/** Cluster DNS with CoreDNS's Corefile, semantics and metrics. See README.md. */
export { type CorefileSource, loadCorefile } from './component/load.ts'
export { type Corefile, parseCorefile, readCorefile } from './corefile/parse.ts'
export { CorefileError, DnsError, type DnsErrorCode } from './errors.ts'
export {
  type DnsFlags,
  describeDnsFlags,
  dnsUsage,
  type NodeLocalFlags,
  parseDnsFlags,
  pluginNames,
  serviceHost,
} from './flags.ts'
export type { NodeLocalOptions } from './node-local/node-local.ts'
export { type KubernetesDirective, kubernetesDirective } from './plugins/kubernetes/api-server.ts'
export { type DnsComponent, type DnsOptions, startDns } from './start.ts'
