import type { Ruleset } from '../rules/ruleset.ts'

/** The shared chains in the kernel: those that can be reached, and those put out of use which are still to be deleted. */
export class ChainStock {
  #reachable: ReadonlySet<string> = new Set()
  #retired: ReadonlySet<string> = new Set()

  get reachable(): ReadonlySet<string> {
    return this.#reachable
  }

  get retired(): ReadonlySet<string> {
    return this.#retired
  }

  /** These are all there are. */
  reset(reachable: ReadonlySet<string>): void {
    this.#reachable = reachable
    this.#retired = new Set()
  }

  /** These have been made, or taken into use again. */
  made(chains: Iterable<string>): void {
    const made = new Set(chains)
    this.#reachable = this.#reachable.union(made)
    this.#retired = this.#retired.difference(made)
  }

  /** The retired are gone, and all but the needed have been put out of use. */
  retireAllBut(needed: ReadonlySet<string>): void {
    this.#retired = this.#reachable.difference(needed)
    this.#reachable = this.#reachable.intersection(needed)
  }
}

/** Of these chains the shared ones, and the shared ones that they lead to. */
export function sharedAmong(names: Iterable<string>, ruleset: Ruleset): Set<string> {
  const shared = new Set<string>()
  for (const name of names) {
    if (!ruleset.isShared(name)) continue
    shared.add(name)
    for (const behind of ruleset.chainsBehind(name)) shared.add(behind)
  }
  return shared
}
