import type { Logger } from 'pino'
import type { HostPort } from '../../core/host-port.ts'
import { isOlder, type ZoneChange, ZoneHistory } from '../../zone/history.ts'
import { fetchSoa, fetchZone } from '../../zone/transfer-in.ts'
import { Zone } from '../../zone/zone.ts'

const firstRetryMs = 250
const lastRetryMs = 10_000
/** so that secondaries that start together do not ask together */
const jitterMs = 5000
const maxTimerMs = 0x7fffffff

/** A zone of somebody else, kept up to date by its SOA's timers (RFC 1035 §4.3.5) and by NOTIFY. */
export class ZoneCopy {
  readonly origin: string
  readonly #primaries: readonly HostPort[]
  readonly #log: Logger
  readonly #onChange: (zone: Zone) => void
  readonly #history = new ZoneHistory()
  #zone: Zone | undefined
  #timer: NodeJS.Timeout | undefined
  #expires = Number.POSITIVE_INFINITY
  #retryMs = firstRetryMs
  #working = false
  #again = false
  #stopped = false

  constructor(parts: {
    origin: string
    primaries: readonly HostPort[]
    log: Logger
    onChange: (zone: Zone) => void
  }) {
    this.origin = parts.origin
    this.#primaries = parts.primaries
    this.#log = parts.log
    this.#onChange = parts.onChange
  }

  /** The zone, unless it has never come or is older than its SOA allows. */
  get zone(): Zone | undefined {
    return performance.now() < this.#expires ? this.#zone : undefined
  }

  changes(serial: number): readonly ZoneChange[] | undefined {
    return this.#history.since(serial)
  }

  isPrimary(address: string): boolean {
    return this.#primaries.some((primary) => primary.address === address)
  }

  /** Asks the primaries now: at the start, and when they say that there is something new. */
  refresh(): void {
    if (this.#working) {
      this.#again = true
      return
    }
    this.#working = true
    this.#again = false
    clearTimeout(this.#timer)
    void this.#refresh().then((ok) => {
      this.#working = false
      if (this.#again) this.refresh()
      else this.#schedule({ ok })
    })
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #schedule(last: { ok: boolean }): void {
    if (this.#stopped) return
    let wait: number
    if (this.#zone === undefined) {
      wait = this.#retryMs
      this.#retryMs = Math.min(lastRetryMs, 2 * this.#retryMs)
    } else {
      const { refresh, retry } = this.#zone.soa
      wait = Math.max(1, last.ok ? refresh : retry) * 1000 + Math.random() * jitterMs
    }
    this.#timer = setTimeout(() => this.refresh(), Math.min(wait, maxTimerMs))
    this.#timer.unref()
  }

  /** True when one of the primaries could be asked. */
  async #refresh(): Promise<boolean> {
    const reasons: string[] = []
    for (const primary of this.#primaries) {
      try {
        const have = this.#zone
        const soa = have === undefined ? undefined : await fetchSoa(this.origin, primary)
        const fresh = have === undefined || soa === undefined || isOlder(have.soa.serial, soa.serial)
        const records = fresh ? await fetchZone(this.origin, primary, have) : undefined
        if (this.#stopped) return true
        if (records !== undefined) this.#take(new Zone(this.origin, records), primary)
        const expire = this.#zone?.soa.expire ?? 0
        this.#expires = performance.now() + expire * 1000
        return true
      } catch (error) {
        reasons.push(error instanceof Error ? error.message : String(error))
      }
    }
    this.#log.warn({ object: `zone ${this.origin}`, reasons }, 'no primary could be asked')
    return false
  }

  #take(zone: Zone, primary: HostPort): void {
    this.#history.note(this.#zone, zone)
    this.#zone = zone
    this.#log.info(
      { object: `zone ${this.origin}`, serial: zone.soa.serial, primary: primary.address },
      'zone fetched',
    )
    this.#onChange(zone)
  }
}
