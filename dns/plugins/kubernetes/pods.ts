import type { Store } from '#watch'
import type { Query } from '../../core/query.ts'
import { addressFamily, Type } from '../../wire/index.ts'
import type { ClusterView } from './cluster.ts'
import { addressOfPodName } from './name.ts'
import type { KubernetesOptions } from './options.ts'
import { addressRecord, type Found, noData } from './records.ts'

/** Names of pods: '10-1-2-3.namespace.pod.<zone>'. */
export class PodNames {
  readonly #store: Store
  readonly #cluster: ClusterView
  readonly #options: KubernetesOptions

  constructor(store: Store, cluster: ClusterView, options: KubernetesOptions) {
    this.#store = store
    this.#cluster = cluster
    this.#options = options
  }

  /** Undefined for names that do not exist. */
  find(query: Query, namespace: string, pod: string): Found | undefined {
    const { pods, ttl } = this.#options
    if (pods === 'disabled' || !this.#namespace(namespace)) return undefined
    const address = addressOfPodName(pod)
    const family = addressFamily(address)
    if (family === undefined) return undefined
    if (pods === 'verified' && !this.#cluster.podExists(namespace, address)) return undefined
    if (query.type !== (family === 4 ? Type.A : Type.AAAA)) return noData
    return { answer: [addressRecord(query.originalName, address, ttl)], additional: [] }
  }

  /** A namespace with nothing but pods counts as well. */
  #namespace(namespace: string): boolean {
    if (this.#cluster.exposed(namespace)) return true
    const { namespaces, namespaceLabels } = this.#options
    if ((namespaces.size > 0 && !namespaces.has(namespace)) || namespaceLabels !== undefined) return false
    for (const _ of this.#store.lookup('Pod', 'namespace', namespace)) return true
    return false
  }
}
