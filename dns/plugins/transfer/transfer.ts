import type { Logger } from 'pino'
import type { HostPort } from '../../core/host-port.ts'
import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import { isTransfer, type Query } from '../../core/query.ts'
import { failure, Reply } from '../../core/reply.ts'
import { longestZone, Opcode, Rcode, type ResourceRecord, readU32, skipName, Type } from '../../wire/index.ts'
import { canonicalData } from '../../zone/canonical.ts'
import { isZoneSource, type WholeZone, type ZoneSource } from '../../zone/source.ts'
import { Notifier } from './notify.ts'

export interface TransferRule {
  readonly zones: readonly string[]
  /** addresses that may have the zones; '*' is everybody */
  readonly clients: ReadonlySet<string>
  /** who is told of a new serial */
  readonly notify: readonly HostPort[]
  /** local address of NOTIFY */
  readonly source: string | undefined
}

/** octets of records in one message of a transfer */
const perMessage = 16_000

/** Gives zones of the block's other plugins away: AXFR, IXFR, NOTIFY (RFC 5936, 1995, 1996). */
export class TransferPlugin implements Plugin {
  readonly name = 'transfer'
  readonly #rules: readonly TransferRule[]
  readonly #plugins: readonly Plugin[]
  readonly #log: Logger
  readonly #notifier: Notifier

  /** `plugins` of the block; complete when it starts. */
  constructor(rules: readonly TransferRule[], plugins: readonly Plugin[], log: Logger) {
    this.#rules = rules
    this.#plugins = plugins
    this.#log = log
    this.#notifier = new Notifier(log)
  }

  start(): void {
    for (const plugin of this.#plugins.filter(isZoneSource)) {
      plugin.onZoneChange = (zone) => {
        const rule = this.#ruleFor(zone)
        if (rule !== undefined) this.#notifier.notify(zone, rule.notify, rule.source)
      }
    }
  }

  stop(): void {
    this.#notifier.stop()
  }

  handle(query: Query, next: Next): Outcome {
    if (!isTransfer(query.type) || query.opcode !== Opcode.QUERY) return next(query)
    const rule = this.#ruleFor(query.name)
    if (rule === undefined) return next(query)
    const client = query.peer.clientAddress.replace(/%.*$/, '')
    if (!rule.clients.has('*') && !rule.clients.has(client)) return failure(Rcode.REFUSED, this.name)
    const found = this.#find(query.name)
    if (found === undefined) return failure(Rcode.NOTAUTH, this.name)
    const { zone, source } = found
    const { transport } = query.peer
    const have = query.type === Type.IXFR ? serialOf(query) : undefined
    // One SOA says: you have it already, or come back over TCP (RFC 1995 §2, §4).
    if (query.type === Type.IXFR && (transport === 'udp' || have === zone.soa.serial))
      return this.#reply([zone.soa])
    if (transport !== 'tcp' && transport !== 'tls') return failure(Rcode.REFUSED, this.name)
    const records = (have === undefined ? undefined : incremental(zone, source, have)) ?? whole(zone)
    this.#log.info({ object: `zone ${zone.origin}`, client, records: records.length }, 'zone transferred')
    const [first = [], ...rest] = pieces(records)
    return this.#reply(first).with({ following: rest.map((piece) => this.#reply(piece)) })
  }

  #reply(answer: readonly ResourceRecord[]): Reply {
    return new Reply({ authoritative: true, answer, plugin: this.name })
  }

  #ruleFor(name: string): TransferRule | undefined {
    const zone = longestZone(
      name,
      this.#rules.flatMap(({ zones }) => zones),
    )
    return zone === undefined ? undefined : this.#rules.find(({ zones }) => zones.includes(zone))
  }

  #find(origin: string): { zone: WholeZone; source: ZoneSource } | undefined {
    for (const source of this.#plugins.filter(isZoneSource)) {
      const zone = source.zone(origin)
      if (zone !== undefined) return { zone, source }
    }
    return undefined
  }
}

function whole(zone: WholeZone): ResourceRecord[] {
  return [zone.soa, ...zone.records.filter((record) => record.type !== Type.SOA), zone.soa]
}

/** RFC 1995 §4: new SOA, for each change old SOA, what went, SOA, what came, and the new SOA again. */
function incremental(zone: WholeZone, source: ZoneSource, have: number): ResourceRecord[] | undefined {
  const changes = source.changes?.(zone.origin, have)
  if (changes?.at(-1)?.to.serial !== zone.soa.serial) return undefined
  const steps = (changes ?? []).flatMap(({ from, to, removed, added }) => [from, ...removed, to, ...added])
  const all = [zone.soa, ...steps, zone.soa]
  return all.length < zone.records.length ? all : undefined
}

function pieces(records: readonly ResourceRecord[]): ResourceRecord[][] {
  const found: ResourceRecord[][] = [[]]
  let size = 0
  for (const record of records) {
    const octets = record.name.length + 12 + canonicalData(record).length
    if (size > 0 && size + octets > perMessage) {
      found.push([])
      size = 0
    }
    found.at(-1)?.push(record)
    size += octets
  }
  return found
}

/** The serial an IXFR client has: that of the SOA in its authority section. */
function serialOf(query: Query): number | undefined {
  try {
    const data = skipName(query.wire, query.questionEnd) + 10
    return readU32(query.wire, skipName(query.wire, skipName(query.wire, data)))
  } catch {
    return undefined
  }
}
