import type { NftElement, NftTransaction } from '#netlink'
import { type SetShape, shapeOf } from '../model/sets.ts'
import { OutgoingElement } from './element-codec.ts'
import type { ElementEntry, ServiceDelta } from './ledger.ts'

export interface TableRef {
  readonly family: 'ip' | 'ip6'
  readonly table: string
}

/** Label in a failure of what no Service stands for. */
export const LEFTOVERS = 'leftovers'

/**
 * Puts the deltas into the transaction: all removals first (a key may pass from one Service to another), then all
 * additions. Elements of one set travel in one message; `label` decides how far: per Service, so that a refusal names
 * its culprit, or together, which is cheaper for a full load.
 */
export function addDeltas(
  transaction: NftTransaction,
  table: TableRef,
  options: { deltas: readonly ServiceDelta[]; leftovers: readonly ElementEntry[]; separate: boolean },
): void {
  const { deltas, leftovers, separate } = options
  const removals = new Grouping()
  removals.add(leftovers, LEFTOVERS)
  const additions = new Grouping()
  for (const delta of deltas) {
    const label = separate ? delta.service : TOGETHER
    removals.add(delta.remove, label)
    additions.add(delta.add, label)
  }
  removals.forEach((shape, elements, subject) => {
    transaction.deleteElements({ ...table, set: shape.name }, elements, subject)
  })
  additions.forEach((shape, elements, subject) => {
    transaction.addElements({ ...table, set: shape.name }, elements, subject)
  })
}

/** Label of messages that carry elements of many Services. */
export const TOGETHER = 'services'

/** Collects elements by label and set. */
class Grouping {
  readonly #groups = new Map<string, Map<string, NftElement[]>>()

  add(entries: readonly ElementEntry[], label: string): void {
    if (entries.length === 0) return
    let bySet = this.#groups.get(label)
    if (bySet === undefined) this.#groups.set(label, (bySet = new Map()))
    for (const [key, data] of entries) {
      const code = key.charAt(0)
      let elements = bySet.get(code)
      if (elements === undefined) bySet.set(code, (elements = []))
      elements.push(new OutgoingElement(shapeOf(key), key, data))
    }
  }

  forEach(visit: (shape: SetShape, elements: NftElement[], label: string) => void): void {
    for (const [label, bySet] of this.#groups) {
      for (const [code, elements] of bySet) visit(shapeOf(code), elements, label)
    }
  }
}
