import { NftError, type NftFailure, NftTransaction } from '#netlink'
import { udpFrontendOf } from '../conntrack/touched.ts'
import { chainElements } from '../model/chains.ts'
import type { FrontendKey } from '../model/service-rules.ts'
import type { ElementKey } from '../model/sets.ts'
import type { Ruleset } from '../rules/ruleset.ts'
import { addDeltas, type TableRef } from './batch.ts'
import { ChainStock, sharedAmong } from './chain-stock.ts'
import { readKernelState } from './kernel-state.ts'
import {
  type Change,
  type ElementEntry,
  elementsOf,
  Ledger,
  type ServiceDelta,
  takeFrom,
  targetsOf,
} from './ledger.ts'
import type { OwnCommits } from './own-commits.ts'
import { deleteChains, removeStrangers, type WriteTarget, writeChains, writeTable } from './table-writer.ts'
import { Watchman } from './watchman.ts'

/** Above this many Services in one commit their elements travel together, and are taken apart only if something fails. */
const SEPARATE_LIMIT = 64
/** Codes that say the kernel does not hold what we think it holds: someone else changed our table. */
const DRIFT = new Set(['ENOENT', 'EEXIST'])

/** The start of a delta that no Service stands for. */
const NOBODY: ServiceDelta = { service: '', remove: [], add: [], next: undefined }

/** Why a Service's latest change is not in the kernel. */
export interface Quarantine {
  readonly code: string
  readonly message: string
}

export interface TableSyncOptions {
  readonly table: TableRef
  readonly socket: OwnCommits
  readonly ruleset: Ruleset
  /** Told once for each time the kernel refuses a Service. */
  onQuarantine(service: string, quarantine: Quarantine): void
}

export interface SyncResult {
  /** true: the whole table was compared with the kernel, false: only the changed Services were written */
  readonly full: boolean
  /** element changes sent */
  readonly elements: number
  /** UDP frontends whose entry or endpoints changed */
  readonly udpFrontends: ReadonlySet<FrontendKey>
}

/** Keeps one table equal to what is wanted. All methods are synchronous; a failed one leaves the kernel as it was. */
export class TableSync {
  readonly #options: TableSyncOptions
  readonly #ledger = new Ledger()
  readonly #quarantined = new Map<string, Quarantine>()
  readonly #kept = new Set<string>()
  #ruleset: Ruleset
  readonly #chains = new ChainStock()
  /** The kernel's state is not known (at start, after a failure): compare everything. */
  #inDoubt = true
  readonly #watchman: Watchman

  constructor(options: TableSyncOptions) {
    this.#options = options
    this.#ruleset = options.ruleset
    this.#watchman = new Watchman(options.socket, options.table)
  }

  get ledger(): Ledger {
    return this.#ledger
  }

  get quarantined(): ReadonlyMap<string, Quarantine> {
    return this.#quarantined
  }

  get ruleset(): Ruleset {
    return this.#ruleset
  }

  get #target(): WriteTarget {
    return { table: this.#options.table, ruleset: this.#ruleset }
  }

  /** The rules that do not depend on Services; takes effect with the next sync, which compares everything. */
  setRuleset(ruleset: Ruleset): void {
    this.#ruleset = ruleset
    this.#inDoubt = true
  }

  /** There are no rules for the present version of a Service: what it has stays until it changes. */
  keep(service: string): void {
    this.#kept.add(service)
  }

  /** The next sync compares everything. */
  doubt(): void {
    this.#inDoubt = true
  }

