import type { NftTransaction } from '#netlink'
import type { TableSocket } from './kernel-state.ts'

/** Runs a commit of ours so that the monitor of nf_tables is not told of it. */
export type Unheard = (commit: () => void) => void

/**
 * The connection to nf_tables that all families share, which tells our commits from those of others: nf_tables counts the
 * commits of a network namespace.
 */
export class OwnCommits implements TableSocket {
  readonly #socket: TableSocket
  readonly #unheard: Unheard
  #generation = -1
  #foreign = 0
  #untold = 0

  constructor(socket: TableSocket, unheard: Unheard) {
    this.#socket = socket
    this.#unheard = unheard
  }

  /** Moments at which others were seen to have committed something, anywhere in the namespace. */
  get foreign(): number {
    return this.#foreign
  }

  /** Those of them that fell together with a commit of ours, so that the monitor may have missed them. */
  get untold(): number {
    return this.#untold
  }

  commit(transaction: NftTransaction): void {
    this.look()
    const before = this.#generation
    this.#unheard(() => this.#socket.commit(transaction))
    this.#generation = this.#socket.generation()
    if (this.#generation === before + 1 || (transaction.empty && this.#generation === before)) return
    this.#foreign++
    this.#untold++
  }

  /** Looks whether others committed; returns `foreign`. */
  look(): number {
    const generation = this.#socket.generation()
    if (generation !== this.#generation) {
      this.#generation = generation
      this.#foreign++
    }
    return this.#foreign
  }

  tables(): ReturnType<TableSocket['tables']> {
    return this.#socket.tables()
  }

  chains(...about: Parameters<TableSocket['chains']>): ReturnType<TableSocket['chains']> {
    return this.#socket.chains(...about)
  }

  sets(...about: Parameters<TableSocket['sets']>): ReturnType<TableSocket['sets']> {
    return this.#socket.sets(...about)
  }

  packedElements(...about: Parameters<TableSocket['packedElements']>): void {
    this.#socket.packedElements(...about)
  }

  generation(): number {
    return this.#socket.generation()
  }

  close(): void {
    this.#socket.close()
  }
}
