import type { AnyObject } from '../objects/kinds.ts'
import type { Condition } from '../objects/meta.ts'
import type { Node } from '../objects/node.ts'
import type { Service } from '../objects/service.ts'
import { equalValues } from '../store/equal.ts'
import { CompactObject } from './compact-object.ts'
import { CompactPod } from './compact-pod.ts'
import { CompactSlice } from './compact-slice.ts'

/** What a node keeps of an object of the API server, in a form that takes little memory. */
export function compactObject(object: AnyObject): AnyObject {
  if (object instanceof CompactObject) return object
  switch (object.kind) {
    case 'Pod':
      return CompactPod.of(object)
    case 'EndpointSlice':
      return CompactSlice.of(object)
    case 'Node':
      return compactNode(object)
    case 'Service':
      return compactService(object)
    default:
      return object
  }
}

/** Makes an object again what it was before a structured clone, which leaves nothing of a compact one but its properties. */
export function revivedObject(clone: AnyObject): AnyObject {
  if ('kind' in clone) return clone
  const properties: CompactSlice | CompactPod = clone
  return 'packed' in properties
    ? new CompactSlice(properties, properties)
    : new CompactPod(properties, properties)
}

function compactNode(node: Node): Node {
  const { status } = node
  const conditions = status.conditions.filter(({ type }) => type === 'Ready' || type === 'NetworkUnavailable')
  return { ...node, status: { ...status, conditions: conditions.map(compactCondition) } }
}

const none = Object.freeze([])
const noLoadBalancer: Service['status'] = Object.freeze({
  loadBalancer: Object.freeze({ ingress: none }),
})
const families: readonly Service['spec']['ipFamilies'][] = [
  Object.freeze(['IPv4'] as const),
  Object.freeze(['IPv6'] as const),
]

/** Most Services select by their own labels, have one family and no load balancer. */
function compactService(service: Service): Service {
  const { metadata, spec, status } = service
  return {
    ...service,
    spec: {
      ...spec,
      selector: equalValues(metadata.labels, spec.selector) ? metadata.labels : spec.selector,
      externalIPs: spec.externalIPs.length === 0 ? none : spec.externalIPs,
      loadBalancerSourceRanges:
        spec.loadBalancerSourceRanges.length === 0 ? none : spec.loadBalancerSourceRanges,
      ipFamilies: families.find((family) => equalValues(family, spec.ipFamilies)) ?? spec.ipFamilies,
    },
    status: status.loadBalancer.ingress.length === 0 ? noLoadBalancer : status,
  }
}

const shared = new Map<string, Condition>()

/** Type and status: reasons and times change without any effect here. */
function compactCondition({ type, status }: Condition): Condition {
  const id = `${type} ${status}`
  let condition = shared.get(id)
  if (condition === undefined) {
    condition = Object.freeze({ type, status, reason: '', message: '', lastTransitionTime: undefined })
    shared.set(id, condition)
  }
  return condition
}
