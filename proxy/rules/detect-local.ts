import { type NftExpression, nft } from '#netlink'
import type { KubeProxyConfiguration } from '../config/configuration.ts'
import { type Family, familyOf } from '../model/bytes.ts'
import type { NodeState } from '../node-view.ts'

/** How traffic of this node's pods is told from other traffic. */
export interface LocalSource {
  /** matches packets of local pods */
  readonly is: readonly NftExpression[]
  /** matches all others */
  readonly isNot: readonly NftExpression[]
}

/**
 * The detector of the configured mode, or undefined if it has nothing to go by: then nobody is taken for a local pod, and
 * connections from outside to clusterIPs are not masqueraded (as in kube-proxy).
 */
export function localSource(
  family: Family,
  config: KubeProxyConfiguration,
  node: NodeState,
): LocalSource | undefined {
  const { bridgeInterface, interfaceNamePrefix } = config.detectLocal
  switch (config.detectLocalMode) {
    case 'ClusterCIDR':
      return fromNetwork(config.clusterCIDR.find((cidr) => familyOf(cidr) === family))
    case 'NodeCIDR':
      return fromNetwork(node.podCIDRs.find((cidr) => familyOf(cidr) === family))
    case 'BridgeInterface':
      return fromInterface(bridgeInterface)
    case 'InterfaceNamePrefix':
      return fromInterface(`${interfaceNamePrefix}*`)
  }
}

function fromNetwork(cidr: string | undefined): LocalSource | undefined {
  if (cidr === undefined || cidr.endsWith('/0')) return undefined
  return { is: nft.matchSaddr(cidr), isNot: nft.matchSaddr(cidr, { not: true }) }
}

function fromInterface(name: string): LocalSource {
  return { is: nft.matchIifname(name), isNot: nft.matchIifname(name, { not: true }) }
}
