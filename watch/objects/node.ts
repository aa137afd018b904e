import { canonicalAddress, cidrIn } from './address.ts'
import { conditionsIn } from './common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
import type { Condition, KubeObject } from './meta.ts'

export interface Taint {
  readonly key: string
  readonly value: string
  readonly effect: string
}

export interface NodeAddress {
  readonly type: string
  /** an IP in canonical form for InternalIP and ExternalIP, else a name */
  readonly address: string
}

export interface Node extends KubeObject {
  readonly kind: 'Node'
  readonly spec: {
    /** first of podCIDRs, '' if none is assigned */
    readonly podCIDR: string
    readonly podCIDRs: readonly string[]
    readonly taints: readonly Taint[]
    readonly unschedulable: boolean
  }
  readonly status: {
    readonly addresses: readonly NodeAddress[]
    readonly conditions: readonly Condition[]
  }
}

export function decodeNode(root: Field): Node {
  const spec = root.at('spec').object()
  const status = root.at('status').object()
  const podCIDRs = spec.at('podCIDRs').list(cidrIn)
  const podCIDR = cidrIn(spec.at('podCIDR'))
  if (podCIDRs.length === 0 && podCIDR !== '') podCIDRs.push(podCIDR)
  if (podCIDR !== '' && podCIDRs[0] !== podCIDR) spec.at('podCIDR').expected(`podCIDRs[0], ${podCIDRs[0]}`)
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: metadataIn(root.at('metadata'), { namespaced: false }),
    spec: {
      podCIDR: podCIDRs[0] ?? '',
      podCIDRs,
      taints: spec.at('taints').list((item) => ({
        key: item.requiredObject().at('key').requiredString(),
        value: item.at('value').string(),
        effect: item.at('effect').string(),
      })),
      unschedulable: spec.at('unschedulable').boolean(false),
    },
    status: {
      addresses: status.at('addresses').list(nodeAddressIn),
      conditions: conditionsIn(status.at('conditions')),
    },
  }
}

function nodeAddressIn(field: Field): NodeAddress {
  const type = field.requiredObject().at('type').requiredString()
  const address = field.at('address').requiredString()
  if (type !== 'InternalIP' && type !== 'ExternalIP') return { type, address }
  const canonical = canonicalAddress(address)
  if (canonical === undefined && address !== '') field.at('address').expected('an IP address')
  return { type, address: canonical ?? '' }
}
