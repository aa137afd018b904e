import type { ResourceRecord, SoaRecord } from '../wire/index.ts'
import { ZoneError } from './errors.ts'

interface Change {
  readonly removed: ResourceRecord[]
  readonly added: ResourceRecord[]
}

/**
 * Reads the records of a transfer as they come. The second record tells a whole zone (no SOA) from changes (an SOA); both
 * end with the new SOA (RFC 5936 §2.2, RFC 1995 §4).
 */
export class TransferReader {
  readonly #have: number | undefined
  #first: SoaRecord | undefined
  #mode: 'start' | 'second' | 'whole' | 'removed' | 'added' | 'done' = 'start'
  readonly #whole: ResourceRecord[] = []
  readonly changes: Change[] = []
  /** the primary has what we have */
  current = false

  /** `have`: the serial that an incremental transfer starts from. */
  constructor(have: number | undefined) {
    this.#have = have
  }

  /** True when the transfer is complete. Throws ZoneError. */
  take(records: readonly ResourceRecord[]): boolean {
    for (const record of records) {
      if (this.#mode === 'done') break
      this.#next(record)
    }
    if (this.#mode === 'start') throw new ZoneError('the transfer does not begin with an SOA')
    if (this.#mode === 'second' && this.#first?.serial === this.#have) {
      this.current = true
      return true
    }
    return this.#mode === 'done'
  }

  soa(): SoaRecord {
    if (this.#first === undefined) throw new ZoneError('the transfer has no SOA')
    return this.#first
  }

  /** The whole zone, with its SOA. */
  records(): ResourceRecord[] {
    return [this.soa(), ...this.#whole]
  }

  #next(record: ResourceRecord): void {
    const soa = record.kind === 'soa' ? record : undefined
    const last = soa !== undefined && soa.serial === this.#first?.serial
    const change = this.changes.at(-1)
    switch (this.#mode) {
      case 'start':
        if (soa === undefined) throw new ZoneError('the transfer does not begin with an SOA')
        this.#first = soa
        this.#mode = 'second'
        return
      case 'second':
        if (soa === undefined) {
          this.#mode = 'whole'
          this.#whole.push(record)
        } else if (last) this.#mode = 'done'
        else this.#begin()
        return
      case 'whole':
        if (soa === undefined) this.#whole.push(record)
        else this.#mode = 'done'
        return
      case 'removed':
        if (soa === undefined) change?.removed.push(record)
        else this.#mode = 'added'
        return
      case 'added':
        if (soa === undefined) change?.added.push(record)
        else if (last) this.#mode = 'done'
        else this.#begin()
        return
      case 'done':
    }
  }

  #begin(): void {
    this.#mode = 'removed'
    this.changes.push({ removed: [], added: [] })
  }
}
