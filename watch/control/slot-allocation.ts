import { createHash } from 'node:crypto'

/**
 * Gives numbered slots to keys so that the outcome depends on the set of keys and reservations alone,
 * never on the order in which they came: every process that sees the same set agrees. A key prefers
 * its hash's slot, then those after it; of two that want one slot the smaller key has it (the
 * key-optimal stable matching, which is unique). Whoever sits in its first choice can only be moved by
 * a smaller key or a reservation, so few keys ever have to be looked at.
 */
export class SlotAllocation {
  readonly #size: number
  readonly #held = new Map<string, number>()
  readonly #holders = new Map<number, string>()
  readonly #reserved = new Map<number, number>()
  /** not in their first choice: a slot that gets free may be a better one */
  readonly #displaced = new Set<string>()
  readonly #pending = new Set<string>()
  #moved = new Set<string>()
  /** a slot got free since the last settling */
  #freed = false

  constructor(size: number) {
    this.#size = size
  }

  /** Takes a slot out of play, as often as it is reserved. */
  reserve(slot: number): void {
    this.#reserved.set(slot, (this.#reserved.get(slot) ?? 0) + 1)
    const holder = this.#holders.get(slot)
    if (holder === undefined) return
    this.#vacate(holder)
    this.#pending.add(holder)
  }

  unreserve(slot: number): void {
    const count = (this.#reserved.get(slot) ?? 0) - 1
    if (count > 0) this.#reserved.set(slot, count)
    else {
      this.#reserved.delete(slot)
      this.#freed = true
    }
  }

  request(key: string): void {
    if (!this.#held.has(key)) this.#pending.add(key)
  }

  drop(key: string): void {
    this.#pending.delete(key)
    if (this.#held.has(key)) this.#freed = true
    this.#vacate(key)
  }

  slotOf(key: string): number | undefined {
    return this.#held.get(key)
  }

  /** Brings all requests to their slots; returns the keys that could not have one. */
  settle(): string[] {
    if (this.#freed) {
      for (const key of [...this.#displaced]) {
        this.#vacate(key)
        this.#pending.add(key)
      }
      this.#freed = false
    }
    const pending = [...this.#pending]
    this.#pending.clear()
    for (const key of pending) {
      const unlucky = this.#place(key)
      if (unlucky !== undefined) this.#pending.add(unlucky)
    }
    return [...this.#pending]
  }

  /** Keys whose slot may have changed since the last call. */
  takeMoved(): ReadonlySet<string> {
    const moved = this.#moved
    this.#moved = new Set()
    return moved
  }

  /** Places a key and those it pushes on; returns the one that is left over, if any. */
  #place(first: string): string | undefined {
    let key = first
    for (;;) {
      const slot = this.#seek(key)
      if (slot === undefined) return key
      const evicted = this.#holders.get(slot)
      if (evicted !== undefined) this.#vacate(evicted)
      this.#held.set(key, slot)
      this.#holders.set(slot, key)
      this.#moved.add(key)
      if (slot !== this.#home(key)) this.#displaced.add(key)
      if (evicted === undefined) return undefined
      key = evicted
    }
  }

  #seek(key: string): number | undefined {
    const home = this.#home(key)
    for (let step = 0; step < this.#size; step++) {
      const slot = (home + step) % this.#size
      if (this.#reserved.has(slot)) continue
      const holder = this.#holders.get(slot)
      if (holder === undefined || key < holder) return slot
    }
    return undefined
  }

  #home(key: string): number {
    return createHash('sha256').update(key).digest().readUIntBE(0, 6) % this.#size
  }

  #vacate(key: string): void {
    const slot = this.#held.get(key)
    if (slot === undefined) return
    this.#held.delete(key)
    this.#holders.delete(slot)
    this.#displaced.delete(key)
    this.#moved.add(key)
  }
}
