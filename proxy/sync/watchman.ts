import type { TableRef } from './batch.ts'
import type { TableSocket } from './kernel-state.ts'

/**
 * Notices that others changed our table, at a price that does not depend on its size: nf_tables counts the commits of a
 * network namespace, and a chain's use count holds its rules and every element and rule that leads to it.
 */
export class Watchman {
  readonly #socket: TableSocket
  readonly #table: TableRef
  #generation = -1
  #foreign = false
  /** Per chain: handle, and use count without the elements that lead to it. */
  #chains = new Map<string, { handle: bigint; use: number }>()

  constructor(socket: TableSocket, table: TableRef) {
    this.#socket = socket
    this.#table = table
  }

  /** Runs a commit of ours and sees whether others committed since the last look. */
  around(commit: () => void): void {
    const before = this.#socket.generation()
    if (before !== this.#generation) this.#foreign = true
    this.#generation = before
    commit()
    const after = this.#socket.generation()
    if (after !== before + 1) this.#foreign = true
    this.#generation = after
  }

  /** Others committed something, anywhere in the namespace, since the table was last trusted. */
  foreignCommits(): boolean {
    const generation = this.#socket.generation()
    if (generation !== this.#generation) {
      this.#generation = generation
      this.#foreign = true
    }
    return this.#foreign
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

  /** Everything was just compared. */
  trust(elementsTo: ReadonlyMap<string, number>): void {
    this.#foreign = false
    this.chainsChanged(elementsTo)
  }

  #read(elementsTo: ReadonlyMap<string, number>): Map<string, { handle: bigint; use: number }> {
    const chains = new Map<string, { handle: bigint; use: number }>()
    for (const { name, handle, use } of this.#socket.chains(this.#table.family, this.#table.table)) {
      chains.set(name, { handle, use: use - (elementsTo.get(name) ?? 0) })
    }
    return chains
  }
}
