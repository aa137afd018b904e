import type { Node, ServiceCIDR } from '#watch'
import type { KubeProxyConfiguration } from './config/configuration.ts'
import { type Family, familyOf } from './model/bytes.ts'
import { localityOf } from './model/selection.ts'
import type { NodeView } from './model/service-rules.ts'

/** All of this node that rules and elements depend on. A change of it means to compute everything anew. */
export interface NodeState {
  readonly view: (family: Family) => NodeView
  /** primary addresses, those of the Node object unless the configuration gives one */
  readonly addresses: readonly string[]
  readonly podCIDRs: readonly string[]
  /** networks that clusterIPs come from, sorted; empty if the cluster does not tell */
  readonly serviceCIDRs: readonly string[]
  /** equal for states with equal consequences */
  readonly fingerprint: string
}

/** The state of this node; a missing Node object leaves addresses, zone and pod CIDRs empty. */
export function nodeState(
  nodeName: string,
  node: Node | undefined,
  config: KubeProxyConfiguration,
  serviceNetworks: Iterable<ServiceCIDR> = [],
): NodeState {
  const locality = localityOf(nodeName, node)
  const internal = (node?.status.addresses ?? [])
    .filter(({ type }) => type === 'InternalIP')
    .map(({ address }) => address)
  const addresses = withBindAddress(internal, config.bindAddress)
  const podCIDRs = node?.spec.podCIDRs ?? []
  const { serviceProxyName } = config
  // With a name this proxy does not know who has the other addresses: some other proxy's Services may.
  const networks = serviceProxyName === '' ? [...serviceNetworks] : []
  const serviceCIDRs = [...new Set(networks.flatMap(({ spec }) => spec.cidrs))].sort()
  return {
    view: (family) => ({ ...locality, family, addresses, serviceProxyName }),
    addresses,
    podCIDRs,
    serviceCIDRs,
    fingerprint: JSON.stringify([locality.zone ?? '', addresses, podCIDRs, serviceCIDRs]),
  }
}

function withBindAddress(addresses: readonly string[], bindAddress: string): readonly string[] {
  if (bindAddress === '' || bindAddress === '0.0.0.0' || bindAddress === '::') return addresses
  return [bindAddress, ...addresses.filter((address) => familyOf(address) !== familyOf(bindAddress))]
}
