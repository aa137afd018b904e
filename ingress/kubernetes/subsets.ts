import type { ApisixUpstream, Endpoint, Store } from '#watch'
import { keyFrom } from '#watch'
import type { ServiceBackend } from './translation.ts'

/** The labels of a subset: of the port's own ones, or else of the general ones; undefined if there is none of that name. */
export function subsetLabels(
  upstream: ApisixUpstream | undefined,
  port: number | string,
  subset: string,
): Readonly<Record<string, string>> | undefined {
  const own = upstream?.spec.portLevelSettings.find((one) => one.port === port)?.subsets ?? []
  return [...own, ...(upstream?.spec.subsets ?? [])].find(({ name }) => name === subset)?.labels
}

/** Which endpoints belong to the backend's subset, by the labels of their Pods: none if there is no such subset. */
export function inSubset(store: Store, backend: ServiceBackend): (endpoint: Endpoint) => boolean {
  const { namespace, service, port, subset } = backend
  if (subset === '') return () => true
  const labels = subsetLabels(store.get('ApisixUpstream', keyFrom(namespace, service)), port, subset)
  if (labels === undefined) return () => false
  const wanted = Object.entries(labels)
  return ({ podName }) => {
    const pod = podName === undefined ? undefined : store.get('Pod', keyFrom(namespace, podName))
    const has = pod?.metadata.labels
    return has !== undefined && wanted.every(([name, value]) => has[name] === value)
  }
}
