/**
 * The part of KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1) that means something here, with kube-proxy's
 * own names and defaults. Durations are milliseconds.
 */
export interface KubeProxyConfiguration {
  /** Where `plexus proxy` finds the API server if no flag says it: '' for the pod's service account. */
  clientConnection: { kubeconfig: string }
  /** Overrides the node name given on the command line. */
  hostnameOverride: string
  /** An address (not 0.0.0.0 or ::) given here is taken as this node's primary address of its family. */
  bindAddress: string
  /** `host:port` of /healthz and /livez; '' switches the server off. */
  healthzBindAddress: string
  /** `host:port` of /metrics, /proxyMode and /configz; '' switches the server off. */
  metricsBindAddress: string
  bindAddressHardFail: boolean
  enableProfiling: boolean
  nftables: ModeConfiguration
  detectLocalMode: DetectLocalMode
  detectLocal: { bridgeInterface: string; interfaceNamePrefix: string }
  /** Pod CIDRs of the cluster, at most one of each family. */
  clusterCIDR: readonly string[]
  /** `primary` (the Node object's addresses) and/or CIDRs matched against local addresses. */
  nodePortAddresses: readonly string[]
  conntrack: ConntrackConfiguration
  /** How often everything is compared with the watch cache even if nothing changed. */
  configSyncPeriod: number
  /**
   * Only Services with this value of label service.kubernetes.io/service-proxy-name are handled; '': those without the
   * label. kube-proxy has no such field: it is always the one without a name.
   */
  serviceProxyName: string
}

export interface ModeConfiguration {
  /** Bit of the packet mark that asks for masquerading, 0..31. */
  masqueradeBit: number
  masqueradeAll: boolean
  /** After a failure the next attempt comes at the latest after this time; health fails after twice of it. */
  syncPeriod: number
  /** Lower bound between two commits. 0: a change is programmed at once. */
  minSyncPeriod: number
}

export type Listeners = Pick<KubeProxyConfiguration, 'healthzBindAddress' | 'metricsBindAddress'>

export type DetectLocalMode = 'ClusterCIDR' | 'NodeCIDR' | 'BridgeInterface' | 'InterfaceNamePrefix'

/** Values for the net.netfilter.nf_conntrack_* sysctls; undefined leaves a sysctl alone. */
export interface ConntrackConfiguration {
  maxPerCore: number | undefined
  min: number | undefined
  tcpEstablishedTimeout: number | undefined
  tcpCloseWaitTimeout: number | undefined
  tcpBeLiberal: boolean
  udpTimeout: number | undefined
  udpStreamTimeout: number | undefined
}

/** Where kube-proxy serves health and metrics by default, and so `plexus proxy`. */
export const KUBE_PROXY_LISTENERS: Listeners = {
  healthzBindAddress: '0.0.0.0:10256',
  metricsBindAddress: '127.0.0.1:10249',
}

/**
 * kube-proxy's defaults, with two deliberate differences: minSyncPeriod is 0 instead of 1 s, because here a change costs
 * well under a millisecond and waiting for company gains nothing; and there are no listeners, because the agent has its own.
 */
export const DEFAULT_CONFIGURATION: KubeProxyConfiguration = {
  clientConnection: { kubeconfig: '' },
  hostnameOverride: '',
  bindAddress: '0.0.0.0',
  healthzBindAddress: '',
  metricsBindAddress: '',
  bindAddressHardFail: false,
  enableProfiling: false,
  nftables: { masqueradeBit: 14, masqueradeAll: false, syncPeriod: 30_000, minSyncPeriod: 0 },
  detectLocalMode: 'ClusterCIDR',
  detectLocal: { bridgeInterface: '', interfaceNamePrefix: '' },
  clusterCIDR: [],
  nodePortAddresses: ['primary'],
  conntrack: {
    maxPerCore: 32_768,
    min: 131_072,
    tcpEstablishedTimeout: 86_400_000,
    tcpCloseWaitTimeout: 3_600_000,
    tcpBeLiberal: false,
    udpTimeout: undefined,
    udpStreamTimeout: undefined,
  },
  configSyncPeriod: 900_000,
  serviceProxyName: '',
}
