import type { FrontendKey, ServiceRules } from '../model/service-rules.ts'
import type { ElementData, ElementKey, Elements } from '../model/sets.ts'
import { rulesInKernel } from './adoption.ts'
import { Claims } from './claims.ts'

/** What a Service gets of what it wants: everything but the frontends another Service owns. */
export interface Grant {
  readonly rules: ServiceRules
  readonly denied: ReadonlySet<FrontendKey>
}

export interface Change {
  readonly service: string
  /** undefined: the Service is gone */
  readonly rules: ServiceRules | undefined
  /** creationTimestamp, the rank between Services that want the same frontend */
  readonly created: string
}

export type ElementEntry = [ElementKey, ElementData]

/** Element changes on behalf of one Service. A changed value is in both lists. */
export interface ServiceDelta {
  readonly service: string
  readonly remove: ElementEntry[]
  readonly add: ElementEntry[]
  /** what is programmed once this is committed */
  readonly next: Grant | undefined
}

const NOTHING_DENIED: ReadonlySet<FrontendKey> = new Set()

/**
 * What is wanted and what is programmed in one table, per Service. Planning changes nothing but the claims; `accept` records
 * what the kernel has taken.
 */
export class Ledger {
  readonly #claims = new Claims()
  readonly #wanted = new Map<string, ServiceRules>()
  readonly #programmed = new Map<string, Grant>()
  readonly #sharedUse = new Map<ElementKey, number>()
  readonly #chainUse = new Map<string, number>()

