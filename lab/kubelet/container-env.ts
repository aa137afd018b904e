import type { Container, Pod } from '#watch'

/** What a container may learn about its Pod only once it has been placed and wired. */
export interface PodPlacement {
  readonly podIPs: readonly string[]
  readonly hostIP: string
}

/**
 * Replaces `$(NAME)` by the variable's value; `$$(NAME)` stands for a literal `$(NAME)`, and an unknown name stays as
 * it is (k8s.io/kubernetes/third_party/forked/golang/expansion).
 */
export function expandVariables(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (match, name: string | undefined) =>
    name === undefined ? '$' : (variables.get(name) ?? match),
  )
}

/** The value of a downward API reference, or undefined if the lab does not know it. */
export function downwardValue(pod: Pod, fieldPath: string, placement: PodPlacement): string | undefined {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath)
  if (keyed !== null) {
    const map = keyed[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations
    return map[keyed[2] ?? ''] ?? ''
  }
  switch (fieldPath) {
    case 'metadata.name':
      return pod.metadata.name
    case 'metadata.namespace':
      return pod.metadata.namespace
    case 'metadata.uid':
      return pod.metadata.uid
    case 'spec.nodeName':
      return pod.spec.nodeName
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName || 'default'
    case 'status.podIP':
      return placement.podIPs[0] ?? ''
    case 'status.podIPs':
      return placement.podIPs.join(',')
    case 'status.hostIP':
    case 'status.hostIPs':
      return placement.hostIP
    default:
      return undefined
  }
}

/** The environment the Pod asks for. Later variables may use earlier ones; unknown downward fields are reported. */
export function containerEnvironment(
  pod: Pod,
  container: Container,
  placement: PodPlacement,
): { variables: Map<string, string>; unknown: readonly string[] } {
  const variables = new Map<string, string>()
  const unknown: string[] = []
  for (const { name, value, fieldPath } of container.env) {
    if (fieldPath === undefined) {
      variables.set(name, expandVariables(value, variables))
      continue
    }
    const resolved = downwardValue(pod, fieldPath, placement)
    if (resolved === undefined) unknown.push(`${name} (fieldRef ${fieldPath})`)
    else variables.set(name, resolved)
  }
  return { variables, unknown }
}
