import type { Store } from '#watch'
import { type Next, type Outcome, onReply } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { failure, Reply } from '../../core/reply.ts'
import type { BlockSettings, InstanceView } from '../../core/setup.ts'
import {
  addressOfReverse,
  Class,
  canonicalName,
  isSubdomain,
  longestZone,
  Opcode,
  Rcode,
  type ResourceRecord,
  type SoaRecord,
  splitName,
  Type,
} from '../../wire/index.ts'
import type { ZoneSource } from '../../zone/source.ts'
import { KubernetesPlugin } from '../kubernetes/kubernetes.ts'
import { addressRecord, soaRecord, targetRecord } from '../kubernetes/records.ts'
import { ExternalAddresses, externalHosts } from './addresses.ts'
import { type ExternalTarget, externalTargets } from './targets.ts'

export interface ExternalOptions {
  readonly zones: readonly string[]
  /** label of the names of name servers */
  readonly apex: string
  readonly ttl: number
  readonly headless: boolean
  readonly fallthrough: readonly string[] | undefined
}

/** Answers for what Services are reached by from outside the cluster: `service.namespace.zone`. */
export class ExternalPlugin implements ZoneSource {
  readonly name = 'k8s_external'
  readonly #options: ExternalOptions
  readonly #store: Store
  readonly #block: BlockSettings
  readonly #instance: InstanceView
  readonly #addresses: ExternalAddresses
  #kubernetes: KubernetesPlugin | undefined
  onZoneChange: ((zone: string) => void) | undefined

  constructor(parts: {
    options: ExternalOptions
    store: Store
    block: BlockSettings
    instance: InstanceView
  }) {
    this.#options = parts.options
    this.#store = parts.store
    this.#block = parts.block
    this.#instance = parts.instance
    this.#addresses = new ExternalAddresses(parts.store)
  }

