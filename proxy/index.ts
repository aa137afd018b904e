export { cleanup } from './cleanup.ts'
export {
  DEFAULT_CONFIGURATION,
  type DetectLocalMode,
  KUBE_PROXY_LISTENERS,
  type KubeProxyConfiguration,
  type Listeners,
} from './config/configuration.ts'
export { toDocument } from './config/document.ts'
export { PROXY_FLAGS_HELP, type ProxyFlags, parseProxyFlags } from './config/flags.ts'
export { loadProxyConfiguration, parseProxyConfiguration } from './config/load.ts'
export { applyConntrackSysctls as applyConntrackSettings } from './conntrack/sysctls.ts'
export type { EndpointRow, ServiceRow } from './describe.ts'
export { ProxyConfigurationError } from './errors.ts'
export type { ObjectEvent, RecordEvent } from './events.ts'
export { type ProxyComponent, type ProxyOptions, startProxy } from './proxy.ts'
export { TraceError } from './trace/errors.ts'
export type { Trace, TraceRequest } from './trace/trace.ts'
