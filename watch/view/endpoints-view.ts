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

interface Merge {
  /** what was merged: they stand for the outcome where nobody holds it any more */
  readonly slices: readonly EndpointSlice[]
  readonly outcome: WeakRef<ServiceEndpoints>
}

/**
 * The merged endpoints of every Service. Merging waits until somebody asks: doing it on every slice
 * event once took 80 % of kube-proxy's CPU time. What is asked for again without a change in between
 * is the same object, also when slices were rearranged without effect. It lives as long as somebody holds it:
 * those who made something of their own of it would pay for it twice.
 */
export class EndpointsView {
  /** The Services which have an address among their endpoints, ready or not. */
  readonly servicesOf: (address: string) => Iterable<Key>
  readonly #slicesOf: (service: Key) => Iterable<EndpointSlice>
  readonly #nodeName: string | undefined
  readonly #merges = new Map<Key, Merge>()
  /** of the merged ones, those whose slices changed since */
  readonly #dirty = new Set<Key>()

  constructor(options: EndpointsViewOptions) {
    this.#slicesOf = options.slicesOf
    this.servicesOf = options.servicesOf
    this.#nodeName = options.nodeName
  }

  /** The endpoints of a Service ('namespace/name'); no endpoints if nobody knows it. */
  of(service: Key): ServiceEndpoints {
    const last = this.lastMerged(service)
    if (last !== undefined && !this.#dirty.delete(service)) return last
    const slices = [...this.#slicesOf(service)]
    const anew = mergeSlices(slices, this.#nodeName)
    if (anew === noEndpoints) {
      this.#merges.delete(service)
      return anew
    }
    // Most endpoints outlive a change: kept as they are, they need no new memory.
    return this.#keep(service, slices, last === undefined ? anew : carryOver(last, anew))
  }

  /** What `of` last returned, whatever changed since: undefined if never asked. For the store's book-keeping. */
  lastMerged(service: Key): ServiceEndpoints | undefined {
    const merge = this.#merges.get(service)
    if (merge === undefined) return undefined
    return (
      merge.outcome.deref() ?? this.#keep(service, merge.slices, mergeSlices(merge.slices, this.#nodeName))
    )
  }

  /** Says that slices of a Service changed. Called by the store. */
  invalidate(service: Key): void {
    if (this.#merges.has(service)) this.#dirty.add(service)
  }

  #keep(service: Key, slices: readonly EndpointSlice[], outcome: ServiceEndpoints): ServiceEndpoints {
    this.#merges.set(service, { slices, outcome: new WeakRef(outcome) })
    return outcome
  }
}
