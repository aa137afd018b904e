import { readFileSync, statSync } from 'node:fs'
import type { Logger } from 'pino'
import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { failure, Reply } from '../../core/reply.ts'
import type { MetricFamilies } from '../../metrics/metrics.ts'
import { addressOfReverse, Class, isSubdomain, Rcode, type ResourceRecord, Type } from '../../wire/index.ts'
import { HostsTable } from './hosts-file.ts'

export interface HostsOptions {
  readonly file: string
  readonly zones: readonly string[]
  readonly inline: readonly { address: string; names: readonly string[] }[]
  readonly ttl: number
  readonly reverse: boolean
  /** 0: read once */
  readonly reloadMs: number
  readonly fallthrough: readonly string[] | undefined
  /** pass on other types of names that are here, too */
  readonly unsupported: boolean
}

/** Answers A, AAAA and PTR from a hosts file and lines of the Corefile. */
export class HostsPlugin implements Plugin {
  readonly name = 'hosts'
  readonly #options: HostsOptions
  readonly #log: Logger
  readonly #readAt: { value: number | (() => number) }
  #table: HostsTable
  #stamp = ''
  #timer: NodeJS.Timeout | undefined

  constructor(options: HostsOptions, log: Logger, metrics: MetricFamilies) {
    this.#options = options
    this.#log = log
    this.#table = this.#inline()
    metrics
      .gauge('coredns_hosts_entries', 'Names in the hosts file and in the Corefile.', ['hostsfile'])
      .cell(options.file).value = () => this.#table.size
    this.#readAt = metrics
      .gauge('coredns_hosts_reload_timestamp_seconds', 'When the hosts file was last read.')
      .cell()
  }

  start(): void {
    this.#refresh()
    if (this.#options.reloadMs === 0) return
    this.#timer = setInterval(() => this.#refresh(), this.#options.reloadMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  handle(query: Query, next: Next): Outcome {
    const { zones, ttl, fallthrough } = this.#options
    const inZone = zones.some((zone) => isSubdomain(query.name, zone))
    if (!inZone && query.type !== Type.PTR) return next(query)
    const fixed = { name: query.originalName, class: Class.IN, ttl }
    if (query.type === Type.PTR) {
      const address = addressOfReverse(query.name)
      const names = address === undefined ? [] : this.#table.names(address)
      // As CoreDNS: what is not here is for others, without fallthrough too.
      if (names.length === 0) return next(query)
      return this.#answer(names.map((target) => ({ kind: 'target', type: Type.PTR, target, ...fixed })))
    }
    const addresses = this.#table.addresses(query.name)
    if (addresses.length === 0) return this.#missing(query, next)
    const wanted = addresses.filter((address) => address.includes(':') === (query.type === Type.AAAA))
    // The name exists: no other plugin is asked for what it does not have.
    if (query.type !== Type.A && query.type !== Type.AAAA) {
      return this.#options.unsupported && fallthrough?.some((zone) => isSubdomain(query.name, zone)) === true
        ? next(query)
        : this.#answer([])
    }
    return this.#answer(wanted.map((address) => ({ kind: 'address', type: query.type, address, ...fixed })))
  }

  #missing(query: Query, next: Next): Outcome {
    if (this.#options.fallthrough?.some((zone) => isSubdomain(query.name, zone)) === true) return next(query)
    return failure(Rcode.SERVFAIL, this.name)
  }

  #answer(answer: readonly ResourceRecord[]): Reply {
    return new Reply({ authoritative: true, answer, plugin: this.name })
  }

  #inline(): HostsTable {
    const table = new HostsTable()
    for (const { address, names } of this.#options.inline) table.addEntry(address, names, this.#options)
    return table
  }

  /** Reads the file if it is another one than last time; without it, the Corefile's lines remain. */
  #refresh(): void {
    try {
      const { mtimeMs, size, ino } = statSync(this.#options.file)
      const stamp = `${mtimeMs} ${size} ${ino}`
      if (stamp === this.#stamp) return
      const table = this.#inline()
      table.add(readFileSync(this.#options.file, 'utf8'), this.#options)
      this.#table = table
      this.#stamp = stamp
      this.#readAt.value = Date.now() / 1000
    } catch (error) {
      const stamp = `missing: ${String(error)}`
      if (stamp === this.#stamp) return
      this.#stamp = stamp
      this.#table = this.#inline()
      if (this.#options.inline.length === 0)
        this.#log.warn({ object: this.#options.file, err: error }, 'the hosts file cannot be read')
    }
  }
}
