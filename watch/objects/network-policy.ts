import type { IntOrString, KubeObject, LabelSelector, Protocol } from './meta.ts'

export interface NetworkPolicyPeer {
  readonly podSelector?: LabelSelector | undefined
  readonly namespaceSelector?: LabelSelector | undefined
  readonly ipBlock?: { readonly cidr: string; readonly except: readonly string[] } | undefined
}

export interface NetworkPolicyPort {
  readonly protocol: Protocol
  /** undefined: every port */
  readonly port?: IntOrString | undefined
  readonly endPort?: number | undefined
}

export interface NetworkPolicyRule {
  /** `from` of an ingress rule, `to` of an egress rule; [] means everybody */
  readonly peers: readonly NetworkPolicyPeer[]
  /** [] means every port */
  readonly ports: readonly NetworkPolicyPort[]
}

export interface NetworkPolicy extends KubeObject {
  readonly kind: 'NetworkPolicy'
  readonly spec: {
    readonly podSelector: LabelSelector
    /** with the API's default applied: Ingress always, Egress if there is an egress section */
    readonly policyTypes: readonly ('Ingress' | 'Egress')[]
    readonly ingress: readonly NetworkPolicyRule[]
    readonly egress: readonly NetworkPolicyRule[]
  }
}
