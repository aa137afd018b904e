import { type EndpointSlice, serviceNameLabel } from '../objects/endpoint-slice.ts'
import type { AnyObject, Kind, KindMap } from '../objects/kinds.ts'
import { type Key, keyFrom, keyOf } from '../objects/meta.ts'
import type { Node } from '../objects/node.ts'
import type { Pod } from '../objects/pod.ts'
import type { Service } from '../objects/service.ts'
import type { ObjectChange } from '../store/change-set.ts'
import { IndexMap } from '../store/index-map.ts'
import type { Controller, DerivedWriter } from './controller.ts'
import { isMirrored, slicesFromEndpoints } from './mirror.ts'
import { selectsPods, slicesFromPods } from './pod-endpoints.ts'
import { SelectorIndex } from './selector-index.ts'

const zoneLabel = 'topology.kubernetes.io/zone'

/** What the controller reads. */
export interface SliceControllerReader {
  get<K extends Kind>(kind: K, key: Key): KindMap[K] | undefined
}

/**
 * Makes EndpointSlices for Services that have none of their own: from Endpoints of the same name, else
 * from the Pods the selector picks. A changed Pod touches the Services that select its old or new
 * labels, a Node whose zone changed those with Pods on it, and nothing else.
 */
export class SliceController implements Controller {
  readonly #reader: SliceControllerReader
  readonly #index: SelectorIndex
  /** slices the source has, by Service */
  readonly #own = new IndexMap()
  /** slices made here, by Service */
  readonly #made = new Map<Key, Map<Key, EndpointSlice>>()
  readonly #podsByNode = new IndexMap()
  readonly #dirty = new Set<Key>()

  constructor(reader: SliceControllerReader) {
    this.#reader = reader
    this.#index = new SelectorIndex({
      pod: (key) => reader.get('Pod', key),
      service: (key) => reader.get('Service', key),
    })
  }

  note(kind: Kind, key: Key, { before, after }: ObjectChange<AnyObject>, derived: boolean): void {
    if (kind === 'Pod') this.#notePod(before as Pod | undefined, after as Pod | undefined)
    else if (kind === 'Service') {
      this.#index.noteService(before as Service | undefined, after as Service | undefined)
      this.#dirty.add(key)
    } else if (kind === 'Endpoints') this.#dirty.add(key)
    else if (kind === 'Node') this.#noteNode(before as Node | undefined, after as Node | undefined)
    else if (kind === 'EndpointSlice' && !derived) {
      this.#noteSlice(key, before as EndpointSlice | undefined, after as EndpointSlice | undefined)
    }
  }

  settle(writer: DerivedWriter): void {
    for (const key of this.#dirty) {
      const before = this.#made.get(key)
      const after = new Map(this.#slicesOf(key).map((slice) => [keyOf(slice), slice]))
      for (const slice of before?.keys() ?? []) if (!after.has(slice)) writer.withdraw('EndpointSlice', slice)
      for (const slice of after.values()) writer.derive(slice)
      if (after.size === 0) this.#made.delete(key)
      else this.#made.set(key, after)
    }
    this.#dirty.clear()
  }

  #slicesOf(key: Key): EndpointSlice[] {
    const service = this.#reader.get('Service', key)
    if (service === undefined || service.spec.type === 'ExternalName' || this.#own.count(key) > 0) return []
    const endpoints = this.#reader.get('Endpoints', key)
    if (endpoints !== undefined && isMirrored(endpoints)) return slicesFromEndpoints(service, endpoints)
    if (!selectsPods(service)) return []
    return slicesFromPods(service, this.#index.podsOf(service), (node) => this.#zoneOf(node))
  }

  #zoneOf(nodeName: string): string | undefined {
    return this.#reader.get('Node', nodeName)?.metadata.labels[zoneLabel]
  }

  #notePod(before: Pod | undefined, after: Pod | undefined): void {
    this.#index.notePod(before, after)
    for (const pod of [before, after]) {
      if (pod === undefined) continue
      for (const service of this.#index.servicesOf(pod)) this.#dirty.add(service)
    }
    if (before !== undefined) this.#podsByNode.remove(before.spec.nodeName, keyOf(before))
    if (after !== undefined) this.#podsByNode.add(after.spec.nodeName, keyOf(after))
  }

  #noteNode(before: Node | undefined, after: Node | undefined): void {
    if (before?.metadata.labels[zoneLabel] === after?.metadata.labels[zoneLabel]) return
    const name = (after ?? before)?.metadata.name
    for (const key of name === undefined ? [] : this.#podsByNode.get(name)) {
      const pod = this.#reader.get('Pod', key)
      if (pod === undefined) continue
      for (const service of this.#index.servicesOf(pod)) this.#dirty.add(service)
    }
  }

  #noteSlice(key: Key, before: EndpointSlice | undefined, after: EndpointSlice | undefined): void {
    const ownerOf = (slice: EndpointSlice | undefined): Key | undefined => {
      const name = slice?.metadata.labels[serviceNameLabel]
      return slice === undefined || name === undefined ? undefined : keyFrom(slice.metadata.namespace, name)
    }
    const old = ownerOf(before)
    const now = ownerOf(after)
    if (old !== undefined) {
      this.#own.remove(old, key)
      this.#dirty.add(old)
    }
    if (now !== undefined) {
      this.#own.add(now, key)
      this.#dirty.add(now)
    }
  }
}
