import type { TableRef } from './batch.ts'
import type { OwnCommits } from './own-commits.ts'

/**
 * Notices that others changed our table's rules where no notification told so, at a price that does not depend on its size:
 * a chain's use count holds its rules, and every rule and element that leads to it.
 */
export class Watchman {
  readonly #commits: OwnCommits
  readonly #table: TableRef
  /** commits of others known of when the table was last trusted */
  #trusted = -1
  #chains = new Map<string, { handle: bigint; use: number }>()

  constructor(commits: OwnCommits, table: TableRef) {
    this.#commits = commits
    this.#table = table
  }

  /** Others committed something, anywhere in the namespace, since the table was last trusted. */
  foreignCommits(): boolean {
    return this.#commits.look() !== this.#trusted
  }

  chainsIntact(): boolean {
    const chains = this.#read()
    if (chains.size !== this.#chains.size) return false
    for (const [name, { handle, use }] of this.#chains) {
      const now = chains.get(name)
      if (now?.handle !== handle || now.use !== use) return false
    }
    return true
  }

  /** Our own commit made or deleted chains. */
  chainsChanged(): void {
    this.#chains = this.#read()
  }

  /** Everything was just compared; `since` is what `foreign` was before. */
  trust(since: number): void {
    this.#trusted = since
    this.chainsChanged()
  }

  #read(): Map<string, { handle: bigint; use: number }> {
    const chains = new Map<string, { handle: bigint; use: number }>()
    for (const { name, handle, use } of this.#commits.chains(this.#table.family, this.#table.table)) {
      chains.set(name, { handle, use })
    }
    return chains
  }
}
