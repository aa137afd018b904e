import { statSync } from 'node:fs'
import type { Logger } from 'pino'
import type { Next, Outcome } from '../../core/plugin.ts'
import { isTransfer, type Query } from '../../core/query.ts'
import { failure } from '../../core/reply.ts'
import { longestZone, Opcode, Rcode } from '../../wire/index.ts'
import { answerFrom } from '../../zone/answer.ts'
import { type ZoneChange, ZoneHistory } from '../../zone/history.ts'
import { readZoneFile } from '../../zone/master-file.ts'
import type { ZoneSource } from '../../zone/source.ts'
import { Zone } from '../../zone/zone.ts'

export interface FileOptions {
  readonly file: string
  readonly zones: readonly string[]
  /** 0: read once */
  readonly reloadMs: number
  /** take a file that has changed even with the serial it had */
  readonly byMtime: boolean
  readonly fallthrough: readonly string[] | undefined
}

/** Serves zones out of one zone file. */
export class FilePlugin implements ZoneSource {
  readonly name = 'file'
  readonly #options: FileOptions
  readonly #log: Logger
  readonly #zones = new Map<string, Zone>()
  readonly #histories = new Map<string, ZoneHistory>()
  #stamp = ''
  #timer: NodeJS.Timeout | undefined
  /** told of zones that have a new serial; for *transfer* */
  onZoneChange: ((zone: string) => void) | undefined

  constructor(options: FileOptions, log: Logger) {
    this.#options = options
    this.#log = log
  }

  /** Throws ZoneError: a zone that cannot be read at the start stops it. */
  start(): void {
    this.#load()
    if (this.#options.reloadMs === 0) return
    this.#timer = setInterval(() => this.#refresh(), this.#options.reloadMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** The zone of this name, for *transfer*. */
  zone(origin: string): Zone | undefined {
    return this.#zones.get(origin)
  }

  changes(origin: string, serial: number): readonly ZoneChange[] | undefined {
    return this.#histories.get(origin)?.since(serial)
  }

  handle(query: Query, next: Next): Outcome {
    const origin = longestZone(query.name, this.#options.zones)
    const zone = origin === undefined ? undefined : this.#zones.get(origin)
    if (zone === undefined || query.opcode === Opcode.NOTIFY) return next(query)
    if (isTransfer(query.type)) return failure(Rcode.REFUSED, this.name)
    return answerFrom(zone, query, next, { plugin: this.name, fallthrough: this.#options.fallthrough })
  }

  #load(): void {
    const { file, zones, byMtime } = this.#options
    const { mtimeMs, size, ino } = statSync(file)
    const stamp = `${mtimeMs} ${size} ${ino}`
    if (stamp === this.#stamp) return
    const fresh = zones.map((origin) => new Zone(origin, readZoneFile(file, origin)))
    this.#stamp = stamp
    for (const zone of fresh) {
      const before = this.#zones.get(zone.origin)
      if (!byMtime && before?.soa.serial === zone.soa.serial) continue
      const history = this.#histories.get(zone.origin) ?? new ZoneHistory()
      history.note(before, zone)
      this.#histories.set(zone.origin, history)
      this.#zones.set(zone.origin, zone)
      this.#log.info({ object: `zone ${zone.origin}`, serial: zone.soa.serial, file }, 'zone read')
      this.onZoneChange?.(zone.origin)
    }
  }

  /** A file that has become wrong leaves the zone as it was. */
  #refresh(): void {
    try {
      this.#load()
    } catch (error) {
      this.#log.error(
        { object: this.#options.file, err: error },
        'the zone file cannot be read; the zone stays as it was',
      )
    }
  }
}