  start(): void {
    this.#kubernetes = this.#block.plugins.find((plugin) => plugin instanceof KubernetesPlugin)
    if (this.#kubernetes === undefined)
      throw new Error('plugin/k8s_external: needs the kubernetes plugin in the same server block')
    this.#addresses.start()
  }

  stop(): void {
    this.#addresses.stop()
  }

  /** For *transfer*. */
  zone(origin: string): { origin: string; soa: SoaRecord; records: readonly ResourceRecord[] } | undefined {
    const cluster = this.#kubernetes?.cluster
    if (cluster?.synced !== true || !this.#options.zones.includes(origin)) return undefined
    const soa = this.#soa(origin)
    const records: ResourceRecord[] = [soa, ...this.#servers(origin)]
    for (const entry of cluster.all()) {
      const targets = this.#targets(entry.namespace, entry.name)
      const owner = `${entry.name}.${entry.namespace}.${origin}`
      for (const target of targets) records.push(...this.#hostRecord(target, owner))
    }
    const distinct = new Map(records.map((record) => [JSON.stringify(record), record]))
    return { origin, soa, records: [...distinct.values()] }
  }

  handle(query: Query, next: Next): Outcome {
    const zone = longestZone(query.name, this.#options.zones)
    if (zone === undefined || query.class !== Class.IN || query.opcode !== Opcode.QUERY) return next(query)
    if (this.#kubernetes?.cluster.synced !== true)
      return failure(Rcode.SERVFAIL, this.name, new Error('no complete state of the cluster yet'))
    if (query.name === zone) return this.#apex(query, zone)
    if (isSubdomain(query.name, `${this.#options.apex}.${zone}`)) return this.#belowApex(query, zone)
    const address = query.type === Type.PTR ? addressOfReverse(query.name) : undefined
    if (address !== undefined) return this.#reverse(query, zone, address, next)
    return this.#service(query, zone, next)
  }

  #apex(query: Query, zone: string): Reply {
    if (query.type === Type.SOA) return this.#found([this.#soa(zone)], [], zone)
    if (query.type !== Type.NS) return this.#negative(Rcode.NOERROR, zone)
    const [ns, ...addresses] = this.#servers(zone)
    return this.#found(ns === undefined ? [] : [{ ...ns, name: query.originalName }], addresses, zone)
  }

  /** `dns.ZONE`, `ns1.dns.ZONE` */
  #belowApex(query: Query, zone: string): Reply {
    const { apex } = this.#options
    if (query.name === `${apex}.${zone}`) return this.#negative(Rcode.NOERROR, zone)
    if (query.name !== `ns1.${apex}.${zone}`) return this.#negative(Rcode.NXDOMAIN, zone)
    const addresses = this.#servers(zone).filter(({ type }) => type === query.type && type !== Type.NS)
    return this.#found(
      addresses.map((record) => ({ ...record, name: query.originalName })),
      [],
      zone,
    )
  }

  /** The NS record and the external addresses of the Services that lead here, or our own. */
  #servers(zone: string): ResourceRecord[] {
    const { ttl, apex } = this.#options
    const name = `ns1.${apex}.${zone}`
    const bound = this.#block.bind.length > 0 ? this.#block.bind : this.#instance.localAddresses()
    const own = bound.filter((address) => !address.includes('%'))
    const services = own.flatMap((address) => this.#kubernetes?.cluster.servicesWithEndpoint(address) ?? [])
    const outside = services.flatMap(({ namespace, name: service }) =>
      this.#targets(namespace, service).filter(({ kind }) => kind === 'address'),
    )
    const plain = own.filter((address) => address !== '::1' && !address.startsWith('127.'))
    const addresses = outside.length > 0 ? outside.map(({ host }) => host) : plain.length > 0 ? plain : own
    return [
      targetRecord(zone, Type.NS, name, ttl),
      ...[...new Set(addresses)].map((address) => addressRecord(name, address, ttl)),
    ]
  }

  #reverse(query: Query, zone: string, address: string, next: Next): Outcome {
    const [forward] = this.#options.zones.filter((candidate) => !candidate.endsWith('.arpa.'))
    const names = this.#addresses
      .servicesAt(address)
      .filter(({ metadata }) => this.#kubernetes?.cluster.exposed(metadata.namespace) === true)
      .map(({ metadata }) => `${metadata.name}.${metadata.namespace}.${forward ?? zone}`)
    if (names.length === 0) return this.#missing(query, zone, next)
    const { ttl } = this.#options
    const answer = names.map((name) => targetRecord(query.originalName, Type.PTR, name, ttl))
    return this.#found(answer, [], zone)
  }

  #service(query: Query, zone: string, next: Next): Outcome {
    const labels = splitName(query.name.slice(0, query.name.length - zone.length))
    const namespace = labels.at(-1) ?? ''
    if (this.#kubernetes?.cluster.exposed(namespace) !== true || labels.length > 4)
      return this.#missing(query, zone, next)
    if (labels.length === 1) return this.#negative(Rcode.NOERROR, zone)
    const service = labels.at(-2) ?? ''
    const bare = (label: string | undefined): string => label?.replace(/^_/, '') ?? ''
    const endpoint = labels.length === 3 ? bare(labels[0]) : ''
    const [port, protocol] = labels.length === 4 ? [bare(labels[0]), bare(labels[1])] : ['', '']
    const targets = this.#targets(namespace, service, endpoint).filter(
      (target) =>
        (endpoint === '' || target.endpoint === endpoint) &&
        (port === '' || target.portName === port) &&
        (protocol === '' || target.protocol === protocol),
    )
    if (targets.length === 0) return this.#missing(query, zone, next)
    if (query.type === Type.SRV) return this.#srv(query, zone, targets, { service, namespace })
    const records = targets.flatMap((target) => this.#hostRecord(target, query.originalName))
    const [alias] = records.filter(({ type }) => type === Type.CNAME)
    const own = distinct(records.filter(({ type }) => type === query.type))
    if (own.length > 0 || alias?.kind !== 'target') return this.#found(own, [], zone)
    if (query.type !== Type.A && query.type !== Type.AAAA) return this.#negative(Rcode.NOERROR, zone)
    // The load balancer is known by a name: whoever knows it is asked.
    const inner = query.resolve(canonicalName(alias.target))
    if (inner === undefined) return this.#found([alias], [], zone)
    return onReply(inner, ({ rcode, answer }) =>
      this.#found([alias, ...(rcode === Rcode.NOERROR ? answer : [])], [], zone),
    )
  }

  #srv(
    query: Query,
    zone: string,
    targets: readonly ExternalTarget[],
    of: { service: string; namespace: string },
  ): Reply {
    const { ttl } = this.#options
    const weight = Math.max(1, Math.floor(100 / targets.length))
    const answer: ResourceRecord[] = []
    const additional: ResourceRecord[] = []
    for (const { kind, host, port, endpoint } of targets) {
      if (port < 1) continue
      const below = `${endpoint === '' ? '' : `${endpoint}.`}${of.service}.${of.namespace}.${zone}`
      const target = kind === 'name' ? canonicalName(host) : below
      const fixed = { name: query.originalName, type: Type.SRV, class: Class.IN, ttl }
      answer.push({ ...fixed, kind: 'srv', priority: 0, weight, port, target })
      if (kind === 'address') additional.push(addressRecord(target, host, ttl))
    }
    return this.#found(distinct(answer), distinct(additional), zone)
  }

  #targets(namespace: string, service: string, endpoint = ''): ExternalTarget[] {
    const object = this.#store.get('Service', `${namespace}/${service}`)
    const entry = this.#kubernetes?.cluster.service(namespace, service)
    if (object === undefined || entry === undefined) return []
    const inside = this.#options.headless && (entry.headless || endpoint !== '')
    return externalTargets(object, externalHosts(object), inside ? entry : undefined)
  }

  #hostRecord(target: ExternalTarget, owner: string): ResourceRecord[] {
    const { ttl } = this.#options
    if (target.kind === 'name') return [targetRecord(owner, Type.CNAME, canonicalName(target.host), ttl)]
    return [addressRecord(owner, target.host, ttl)]
  }

  #missing(query: Query, zone: string, next: Next): Outcome {
    if (this.#options.fallthrough?.some((below) => isSubdomain(query.name, below)) === true)
      return next(query)
    return this.#negative(Rcode.NXDOMAIN, zone)
  }

  #found(answer: readonly ResourceRecord[], additional: readonly ResourceRecord[], zone: string): Reply {
    if (answer.length === 0) return this.#negative(Rcode.NOERROR, zone)
    return new Reply({ authoritative: true, answer, additional, live: true, plugin: this.name })
  }

  #negative(rcode: number, zone: string): Reply {
    return new Reply({
      rcode,
      authoritative: true,
      authority: [this.#soa(zone)],
      live: true,
      plugin: this.name,
    })
  }

  #soa(zone: string): SoaRecord {
    const { ttl, apex } = this.#options
    const soa = soaRecord(zone, this.#kubernetes?.cluster.serial ?? 0, ttl)
    return { ...soa, ttl, mname: `ns1.${apex}.${zone}`, rname: `hostmaster.${apex}.${zone}` }
  }
}

function distinct(records: readonly ResourceRecord[]): ResourceRecord[] {
  return [...new Map(records.map((record) => [JSON.stringify(record), record])).values()]
}
