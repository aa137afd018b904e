import type { Pod, Store } from '#watch'
import type { Query } from '../../core/query.ts'
import { longestZone } from '../../wire/index.ts'
import { readAsked } from './name.ts'
import type { KubernetesOptions } from './options.ts'

/** A pod this young may not be the one the watch cache knows under its address. */
const settledMs = 5000

/** What is known about the pods that ask. */
export class Clients {
  readonly #store: Store
  readonly #options: KubernetesOptions

  constructor(store: Store, options: KubernetesOptions) {
    this.#store = store
    this.#options = options
  }

  /** The search path kubelet writes for a pod; undefined unless it is certain which pod asks. */
  searchPath(query: Query): readonly string[] | undefined {
    const pod = this.#podOf(query)
    if (pod === undefined) return undefined
    const { startTime } = pod.status
    if (startTime !== undefined && Date.now() - Date.parse(startTime) < settledMs) return undefined
    const { primaryZone } = this.#options
    const zone = primaryZone === '.' ? '' : primaryZone
    return [`${pod.metadata.namespace}.svc.${zone}`, `svc.${zone}`, primaryZone]
  }

  label(query: Query, name: string): string | undefined {
    if (!name.startsWith('kubernetes/')) return undefined
    if (name === 'kubernetes/client-namespace') return this.#podOf(query)?.metadata.namespace
    if (name === 'kubernetes/client-pod-name') return this.#podOf(query)?.metadata.name
    const { zones, multicluster } = this.#options
    const zone = longestZone(query.name, zones)
    if (zone === undefined) return undefined
    const asked = readAsked(query.name, zone, { multicluster: multicluster.has(zone) })
    if (asked.kind !== 'service' && asked.kind !== 'pod') return undefined
    switch (name) {
      case 'kubernetes/kind':
        return asked.kind === 'service' ? 'svc' : 'pod'
      case 'kubernetes/namespace':
        return asked.namespace
      case 'kubernetes/service':
        return asked.kind === 'service' ? asked.service : asked.pod
      case 'kubernetes/endpoint':
        return asked.kind === 'service' ? asked.endpoint : ''
      case 'kubernetes/cluster':
        return multicluster.has(zone) && asked.kind === 'service' ? (asked.cluster ?? '') : undefined
      case 'kubernetes/port-name':
        return asked.kind === 'service' ? asked.port : ''
      case 'kubernetes/protocol':
        return asked.kind === 'service' ? asked.protocol : ''
      default:
        return undefined
    }
  }

  /** The one pod with the client's address; undefined for host-network pods and where two pods have it. */
  #podOf(query: Query): Pod | undefined {
    if (this.#options.pods !== 'verified') return undefined
    const address = query.peer.clientAddress.replace(/%.*$/, '')
    let found: Pod | undefined
    for (const pod of this.#store.lookup('Pod', 'ip', address)) {
      const { phase } = pod.status
      if (phase === 'Succeeded' || phase === 'Failed' || phase === 'Unknown') continue
      if (found !== undefined || pod.spec.hostNetwork) return undefined
      found = pod
    }
    return found?.metadata.deletionTimestamp === undefined ? found : undefined
  }
}
