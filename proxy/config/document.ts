import type { KubeProxyConfiguration } from './configuration.ts'
import { formatDuration } from './duration.ts'

/** The configuration as a KubeProxyConfiguration document, for /configz and --write-config-to. */
export function toDocument(config: KubeProxyConfiguration): Readonly<Record<string, unknown>> {
  const { clusterCIDR, configSyncPeriod, conntrack, nftables, serviceProxyName, ...rest } = config
  const duration = (ms: number | undefined): string => formatDuration(ms ?? 0)
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    ...rest,
    clusterCIDR: clusterCIDR.join(','),
    nftables: {
      ...nftables,
      syncPeriod: duration(nftables.syncPeriod),
      minSyncPeriod: duration(nftables.minSyncPeriod),
    },
    conntrack: {
      maxPerCore: conntrack.maxPerCore ?? 0,
      min: conntrack.min ?? 0,
      tcpEstablishedTimeout: duration(conntrack.tcpEstablishedTimeout),
      tcpCloseWaitTimeout: duration(conntrack.tcpCloseWaitTimeout),
      tcpBeLiberal: conntrack.tcpBeLiberal,
      udpTimeout: duration(conntrack.udpTimeout),
      udpStreamTimeout: duration(conntrack.udpStreamTimeout),
    },
    configSyncPeriod: duration(configSyncPeriod),
    // Not kube-proxy's: a file without it is one that kube-proxy reads.
    ...(serviceProxyName === '' ? {} : { serviceProxyName }),
  }
}
