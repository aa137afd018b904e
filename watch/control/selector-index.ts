import { type Key, keyOf, type StringMap } from '../objects/meta.ts'
import type { Pod } from '../objects/pod.ts'
import type { Service } from '../objects/service.ts'
import { IndexMap } from '../store/index-map.ts'

/** True if labels satisfy an equality selector; an empty selector selects nothing (Services). */
export function selects(selector: StringMap, labels: StringMap): boolean {
  let any = false
  for (const name in selector) {
    if (labels[name] !== selector[name]) return false
    any = true
  }
  return any
}

/**
 * Finds the Pods of a Service and the Services of a Pod without looking at all of them: Pods are
 * indexed under each of their labels, a Service under one pair of its selector.
 */
export class SelectorIndex {
  readonly #podsByLabel = new IndexMap()
  readonly #servicesByLabel = new IndexMap()
  readonly #pods: (key: Key) => Pod | undefined
  readonly #services: (key: Key) => Service | undefined

  constructor(options: {
    readonly pod: (key: Key) => Pod | undefined
    readonly service: (key: Key) => Service | undefined
  }) {
    this.#pods = options.pod
    this.#services = options.service
  }

  notePod(before: Pod | undefined, after: Pod | undefined): void {
    if (before !== undefined)
      for (const term of terms(before.metadata.namespace, before.metadata.labels))
        this.#podsByLabel.remove(term, keyOf(before))
    if (after !== undefined)
      for (const term of terms(after.metadata.namespace, after.metadata.labels))
        this.#podsByLabel.add(term, keyOf(after))
  }

  noteService(before: Service | undefined, after: Service | undefined): void {
    const first = (service: Service): string | undefined =>
      terms(service.metadata.namespace, service.spec.selector).next().value
    const old = before === undefined ? undefined : first(before)
    if (before !== undefined && old !== undefined) this.#servicesByLabel.remove(old, keyOf(before))
    const now = after === undefined ? undefined : first(after)
    if (after !== undefined && now !== undefined) this.#servicesByLabel.add(now, keyOf(after))
  }

  *podsOf(service: Service): Generator<Pod> {
    let rarest: string | undefined
    for (const term of terms(service.metadata.namespace, service.spec.selector)) {
      if (rarest === undefined || this.#podsByLabel.count(term) < this.#podsByLabel.count(rarest))
        rarest = term
    }
    if (rarest === undefined) return
    for (const key of this.#podsByLabel.get(rarest)) {
      const pod = this.#pods(key)
      if (pod !== undefined && selects(service.spec.selector, pod.metadata.labels)) yield pod
    }
  }

  *servicesOf(pod: Pod): Generator<Key> {
    for (const term of terms(pod.metadata.namespace, pod.metadata.labels)) {
      for (const key of this.#servicesByLabel.get(term)) {
        const service = this.#services(key)
        if (service !== undefined && selects(service.spec.selector, pod.metadata.labels)) yield key
      }
    }
  }
}

function* terms(namespace: string, labels: StringMap): Generator<string> {
  for (const name in labels) yield `${namespace}\n${name}\n${labels[name]}`
}
