import type { TableRef } from './batch.ts'
import type { OwnCommits } from './own-commits.ts'

/**
 * Notices that others changed our table where no notification told so, at a price that does not depend on its size: a chain's
 * use count holds its rules and every element and rule that leads to it.
 */
export class Watchman {
  readonly #commits: OwnCommits
  readonly #table: TableRef
  /** commits of others known of when the table was last trusted */
  #trusted = -1
  /** Per chain: handle, and use count without the elements that lead to it. */
  #chains = new Map<string, { handle: bigint; use: number }>()

  constructor(commits: OwnCommits, table: TableRef) {
    this.#commits = commits
    this.#table = table
  }

  /** Others committed something, anywhere in the namespace, since the table was last trusted. */
  foreignCommits(): boolean {
    return this.#commits.look() !== this.#trusted
  }

  chainsIntact(elementsTo: ReadonlyMap<string, number>): boolean {
    const chains = this.#read(elementsTo)
    if (chains.size !== this.#chains.size) return false
    for (const [name, { handle, use }] of this.#chains) {
      const now = chains.get(name)
      if (now?.handle !== handle || now.use !== use) return false
    }
    return true
  }

  /** Our own commit made or deleted chains. */
  chainsChanged(elementsTo: ReadonlyMap<string, number>): void {
    this.#chains = this.#read(elementsTo)
  }

  /** Everything was just compared; `since` is what `foreign` was before. */
  trust(elementsTo: ReadonlyMap<string, number>, since: number): void {
    this.#trusted = since
    this.chainsChanged(elementsTo)
  }

  #read(elementsTo: ReadonlyMap<string, number>): Map<string, { handle: bigint; use: number }> {
    const chains = new Map<string, { handle: bigint; use: number }>()
    for (const { name, handle, use } of this.#commits.chains(this.#table.family, this.#table.table)) {
      chains.set(name, { handle, use: use - (elementsTo.get(name) ?? 0) })
    }
    return chains
  }
}
