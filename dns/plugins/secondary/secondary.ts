import type { Logger } from 'pino'
import type { HostPort } from '../../core/host-port.ts'
import type { Next, Outcome } from '../../core/plugin.ts'
import { isTransfer, type Query } from '../../core/query.ts'
import { failure, Reply } from '../../core/reply.ts'
import { canonicalAddress, longestZone, Opcode, Rcode } from '../../wire/index.ts'
import { answerFrom } from '../../zone/answer.ts'
import type { ZoneChange } from '../../zone/history.ts'
import type { ZoneSource } from '../../zone/source.ts'
import type { Zone } from '../../zone/zone.ts'
import { catalogMembers } from './catalog.ts'
import { ZoneCopy } from './zone-copy.ts'

export interface SecondaryOptions {
  readonly zones: readonly string[]
  readonly primaries: readonly HostPort[]
  /** names that members of the zones, as catalogs, may have (empty: all); undefined: they are no catalogs */
  readonly catalog: readonly string[] | undefined
  readonly fallthrough: readonly string[] | undefined
}

/** Serves copies of zones that other servers have. */
export class SecondaryPlugin implements ZoneSource {
  readonly name = 'secondary'
  readonly #options: SecondaryOptions
  readonly #log: Logger
  readonly #copies = new Map<string, ZoneCopy>()
  /** members of catalogs: the catalog and the id they have in it */
  readonly #members = new Map<string, { catalog: string; id: string }>()
  onZoneChange: ((zone: string) => void) | undefined

  constructor(options: SecondaryOptions, log: Logger) {
    this.#options = options
    this.#log = log
  }

  start(): void {
    for (const zone of this.#options.zones) this.#follow(zone)
  }

  stop(): void {
    for (const copy of this.#copies.values()) copy.stop()
  }

  zone(origin: string): Zone | undefined {
    return this.#copies.get(origin)?.zone
  }

  changes(origin: string, serial: number): readonly ZoneChange[] | undefined {
    return this.#copies.get(origin)?.changes(serial)
  }

  trouble(): string | undefined {
    const missing = [...this.#copies.values()].filter((copy) => copy.zone === undefined)
    if (missing.length === 0) return undefined
    return `no copy of zone ${missing.map(({ origin }) => origin).join(', ')}`
  }

  handle(query: Query, next: Next): Outcome {
    const origin = longestZone(query.name, [...this.#copies.keys()])
    const copy = origin === undefined ? undefined : this.#copies.get(origin)
    if (copy === undefined) return next(query)
    if (query.opcode === Opcode.NOTIFY) return this.#notified(query, copy)
    if (isTransfer(query.type)) return failure(Rcode.REFUSED, this.name)
    const { zone } = copy
    if (zone === undefined)
      return failure(Rcode.SERVFAIL, this.name, new Error(`there is no copy of zone ${copy.origin} yet`))
    return answerFrom(zone, query, next, { plugin: this.name, fallthrough: this.#options.fallthrough })
  }

  /** RFC 1996 §3.11: only primaries are listened to. */
  #notified(query: Query, copy: ZoneCopy): Reply {
    const client = canonicalAddress(query.peer.clientAddress.replace(/%.*$/, ''))
    if (query.name !== copy.origin || !copy.isPrimary(client)) return failure(Rcode.REFUSED, this.name)
    copy.refresh()
    return new Reply({ authoritative: true, plugin: this.name })
  }

  #follow(origin: string): void {
    const copy = new ZoneCopy({
      origin,
      primaries: this.#options.primaries,
      log: this.#log,
      onChange: (zone) => {
        if (this.#options.zones.includes(origin)) this.#readCatalog(zone)
        this.onZoneChange?.(origin)
      },
    })
    this.#copies.set(origin, copy)
    copy.refresh()
  }

  /** Adds and removes the zones a catalog lists. */
  #readCatalog(catalog: Zone): void {
    if (this.#options.catalog === undefined) return
    const object = `catalog ${catalog.origin}`
    const wanted = catalogMembers(catalog, this.#options.catalog)
    if (wanted === undefined) {
      this.#log.error({ object }, 'the catalog is not of version 2 and is ignored')
      return
    }
    for (const [zone, member] of this.#members) {
      if (member.catalog !== catalog.origin || wanted.get(zone) === member.id) continue
      // Another id is another zone of the same name: it starts anew (RFC 9432 §5.4).
      this.#copies.get(zone)?.stop()
      this.#copies.delete(zone)
      this.#members.delete(zone)
    }
    for (const [zone, id] of wanted) {
      if (this.#members.get(zone)?.catalog === catalog.origin) continue
      if (this.#copies.has(zone)) {
        this.#log.error({ object, zone }, 'a member is served already and is left as it is')
        continue
      }
      this.#members.set(zone, { catalog: catalog.origin, id })
      this.#follow(zone)
    }
  }
}
