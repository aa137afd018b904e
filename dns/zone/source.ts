import type { Plugin } from '../core/plugin.ts'
import type { ResourceRecord, SoaRecord } from '../wire/index.ts'
import type { ZoneChange } from './history.ts'

/** A zone as it is given away. */
export interface WholeZone {
  readonly origin: string
  readonly soa: SoaRecord
  /** with the SOA */
  readonly records: readonly ResourceRecord[]
}

/** A plugin that has whole zones, for *transfer*. */
export interface ZoneSource extends Plugin {
  zone(origin: string): WholeZone | undefined
  /** the changes since a serial, where they are known */
  changes?(origin: string, serial: number): readonly ZoneChange[] | undefined
  /** set by *transfer*: called when a zone has a new serial */
  onZoneChange: ((zone: string) => void) | undefined
}

export function isZoneSource(plugin: Plugin): plugin is ZoneSource {
  return 'zone' in plugin && typeof plugin.zone === 'function'
}