  /** Programs the changes, in one atomic commit; throws what the kernel said if not even the rest could be committed. */
  sync(changes: Iterable<Change>): SyncResult {
    const dirty = this.#ledger.want(changes)
    for (const service of dirty) {
      this.#quarantined.delete(service)
      this.#kept.delete(service)
    }
    if (this.#inDoubt) return this.#compare()
    return this.#commitChanges(dirty) ?? this.#compare()
  }

  /**
   * Whether someone else changed our table, as far as a look at generation and chains tells. `thorough` also compares
   * every element, if anything at all was changed by others.
   */
  audit({ thorough }: { thorough: boolean }): 'untouched' | 'unknown' | 'changed' {
    if (this.#inDoubt || !this.#watchman.foreignCommits()) return 'untouched'
    if (!this.#watchman.chainsIntact()) return 'changed'
    if (!thorough) return 'unknown'
    const { socket, table } = this.#options
    const since = socket.look()
    const kernel = readKernelState(socket, table, this.#ruleset)
    const expected = this.expected()
    if (!kernel.exists || !kernel.compatible || kernel.elements.size !== expected.size) return 'changed'
    for (const [key, data] of expected) if (kernel.elements.get(key) !== data) return 'changed'
    this.#watchman.trust(since)
    return 'untouched'
  }

  /**
   * Puts shared chains that nothing leads to any more out of use, and deletes those which the last call put out of use:
   * before Linux 6.2 a chain stays in use for a while after the element is gone that led to it.
   */
  collectGarbage(): 'done' | 'again' | 'refused' {
    const { table } = this.#options
    const needed = sharedAmong(this.#ledger.chains(), this.#ruleset)
    const unused = this.#chains.reachable.difference(needed)
    if (unused.size === 0 && this.#chains.retired.size === 0) return 'done'
    const transaction = new NftTransaction()
    deleteChains(transaction, table, this.#chains.retired)
    addDeltas(transaction, table, {
      deltas: [],
      leftovers: [...chainElements(unused)],
      separate: false,
    })
    if (this.#commit(transaction) !== undefined) {
      this.doubt()
      return 'refused'
    }
    this.#chains.retireAllBut(needed)
    this.#watchman.chainsChanged()
    return unused.size === 0 ? 'done' : 'again'
  }

  /** Undefined if the kernel does not hold what it should, so that everything must be compared. */
  #commitChanges(dirty: ReadonlySet<string>): SyncResult | undefined {
    let separate = dirty.size <= SEPARATE_LIMIT
    for (;;) {
      const deltas = this.#ledger.plan([...dirty].filter((service) => !this.#quarantined.has(service)))
      if (countElements(deltas) === 0) {
        this.#ledger.accept(deltas)
        return this.#result(deltas, { full: false, leftovers: [] })
      }
      const transaction = new NftTransaction()
      const created = sharedAmong(this.#targets(deltas), this.#ruleset).difference(this.#chains.reachable)
      writeChains(transaction, this.#target, created)
      const leading: ServiceDelta = { ...NOBODY, add: [...chainElements(created)] }
      addDeltas(transaction, this.#options.table, { deltas: [leading, ...deltas], leftovers: [], separate })
      const failures = this.#commit(transaction)
      if (failures === undefined) {
        this.#ledger.accept(deltas)
        if (created.size > 0) {
          this.#chains.made(created)
          this.#watchman.chainsChanged()
        }
        return this.#result(deltas, { full: false, leftovers: [] })
      }
      if (failures.some(({ code }) => DRIFT.has(code))) return undefined
      if (separate) this.#blame(failures, deltas)
      separate = true
    }
  }

  #compare(): SyncResult {
    const { socket, table } = this.#options
    this.#inDoubt = true
    let separate = false
    let fresh = false
    for (;;) {
      const since = socket.look()
      const kernel = readKernelState(socket, table, this.#ruleset)
      if (!kernel.compatible) fresh = true
      const elements = fresh ? new Map<ElementKey, string>() : kernel.elements
      const hold = new Set([...this.#quarantined.keys(), ...this.#kept])
      for (const service of hold) this.#ledger.adopt(service, elements)
      const plan = this.#ledger.planAgainst(elements, hold)
      const planned = plan.deltas
      const transaction = new NftTransaction()
      // Shared chains that are there stay, for packets on the way to them; those out of use are garbage some seconds later.
      const present = fresh ? [] : kernel.chains.keys()
      const chains = sharedAmong([...this.#targets(planned), ...present], this.#ruleset)
      writeTable(transaction, this.#target, { kernel, chains, fresh })
      const rest = new Map(plan.leftovers)
      const own: ServiceDelta = { ...NOBODY, remove: [], add: [] }
      takeFrom(rest, this.#ruleset.elementsWith(chains), own)
      const leftovers = [...rest]
      const deltas = [own, ...planned]
      addDeltas(transaction, table, { deltas, leftovers, separate })
      if (!fresh) removeStrangers(transaction, this.#target, { kernel, chains })
      const failures = this.#commit(transaction)
      if (failures === undefined) {
        this.#ledger.accept(planned)
        this.#chains.reset(chains)
        this.#inDoubt = false
        this.#watchman.trust(since)
        return this.#result(deltas, { full: true, leftovers })
      }
      if (!separate) separate = true
      else if (!fresh && !this.#isBlamable(failures, planned)) fresh = true
      else this.#blame(failures, planned)
    }
  }

  #result(
    deltas: readonly ServiceDelta[],
    { full, leftovers }: { full: boolean; leftovers: readonly ElementEntry[] },
  ): SyncResult {
    const udpFrontends = new Set<FrontendKey>()
    for (const entries of [leftovers, ...deltas.flatMap(({ remove, add }) => [remove, add])]) {
      for (const [key] of entries) {
        const frontend = udpFrontendOf(key, this.#ruleset.family)
        if (frontend !== undefined) udpFrontends.add(frontend)
      }
    }
    return { full, elements: countElements(deltas) + leftovers.length, udpFrontends }
  }

  *#targets(deltas: readonly ServiceDelta[]): Iterable<string> {
    for (const { next } of deltas) if (next !== undefined) yield* targetsOf(next)
    for (const service of [...this.#quarantined.keys(), ...this.#kept]) {
      const kept = this.#ledger.programmed(service)
      if (kept !== undefined) yield* targetsOf(kept)
    }
  }

  /** Commits; undefined if the kernel took it, else what it refused. Other errors are thrown. */
  #commit(transaction: NftTransaction): readonly NftFailure[] | undefined {
    try {
      this.#options.socket.commit(transaction)
      return undefined
    } catch (error) {
      if (error instanceof NftError && error.failures.length > 0) {
        this.#lastError = error
        return error.failures
      }
      this.#inDoubt = true
      throw error
    }
  }

  #lastError: NftError | undefined

  #isBlamable(failures: readonly NftFailure[], deltas: readonly ServiceDelta[]): boolean {
    const services = new Set(deltas.map(({ service }) => service))
    return failures.some(({ subject }) => subject !== undefined && subject !== '' && services.has(subject))
  }

  /** Takes the refused Services out of the running; if there is none to blame, the commit has failed. */
  #blame(failures: readonly NftFailure[], deltas: readonly ServiceDelta[]): void {
    if (!this.#isBlamable(failures, deltas)) {
      this.#inDoubt = true
      throw this.#lastError ?? new Error('nf_tables refused the batch')
    }
    for (const { subject, code, message } of failures) {
      if (subject === undefined || subject === '' || this.#quarantined.has(subject)) continue
      this.#quarantined.set(subject, { code, message })
      this.#options.onQuarantine(subject, { code, message })
    }
  }

  /** Every element that should be in the kernel now. */
  expected(): Map<ElementKey, string> {
    const elements = this.#ledger.expected()
    for (const [key, data] of this.#ruleset.elementsWith(this.#chains.reachable)) elements.set(key, data)
    return elements
  }

  /** Elements of one Service as programmed. */
  programmed(service: string): ElementEntry[] {
    const grant = this.#ledger.programmed(service)
    return grant === undefined ? [] : [...elementsOf(grant)]
  }
}

function countElements(deltas: readonly ServiceDelta[]): number {
  return deltas.reduce((sum, { remove, add }) => sum + remove.length + add.length, 0)
}
