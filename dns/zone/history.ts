import type { ResourceRecord, SoaRecord } from '../wire/index.ts'
import { recordKey } from './canonical.ts'
import type { Zone } from './zone.ts'

/** What made one version of a zone another one. */
export interface ZoneChange {
  readonly from: SoaRecord
  readonly to: SoaRecord
  /** without SOA */
  readonly removed: readonly ResourceRecord[]
  readonly added: readonly ResourceRecord[]
}

const maxChanges = 20

/** The last changes of a zone, for incremental transfers (RFC 1995). */
export class ZoneHistory {
  #changes: ZoneChange[] = []

  /** Notes what lies between two versions; an equal serial cannot be told apart by anyone, so it ends the history. */
  note(before: Zone | undefined, after: Zone): void {
    if (before === undefined || before.soa.serial === after.soa.serial) {
      this.#changes = []
      return
    }
    const old = index(before)
    const fresh = index(after)
    this.#changes.push({
      from: before.soa,
      to: after.soa,
      removed: [...old].filter(([key]) => !fresh.has(key)).map(([, record]) => record),
      added: [...fresh].filter(([key]) => !old.has(key)).map(([, record]) => record),
    })
    if (this.#changes.length > maxChanges) this.#changes.shift()
  }

  /** The changes since a serial, in order; undefined when it is not known (any more). */
  since(serial: number): readonly ZoneChange[] | undefined {
    const at = this.#changes.findIndex(({ from }) => from.serial === serial)
    return at < 0 ? undefined : this.#changes.slice(at)
  }
}

function index(zone: Zone): Map<string, ResourceRecord> {
  return new Map(
    zone.records.filter((record) => record.kind !== 'soa').map((record) => [recordKey(record), record]),
  )
}

/** True when serial `a` is older than `b` (RFC 1982 §3.2). */
export function isOlder(a: number, b: number): boolean {
  return a !== b && (b - a) >>> 0 < 0x8000_0000
}
