import type { EndpointSlice } from '../objects/endpoint-slice.ts'
import type { Key } from '../objects/meta.ts'
import { equalValues } from '../store/equal.ts'
import { IndexMap } from '../store/index-map.ts'
import { noEndpoints, type ServiceEndpoints } from './endpoint.ts'
import { mergeSlices } from './merge.ts'

export interface EndpointsViewOptions {
  /** the slices labelled with a Service's name */
  readonly slicesOf: (service: Key) => Iterable<EndpointSlice>
  /** this node: its word wins where slices disagree about one address */
  readonly nodeName?: string | undefined
}

/**
 * The merged endpoints of every Service. Merging waits until somebody asks: doing it on every slice
 * event once took 80 % of kube-proxy's CPU time. What is asked for again without a change in between
 * is the same object, also when slices were rearranged without effect.
 */
export class EndpointsView {
  readonly #slicesOf: (service: Key) => Iterable<EndpointSlice>
  readonly #nodeName: string | undefined
  readonly #merged = new Map<Key, ServiceEndpoints>()
  readonly #dirty = new Set<Key>()
  readonly #byAddress = new IndexMap()

  constructor(options: EndpointsViewOptions) {
    this.#slicesOf = options.slicesOf
    this.#nodeName = options.nodeName
  }

  /** The endpoints of a Service ('namespace/name'); no endpoints if nobody knows it. */
  of(service: Key): ServiceEndpoints {
    if (this.#dirty.has(service)) this.#merge(service)
    return this.#merged.get(service) ?? noEndpoints
  }

  /** The Services which have an address among their endpoints, ready or not. */
  servicesOf(address: string): Iterable<Key> {
    for (const service of this.#dirty) this.#merge(service)
    return this.#byAddress.get(address)
  }

  /** What `of` last returned, without merging: undefined if never asked. For the store's book-keeping. */
  lastMerged(service: Key): ServiceEndpoints | undefined {
    return this.#merged.get(service)
  }

  /** Says that slices of a Service changed. Called by the store. */
  invalidate(service: Key): void {
    this.#dirty.add(service)
  }

  #merge(service: Key): void {
    this.#dirty.delete(service)
    const before = this.#merged.get(service)
    const after = mergeSlices(this.#slicesOf(service), this.#nodeName)
    if (equalValues(before ?? noEndpoints, after)) return
    for (const { address } of before?.addresses ?? []) this.#byAddress.remove(address, service)
    for (const { address } of after.addresses) this.#byAddress.add(address, service)
    if (after === noEndpoints) this.#merged.delete(service)
    else this.#merged.set(service, after)
  }
}
