import type { Logger } from 'pino'
import { NetlinkError, type NftMonitorOptions } from '#netlink'
import type { FamilyProxy } from './family-proxy.ts'
import { tableOf } from './table-name.ts'

/** How often a look is taken for what notifications did not tell. */
const AUDIT_PERIOD_MS = 1_000
/** Several commits of a tool that rewrites tables are repaired as one. */
const REPAIR_DELAY_MS = 20
/** A comparison of every element blocks for a while on a large cluster; it may take one part of the time in so many. */
const THOROUGH_RATIO = 500
/** Likewise repairs and looks at what was missed, should somebody fight over our table or flood us. */
const REPAIR_RATIO = 5

export interface TableMonitor {
  unheard<T>(commit: () => T): T
  close(): void
}

export interface TableGuardOptions {
  readonly families: () => readonly FamilyProxy[]
  readonly openMonitor: (handlers: Pick<NftMonitorOptions, 'onChange' | 'onLost'>) => TableMonitor
  /** Commits of others that the monitor may have missed, counted. */
  readonly untold: () => number
  /** Longest time between two looks at everything if others commit anything, in milliseconds. */
  readonly period: number
  /** Runs work that may fail because the kernel refuses; takes care of retrying. */
  readonly guarded: (body: () => void) => void
  readonly log: Logger
}

/**
 * Notices that others changed our tables, and has them repaired: nf_tables tells of each change through its multicast group.
 * Where that can have failed (notifications lost, a foreign commit beside one of ours), chains and elements are looked at.
 */
export class TableGuard {
  readonly #options: TableGuardOptions
  readonly #monitor: TableMonitor | undefined
  readonly #told = new Set<string>()
  /** notifications were lost, or are not to be had */
  #lost = false
  #untold = 0
  #audit: NodeJS.Timeout | undefined
  #repair: NodeJS.Timeout | undefined
  #nextRepair = 0
  #nextLook = 0
  #nextThorough = 0

  constructor(options: TableGuardOptions) {
    this.#options = options
    try {
      this.#monitor = options.openMonitor({
        onChange: ({ family, table }) => this.#changed(`${family} ${table}`),
        onLost: () => {
          this.#lost = true
        },
      })
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error
      options.log.warn(
        { err: error },
        'nf_tables sends no notifications: changes by others are looked for once a second',
      )
    }
  }

  /** Runs a commit of ours, of which the monitor shall not hear. */
  unheard(commit: () => void): void {
    if (this.#monitor === undefined) commit()
    else this.#monitor.unheard(commit)
  }

  start(): void {
    this.#audit = setInterval(() => this.#look(), AUDIT_PERIOD_MS).unref()
  }

  stop(): void {
    clearInterval(this.#audit)
    clearTimeout(this.#repair)
    this.#monitor?.close()
  }

  #changed(table: string): void {
    const ours = this.#options.families().some(({ family }) => nameOf(family) === table)
    if (!ours) return
    this.#told.add(table)
    const wait = Math.max(REPAIR_DELAY_MS, this.#nextRepair - performance.now())
    this.#repair ??= setTimeout(() => this.#repairTold(), wait).unref()
  }

  #repairTold(): void {
    this.#repair = undefined
    const told = new Set(this.#told)
    this.#told.clear()
    const began = performance.now()
    this.#options.guarded(() => {
      for (const family of this.#options.families()) {
        // One that fails is compared as a whole anyway when it is tried again.
        if (told.has(nameOf(family.family)) && family.failure === undefined) family.repair()
      }
    })
    const ended = performance.now()
    this.#nextRepair = ended + (ended - began) * REPAIR_RATIO
  }

  #look(): void {
    const families = this.#options.families()
    if (families.some(({ failure }) => failure !== undefined)) return
    const now = performance.now()
    const untold = this.#options.untold()
    const missed = this.#lost || untold !== this.#untold
    const due = now >= this.#nextThorough
    if (now < this.#nextLook || (!missed && !due && this.#monitor !== undefined)) return
    this.#lost = false
    this.#untold = untold
    this.#options.guarded(() => {
      for (const family of families) family.audit({ thorough: missed || due })
    })
    const cost = performance.now() - now
    this.#nextLook = now + cost * (1 + REPAIR_RATIO)
    if (missed || due) this.#nextThorough = now + Math.max(this.#options.period, cost * THOROUGH_RATIO)
  }
}

function nameOf(family: FamilyProxy['family']): string {
  const { family: name, table } = tableOf(family)
  return `${name} ${table}`
}
