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

/** a file that is not there yet is looked for at least this often */
const waitMs = 1000

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

  /**
   * Throws ZoneError: a zone that cannot be read at the start stops it. A file that is not there may still come (from
   * *sign*, or from outside), if it is looked for again.
   */
  start(): void {
    const { file, reloadMs } = this.#options
    const missing = statSync(file, { throwIfNoEntry: false }) === undefined
    if (missing && reloadMs > 0) this.#log.warn({ object: file }, 'the zone file is not there yet')
    else this.#load()
    if (reloadMs > 0) this.#schedule()
  }

  #schedule(): void {
    const { reloadMs } = this.#options
    const wait = this.#zones.size > 0 ? reloadMs : Math.min(reloadMs, waitMs)
    this.#timer = setTimeout(() => {
      this.#refresh()
      this.#schedule()
    }, wait)
    this.#timer.unref()
  }

  trouble(): string | undefined {
    return this.#zones.size > 0 ? undefined : `${this.#options.file} has not been read`
  }

  stop(): void {
    clearTimeout(this.#timer)
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
    if (origin === undefined || query.opcode === Opcode.NOTIFY) return next(query)
    if (zone === undefined)
      return failure(Rcode.SERVFAIL, this.name, new Error(`zone ${origin} has not been read`))
    if (isTransfer(query.type)) return failure(Rcode.REFUSED, this.name)
    return answerFrom(zone, query, next, { plugin: this.name, fallthrough: this.#options.fallthrough })
  }

  #load(): void {
    const { file, zones, byMtime } = this.#options
    const { mtimeMs, size, ino } = statSync(file)
    const stamp = `${mtimeMs} ${size} ${ino}`
    if (stamp === this.#stamp) return
    // What is wrong now is not said again before it changes.
    this.#stamp = stamp
    const fresh = zones.map((origin) => new Zone(origin, readZoneFile(file, origin)))
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
    if (statSync(this.#options.file, { throwIfNoEntry: false }) === undefined) return
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
