import { canonicalCIDR, cidrIn } from './address.ts'
import { portLimits, portOrNameIn, protocolIn, selectorIn } from './common.ts'
import { metadataIn } from './decode-meta.ts'
import type { Field } from './field.ts'
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

export function decodeNetworkPolicy(root: Field): NetworkPolicy {
  const spec = root.at('spec').object()
  const types = spec.at('policyTypes').list((item) => item.requiredOneOf(['Ingress', 'Egress']))
  const egress = spec.at('egress')
  if (types.length === 0) {
    types.push('Ingress')
    if (egress.items().length > 0) types.push('Egress')
  }
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadataIn(root.at('metadata'), { namespaced: true }),
    spec: {
      podSelector: selectorIn(spec.at('podSelector')),
      policyTypes: types,
      ingress: spec.at('ingress').list((item) => policyRuleIn(item, 'from')),
      egress: egress.list((item) => policyRuleIn(item, 'to')),
    },
  }
}

function policyRuleIn(field: Field, peers: 'from' | 'to'): NetworkPolicyRule {
  // `- {}` allows everything and prints as {}; a bare `-` is the same to the API.
  field.object()
  return { peers: field.at(peers).list(peerIn), ports: field.at('ports').list(policyPortIn) }
}

function peerIn(field: Field): NetworkPolicyPeer {
  const pods = field.requiredObject().at('podSelector')
  const namespaces = field.at('namespaceSelector')
  const block = field.at('ipBlock')
  if (pods.missing && namespaces.missing && block.missing) {
    field.expected('podSelector, namespaceSelector or ipBlock')
  }
  if (!block.missing && !(pods.missing && namespaces.missing)) {
    block.reject('stands beside a selector; expected ipBlock alone')
  }
  return {
    podSelector: pods.missing ? undefined : selectorIn(pods),
    namespaceSelector: namespaces.missing ? undefined : selectorIn(namespaces),
    ipBlock: block.missing ? undefined : blockIn(block),
  }
}

function blockIn(field: Field): { cidr: string; except: string[] } {
  const cidr = field.object().at('cidr')
  if (cidr.missing) cidr.expected('a network such as 10.0.0.0/8')
  const except = field.at('except').list((item) => {
    if (typeof item.value === 'string' && canonicalCIDR(item.value) === undefined) item.expected('a network')
    return canonicalCIDR(item.requiredString()) ?? ''
  })
  return { cidr: cidrIn(cidr), except }
}

function policyPortIn(field: Field): NetworkPolicyPort {
  const port = portOrNameIn(field.requiredObject().at('port'))
  const endPort = field.at('endPort').optionalInteger(portLimits)
  if (endPort !== undefined && (typeof port !== 'number' || endPort < port)) {
    field.at('endPort').expected('a number not below a numeric port')
  }
  return { protocol: protocolIn(field.at('protocol')), port, endPort }
}
