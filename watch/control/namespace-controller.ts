import { type AnyObject, type Kind, kindFacts } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import type { ObjectChange } from '../store/change-set.ts'
import type { Controller, DerivedWriter } from './controller.ts'

/** Creates the Namespaces which objects are in and nobody wrote down, with the label every Namespace has. */
export class NamespaceController implements Controller {
  readonly #members = new Map<string, number>()
  readonly #dirty = new Set<string>()

  note(kind: Kind, key: Key, { before, after }: ObjectChange<AnyObject>): void {
    if (kind === 'Namespace') {
      this.#dirty.add(key)
      return
    }
    if (!kindFacts[kind].namespaced) return
    const namespace = (after ?? before)?.metadata.namespace ?? ''
    const change = (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1)
    if (change === 0) return
    const count = (this.#members.get(namespace) ?? 0) + change
    if (count === 0) this.#members.delete(namespace)
    else this.#members.set(namespace, count)
    this.#dirty.add(namespace)
  }

  settle(writer: DerivedWriter): void {
    for (const name of this.#dirty) {
      if (!this.#members.has(name)) writer.withdraw('Namespace', name)
      else
        writer.derive({
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: {
            namespace: '',
            name,
            uid: `namespace-${name}`,
            resourceVersion: '',
            labels: { 'kubernetes.io/metadata.name': name },
            annotations: {},
          },
          status: { phase: 'Active' },
        })
    }
    this.#dirty.clear()
  }
}
