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
