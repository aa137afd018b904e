import {
  type ChangeSet,
  importNameLabel,
  type Key,
  type Kind,
  keyFrom,
  keyOf,
  type Store,
  type Subscription,
} from '#watch'
import { buildEntry, clusterAddresses, type ServiceEntry } from './entry.ts'
import { buildImport } from './import-entry.ts'
import { observeProgramming, type ProgrammingMetric } from './metrics.ts'
import type { KubernetesOptions } from './options.ts'

/** Told after every change: the Services and ServiceImports concerned and the addresses that were or are theirs. */
export type OnChange = (changed: {
  services: Iterable<Key>
  addresses: Iterable<string>
  everything: boolean
}) => void

/**
 * The part of the watch cache that DNS answers from: entries of Services (and ServiceImports), built when first asked for and dropped when a
 * change set names them, and an index of cluster addresses.
 */
export class ClusterView {
  readonly #store: Store
  readonly #options: KubernetesOptions
  readonly #entries = new Map<Key, ServiceEntry | undefined>()
  readonly #imports = new Map<Key, ServiceEntry | undefined>()
  #subscription: Subscription | undefined
  #serial = Math.floor(Date.now() / 1000)
  #loaded = false

  constructor(store: Store, options: KubernetesOptions) {
    this.#store = store
    this.#options = options
  }

  /** Follows the store from now on. */
  start(onChange: OnChange, programming: ProgrammingMetric): void {
    const kinds: Kind[] = ['Service', 'Namespace', 'EndpointSlice']
    if (this.#options.multicluster.size > 0) kinds.push('ServiceImport')
    this.#subscription = this.#store.subscribe({ name: 'dns', kinds, services: true }, (changes) => {
      this.#apply(changes, onChange)
      if (!changes.initial) observeProgramming(changes, this.#store, programming)
    })
  }

  stop(): void {
    this.#subscription?.close()
  }

  /** False until the first complete state of the cluster is there. */
  get synced(): boolean {
    return this.#loaded || this.#store.synced
  }

  /** Seconds since 1970 of the last change: the SOA's serial. */
  get serial(): number {
    return this.#serial
  }

  /** The entry of a Service in an exposed namespace. */
  service(namespace: string, name: string): ServiceEntry | undefined {
    if (!this.exposed(namespace)) return undefined
    return this.#entry(`${namespace}/${name}`)
  }

  /** What a service name stands for in a zone: a ServiceImport in multicluster zones, a Service elsewhere. */
  find(zone: string, namespace: string, name: string): ServiceEntry | undefined {
    if (!this.#options.multicluster.has(zone)) return this.service(namespace, name)
    return this.exposed(namespace) ? this.#import(`${namespace}/${name}`) : undefined
  }

  #entry(key: Key): ServiceEntry | undefined {
    return this.#known(this.#entries, key, buildEntry)
  }

  #import(key: Key): ServiceEntry | undefined {
    return this.#known(this.#imports, key, buildImport)
  }

  #known(
    entries: Map<Key, ServiceEntry | undefined>,
    key: Key,
    build: typeof buildEntry,
  ): ServiceEntry | undefined {
    const known = entries.get(key)
    if (known !== undefined) return known
    const entry = build(this.#store, key, this.#options)
    if (entry !== undefined && this.#loaded) entries.set(key, entry)
    return entry
  }

  /** True for a namespace that exists and that the configuration lets be seen. */
  exposed(namespace: string): boolean {
    const { namespaces, namespaceLabels, multicluster } = this.#options
    if (namespaces.size > 0 && !namespaces.has(namespace)) return false
    const object = this.#store.get('Namespace', namespace)
    if (namespaceLabels !== undefined) return object !== undefined && namespaceLabels(object.metadata.labels)
    // With manifests, namespaces often exist only by being named.
    return (
      object !== undefined ||
      some(this.#store.lookup('Service', 'namespace', namespace)) ||
      (multicluster.size > 0 && some(this.#store.lookup('ServiceImport', 'namespace', namespace)))
    )
  }

  /** Every Service that may be seen, in the order of their keys. */
  all(): ServiceEntry[] {
    return this.#visible([...this.#store.list('Service')].map(keyOf))
  }

  /** Likewise everything that has names in a zone. */
  allIn(zone: string): ServiceEntry[] {
    if (!this.#options.multicluster.has(zone)) return this.all()
    const keys = [...this.#store.list('ServiceImport')].map(keyOf)
    return this.#visible(keys, (key) => this.#import(key))
  }

  /** Entries of the Services with this cluster address. */
  servicesAt(address: string): ServiceEntry[] {
    return this.#visible([...this.#store.lookup('Service', 'clusterIP', address)].map(keyOf))
  }

  /** Entries of the Services with a ready endpoint at this address. */
  servicesWithEndpoint(address: string): ServiceEntry[] {
    if (this.#options.noEndpoints) return []
    const entries = this.#visible(this.#store.endpoints.servicesOf(address))
    return entries.filter((entry) => entry.endpoints.some((target) => target.address === address))
  }

  #visible(keys: Iterable<Key>, entryOf = (key: Key) => this.#entry(key)): ServiceEntry[] {
    const entries: ServiceEntry[] = []
    for (const key of keys) {
      const [namespace = ''] = key.split('/')
      const entry = this.exposed(namespace) ? entryOf(key) : undefined
      if (entry !== undefined) entries.push(entry)
    }
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** True if a pod that has not ended has this address (`pods verified`). */
  podExists(namespace: string, address: string): boolean {
    for (const pod of this.#store.lookup('Pod', 'ip', address)) {
      const { phase } = pod.status
      const ended = phase === 'Succeeded' || phase === 'Failed' || phase === 'Unknown'
      if (pod.metadata.namespace === namespace && !ended && pod.metadata.deletionTimestamp === undefined)
        return true
    }
    return false
  }

  #apply(changes: ChangeSet, onChange: OnChange): void {
    const addresses = new Set<string>()
    if (changes.initial) {
      this.#entries.clear()
      this.#imports.clear()
    }
    for (const [key, { before, after }] of changes.objects('Service')) {
      this.#entries.delete(key)
      for (const service of [before, after]) {
        for (const address of service === undefined ? [] : clusterAddresses(service)) addresses.add(address)
      }
    }
    for (const key of changes.services) this.#entries.delete(key)
    for (const { before, after } of changes.objects('EndpointSlice').values()) {
      for (const slice of [before, after]) {
        for (const endpoint of slice?.endpoints ?? [])
          for (const address of endpoint.addresses) addresses.add(address)
      }
    }
    const imports = this.#options.multicluster.size > 0 ? importsIn(changes) : []
    for (const key of imports) this.#imports.delete(key)
    this.#loaded = true
    this.#serial = Math.floor(Date.now() / 1000)
    const namespaceChanged = changes.objects('Namespace').size > 0
    onChange({
      services: new Set([...changes.services, ...changes.objects('Service').keys(), ...imports]),
      addresses,
      everything: changes.initial || namespaceChanged,
    })
  }
}

/** The ServiceImports that changed, or whose slices did. */
function importsIn(changes: ChangeSet): Set<Key> {
  const keys = new Set(changes.objects('ServiceImport').keys())
  for (const { before, after } of changes.objects('EndpointSlice').values()) {
    for (const slice of [before, after]) {
      const name = slice?.metadata.labels[importNameLabel]
      if (slice !== undefined && name !== undefined) keys.add(keyFrom(slice.metadata.namespace, name))
    }
  }
  return keys
}

function some(objects: Iterable<unknown>): boolean {
  for (const _ of objects) return true
  return false
}
