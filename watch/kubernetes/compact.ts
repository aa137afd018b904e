import type { Container } from '../objects/container.ts'
import type { AnyObject } from '../objects/kinds.ts'
import type { Condition } from '../objects/meta.ts'
import type { Pod } from '../objects/pod.ts'

const none = Object.freeze([])

/**
 * What a node keeps of an object of the API server. Who runs containers (the lab) reads manifests and needs
 * all of a Pod; a node of a cluster has a kubelet for that, and needs addresses, ports and readiness.
 */
export function compactObject(object: AnyObject): AnyObject {
  if (object.kind === 'Pod') return compactPod(object)
  if (object.kind !== 'Node') return object
  const conditions = object.status.conditions.filter(
    ({ type }) => type === 'Ready' || type === 'NetworkUnavailable',
  )
  return { ...object, status: { ...object.status, conditions: conditions.map(compactCondition) } }
}

function compactPod(pod: Pod): Pod {
  const { spec, status } = pod
  const conditions = status.conditions.filter(({ type }) => type === 'Ready').map(compactCondition)
  return {
    ...pod,
    spec: {
      ...spec,
      dnsConfig: undefined,
      hostAliases: none,
      containers: compactContainers(spec.containers),
      initContainers: compactContainers(spec.initContainers),
    },
    status: { ...status, conditions, startTime: undefined },
  }
}

/** Those with ports, which policies and Services may name. */
function compactContainers(containers: readonly Container[]): readonly Container[] {
  const open = containers.filter(({ ports }) => ports.length > 0)
  if (open.length === 0) return none
  return open.map(({ name, ports, restartPolicy }) => ({
    name,
    image: '',
    command: none,
    args: none,
    workingDir: '',
    env: none,
    ports,
    readinessProbe: undefined,
    restartPolicy,
  }))
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
