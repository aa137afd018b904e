import type { Kind } from '../objects/kinds.ts'

/** One watch: the objects of a kind that match, all if nothing is said. */
export interface KindNeed {
  readonly kind: Kind
  /** e.g. 'spec.nodeName=node1' */
  readonly fieldSelector?: string | undefined
  /** e.g. '!service.kubernetes.io/headless' */
  readonly labelSelector?: string | undefined
  /** Not before somebody asks for the kind (Store.demand). */
  readonly onDemand?: true | undefined
}

export type NeedingComponent = 'proxy' | 'dns' | 'gateway' | 'overlay' | 'cni' | 'policy'
export const needingComponents: readonly NeedingComponent[] = [
  'proxy',
  'dns',
  'gateway',
  'overlay',
  'cni',
  'policy',
]

const gatewayKinds: readonly Kind[] = [
  'Service',
  'EndpointSlice',
  'Secret',
  'ConfigMap',
  'IngressClass',
  'Ingress',
  'ApisixRoute',
  'ApisixUpstream',
  'ApisixTls',
  'ApisixConsumer',
  'ApisixPluginConfig',
  'ApisixGlobalRule',
]

/** What a component reads from the API; `nodeName` narrows what only concerns this node. */
export function needsOf(component: NeedingComponent, nodeName?: string): readonly KindNeed[] {
  const ownNode = nodeName === undefined ? undefined : `metadata.name=${nodeName}`
  const ownPods = nodeName === undefined ? undefined : `spec.nodeName=${nodeName}`
  switch (component) {
    case 'proxy':
      return [
        { kind: 'Service' },
        { kind: 'EndpointSlice' },
        { kind: 'Node', fieldSelector: ownNode },
        { kind: 'ServiceCIDR' },
      ]
    case 'dns':
      return [
        { kind: 'Service' },
        { kind: 'EndpointSlice' },
        { kind: 'Namespace' },
        { kind: 'Pod' },
        { kind: 'ServiceImport' },
      ]
    case 'gateway':
      // Labels of Pods make subsets of an ApisixUpstream, which few have.
      return [...gatewayKinds.map((kind) => ({ kind })), { kind: 'Pod', onDemand: true }]
    case 'overlay':
      return [{ kind: 'Node' }]
    case 'cni':
      return [{ kind: 'Pod', fieldSelector: ownPods }]
    case 'policy':
      return [{ kind: 'NetworkPolicy' }, { kind: 'Pod' }, { kind: 'Namespace' }]
  }
}

/**
 * One watch per kind for several components: where they ask for different parts of a kind, all of it.
 */
export function unionOfNeeds(needs: Iterable<KindNeed>): KindNeed[] {
  const union = new Map<Kind, KindNeed>()
  for (const need of needs) {
    const known = union.get(need.kind)
    const same =
      known === undefined ||
      (known.fieldSelector === need.fieldSelector && known.labelSelector === need.labelSelector)
    union.set(need.kind, same ? need : { kind: need.kind })
  }
  return [...union.values()]
}