  /** Takes note of new desires; returns the Services to plan for: those changed and those whose claims moved by it. */
  want(changes: Iterable<Change>): Set<string> {
    const dirty = new Set<string>()
    for (const { service, rules, created } of changes) {
      dirty.add(service)
      const keys = rules === undefined ? [] : [...rules.frontends.keys()]
      for (const other of this.#claims.update(service, keys, created)) dirty.add(other)
      if (rules === undefined || isEmpty(rules)) this.#wanted.delete(service)
      else this.#wanted.set(service, rules)
    }
    return dirty
  }

  services(): Iterable<string> {
    return this.#wanted.keys()
  }

  programmed(service: string): Grant | undefined {
    return this.#programmed.get(service)
  }

  ownerOf(frontend: FrontendKey): string | undefined {
    return this.#claims.ownerOf(frontend)
  }

  /** The chain which a programmed frontend leads to. */
  targetOf(frontend: FrontendKey): string | undefined {
    const owner = this.#claims.ownerOf(frontend)
    return owner === undefined ? undefined : this.#programmed.get(owner)?.rules.targets.get(frontend)
  }

  /** What is programmed for a frontend, whoever has it. */
  elementsAt(frontend: FrontendKey): Elements | undefined {
    const owner = this.#claims.ownerOf(frontend)
    return owner === undefined ? undefined : granted(this.#programmed.get(owner), frontend)
  }

  /** The Services that own frontends which this one wants too. */
  rivalsOf(service: string): string[] {
    const frontends = this.#wanted.get(service)?.frontends.keys() ?? []
    const owners = [...frontends].map((frontend) => this.#claims.ownerOf(frontend))
    return owners.filter((owner) => owner !== undefined).filter((owner) => owner !== service)
  }

  grant(service: string): Grant | undefined {
    const rules = this.#wanted.get(service)
    if (rules === undefined) return undefined
    let denied: Set<FrontendKey> | undefined
    for (const frontend of rules.frontends.keys()) {
      if (!this.#claims.owns(service, frontend)) (denied ??= new Set()).add(frontend)
    }
    return { rules, denied: denied ?? NOTHING_DENIED }
  }

  /** From programmed to wanted for the given Services; those without a difference are left out. */
  plan(services: Iterable<string>): ServiceDelta[] {
    const use = new Map<ElementKey, number>()
    const deltas: ServiceDelta[] = []
    for (const service of services) {
      const before = this.#programmed.get(service)
      const next = this.grant(service)
      const delta: ServiceDelta = { service, remove: [], add: [], next }
      diffFrontends(before, next, delta)
      this.#diffShared(before, next, { delta, use })
      if (delta.remove.length + delta.add.length > 0 || before?.rules !== next?.rules) deltas.push(delta)
    }
    return deltas
  }

  /**
   * Takes what the kernel shows of a Service for programmed, if nothing of it is known: an earlier proxy left it there, and its
   * present version cannot be programmed.
   */
  adopt(service: string, kernel: Elements): void {
    if (this.#programmed.has(service)) return
    const isFree = (frontend: FrontendKey): boolean =>
      [undefined, service].includes(this.#claims.ownerOf(frontend))
    const rules = rulesInKernel(service, kernel, isFree)
    if (rules === undefined) return
    const next = { rules, denied: NOTHING_DENIED }
    this.accept([{ service, remove: [], add: [], next }])
  }

  /**
   * From what the kernel shows to wanted, for all Services. Elements nobody wants are `leftovers`. Services on `hold` keep
   * what they have in the kernel and get nothing new. Empties `kernel`.
   */
  planAgainst(
    kernel: Elements,
    hold: ReadonlySet<string>,
  ): { deltas: ServiceDelta[]; leftovers: ElementEntry[] } {
    const deltas: ServiceDelta[] = []
    // What is in `kernel` in the end is a leftover.
    const taken = new Set<ElementKey>()
    for (const service of hold) {
      const grant = this.#programmed.get(service)
      for (const [key, data] of grant === undefined ? [] : elementsOf(grant)) {
        if (kernel.get(key) !== data) continue
        taken.add(key)
        kernel.delete(key)
      }
    }
    for (const service of new Set([...this.#wanted.keys(), ...this.#programmed.keys()])) {
      if (hold.has(service)) continue
      const delta: ServiceDelta = { service, remove: [], add: [], next: this.grant(service) }
      deltas.push(delta)
      const { next } = delta
      if (next === undefined) continue
      for (const [frontend, elements] of next.rules.frontends) {
        if (!next.denied.has(frontend)) takeFrom(kernel, elements, delta)
      }
      for (const entry of next.rules.shared) {
        const [key] = entry
        // Several Services may want it; a held one may have kept it.
        if (taken.has(key)) continue
        taken.add(key)
        takeFrom(kernel, [entry], delta)
      }
    }
    return { deltas, leftovers: [...kernel] }
  }

  /** Chains which programmed elements lead to. */
  chains(): Iterable<string> {
    return this.#chainUse.keys()
  }

  accept(deltas: Iterable<ServiceDelta>): void {
    for (const { service, next } of deltas) {
      const before = this.#programmed.get(service)
      this.#countShared(before, -1)
      this.#countShared(next, 1)
      this.#countChains(before, -1)
      this.#countChains(next, 1)
      if (next === undefined) this.#programmed.delete(service)
      else this.#programmed.set(service, next)
    }
  }

  /** Everything programmed, element by element: what a dump of the kernel must show. */
  expected(): Elements {
    const elements: Elements = new Map()
    for (const grant of this.#programmed.values()) {
      for (const [key, data] of elementsOf(grant)) elements.set(key, data)
    }
    return elements
  }

  #diffShared(
    before: Grant | undefined,
    next: Grant | undefined,
    { delta, use }: { delta: ServiceDelta; use: Map<ElementKey, number> },
  ): void {
    const usedBy = (key: ElementKey) => use.get(key) ?? this.#sharedUse.get(key) ?? 0
    for (const [key, data] of before?.rules.shared ?? []) {
      if (next?.rules.shared.has(key)) continue
      const left = usedBy(key) - 1
      use.set(key, left)
      if (left === 0) delta.remove.push([key, data])
    }
    for (const [key, data] of next?.rules.shared ?? []) {
      if (before?.rules.shared.has(key)) continue
      const now = usedBy(key) + 1
      use.set(key, now)
      if (now === 1) delta.add.push([key, data])
    }
  }

  #countChains(grant: Grant | undefined, step: 1 | -1): void {
    for (const chain of grant === undefined ? [] : targetsOf(grant)) {
      const count = (this.#chainUse.get(chain) ?? 0) + step
      if (count === 0) this.#chainUse.delete(chain)
      else this.#chainUse.set(chain, count)
    }
  }

  #countShared(grant: Grant | undefined, step: 1 | -1): void {
    for (const key of grant?.rules.shared.keys() ?? []) {
      const count = (this.#sharedUse.get(key) ?? 0) + step
      if (count === 0) this.#sharedUse.delete(key)
      else this.#sharedUse.set(key, count)
    }
  }
}

/** The chains which the frontends of a grant lead to, once for each of them. */
export function* targetsOf(grant: Grant): Iterable<string> {
  for (const [frontend, target] of grant.rules.targets) if (!grant.denied.has(frontend)) yield target
}

/** Compares wanted elements with those in the kernel, takes them out there, and notes what differs. */
export function takeFrom(
  kernel: Elements,
  wanted: Iterable<ElementEntry>,
  delta: Pick<ServiceDelta, 'remove' | 'add'>,
): void {
  for (const entry of wanted) {
    const [key, data] = entry
    const present = kernel.get(key)
    if (present !== undefined) kernel.delete(key)
    if (present === data) continue
    if (present !== undefined) delta.remove.push([key, present])
    delta.add.push(entry)
  }
}

/** All elements a grant stands for. */
export function* elementsOf(grant: Grant): Iterable<ElementEntry> {
  for (const [frontend, elements] of grant.rules.frontends) {
    if (!grant.denied.has(frontend)) yield* elements
  }
  yield* grant.rules.shared
}

function granted(grant: Grant | undefined, frontend: FrontendKey): Elements | undefined {
  return grant === undefined || grant.denied.has(frontend) ? undefined : grant.rules.frontends.get(frontend)
}

function diffFrontends(before: Grant | undefined, next: Grant | undefined, delta: ServiceDelta): void {
  for (const frontend of before?.rules.frontends.keys() ?? []) {
    const old = granted(before, frontend)
    if (old === undefined) continue
    const now = granted(next, frontend)
    for (const [key, data] of old) if (now?.get(key) !== data) delta.remove.push([key, data])
  }
  for (const frontend of next?.rules.frontends.keys() ?? []) {
    const now = granted(next, frontend)
    if (now === undefined) continue
    const old = granted(before, frontend)
    for (const [key, data] of now) if (old?.get(key) !== data) delta.add.push([key, data])
  }
}

function isEmpty(rules: ServiceRules): boolean {
  return rules.frontends.size === 0 && rules.shared.size === 0
}
