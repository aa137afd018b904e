import type { EndpointSlice } from '../objects/endpoint-slice.ts'
import type { Key } from '../objects/meta.ts'
import { carryOver, noEndpoints, type ServiceEndpoints } from './endpoint.ts'
import { mergeSlices } from './merge.ts'

export interface EndpointsViewOptions {
  /** the slices labelled with a Service's name */
  readonly slicesOf: (service: Key) => Iterable<EndpointSlice>
  /** the Services of slices that have an address */
  readonly servicesOf: (address: string) => Iterable<Key>
  /** this node: its word wins where slices disagree about one address */
  readonly nodeName?: string | undefined
}

/**
 * The merged endpoints of every Service. Merging waits until somebody asks: doing it on every slice
 * event once took 80 % of kube-proxy's CPU time. What is asked for again without a change in between
 * is the same object, also when slices were rearranged without effect.
 */
export class EndpointsView {
  /** The Services which have an address among their endpoints, ready or not. */
  readonly servicesOf: (address: string) => Iterable<Key>
  readonly #slicesOf: (service: Key) => Iterable<EndpointSlice>
  readonly #nodeName: string | undefined
  readonly #merged = new Map<Key, ServiceEndpoints>()
  /** of the merged ones, those whose slices changed since */
  readonly #dirty = new Set<Key>()

  constructor(options: EndpointsViewOptions) {
    this.#slicesOf = options.slicesOf
    this.servicesOf = options.servicesOf
    this.#nodeName = options.nodeName
  }

  /** The endpoints of a Service ('namespace/name'); no endpoints if nobody knows it. */
  of(service: Key): ServiceEndpoints {
    const known = this.#merged.get(service)
    if (known !== undefined && !this.#dirty.delete(service)) return known
    const anew = mergeSlices(this.#slicesOf(service), this.#nodeName)
    // Most endpoints outlive a change: kept as they are, they need no new memory.
    const merged = known === undefined || anew === noEndpoints ? anew : carryOver(known, anew)
    if (merged === noEndpoints) this.#merged.delete(service)
    else this.#merged.set(service, merged)
    return merged
  }

  /** What `of` last returned, without merging: undefined if never asked. For the store's book-keeping. */
  lastMerged(service: Key): ServiceEndpoints | undefined {
    return this.#merged.get(service)
  }

  /** Says that slices of a Service changed. Called by the store. */
  invalidate(service: Key): void {
    if (this.#merged.has(service)) this.#dirty.add(service)
  }
}
