import type { Key, Store } from '#watch'
import { untilChanged } from '../../core/freshness.ts'
import type { Next, Outcome } from '../../core/plugin.ts'
import { prepare } from '../../core/prepared.ts'
import { isTransfer, type Query } from '../../core/query.ts'
import { failure, Reply } from '../../core/reply.ts'
import type { BlockSettings, InstanceView } from '../../core/setup.ts'
import type { MetricFamilies } from '../../metrics/metrics.ts'
import {
  addressOfReverse,
  isReverseName,
  isSubdomain,
  longestZone,
  Rcode,
  type SoaRecord,
  Type,
} from '../../wire/index.ts'
import type { WholeZone, ZoneSource } from '../../zone/source.ts'
import { AnswerTable } from './answers.ts'
import { Clients } from './clients.ts'
import { ClusterView } from './cluster.ts'
import { withinZone } from './entry.ts'
import { externalAnswer } from './external.ts'
import { namesToForget } from './forget.ts'
import { programmingMetric } from './metrics.ts'
import { type Asked, readAsked } from './name.ts'
import { apexRecords, type NameServer, nameServers, serverAddresses } from './nameserver.ts'
import { NegativeAnswers } from './negative.ts'
import type { KubernetesOptions } from './options.ts'
import { PodNames } from './pods.ts'
import { type Found, noData, serviceRecords, soaRecord } from './records.ts'
import { reverseRecords } from './reverse.ts'
import { wholeZone } from './whole-zone.ts'

const versionTtl = 28_800
/** a name that does not exist */
const missing = Symbol('missing')
type Answer = Found | typeof missing | Outcome

/** Answers for the cluster: Services, ServiceImports, their endpoints, pods, and the reverse names of their addresses. */
export class KubernetesPlugin implements ZoneSource {
  readonly name = 'kubernetes'
  readonly #options: KubernetesOptions
  readonly #cluster: ClusterView
  readonly #store: Store
  readonly #instance: InstanceView
  readonly #block: BlockSettings
  readonly #metrics: MetricFamilies
  readonly #negatives = new Map<string, NegativeAnswers>()
  readonly #answers = new AnswerTable()
  /** of answers that any change of the cluster may make wrong */
  #freshness = untilChanged()
  readonly #pods: PodNames
  readonly #clients: Clients
  onZoneChange: ((zone: string) => void) | undefined

  constructor(parts: {
    options: KubernetesOptions
    store: Store
    instance: InstanceView
    block: BlockSettings
    metrics: MetricFamilies
  }) {
    this.#options = parts.options
    this.#store = parts.store
    this.#instance = parts.instance
    this.#block = parts.block
    this.#metrics = parts.metrics
    this.#cluster = new ClusterView(parts.store, parts.options)
    this.#pods = new PodNames(parts.store, this.#cluster, parts.options)
    this.#clients = new Clients(parts.store, parts.options)
    // The root has no octets to point to.
    for (const zone of parts.options.zones)
      if (zone !== '.') this.#negatives.set(zone, new NegativeAnswers(zone, parts.options.ttl))
  }

  async start(): Promise<void> {
    this.#cluster.start((changed) => this.#changed(changed), programmingMetric(this.#metrics))
    if (this.#cluster.synced) return
    // The timer keeps the process alive: before the sockets are open nothing else does.
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#options.startupTimeoutMs)
    })
    await Promise.race([this.#store.whenSynced(), late])
    clearTimeout(timer)
  }

  stop(): void {
    this.#cluster.stop()
  }

  ready(): boolean {
    return this.#cluster.synced
  }

  trouble(): string | undefined {
    return this.#cluster.synced ? undefined : 'no complete state of the cluster yet'
  }

  /** For *transfer*: every record of a forward zone. */
  zone(origin: string): WholeZone | undefined {
    if (!this.#cluster.synced || !this.#options.zones.includes(origin) || isReverseName(origin))
      return undefined
    const { ttl } = this.#options
    const soa = this.#soa(origin)
    return wholeZone(this.#cluster, { origin, soa, ttl, servers: this.#nameServers(origin) })
  }

  /** For *k8s_external*. */
  get cluster(): ClusterView {
    return this.#cluster
  }

  /** For *autopath*: the search path of the pod that asks, where it is known for certain. */
  searchPath(query: Query): readonly string[] | undefined {
    return this.#clients.searchPath(query)
  }

  label(query: Query, name: string): string | undefined {
    return this.#clients.label(query, name)
  }

  handle(query: Query, next: Next): Outcome {
    const known = this.#answers.get(query.name, query.type, this.#cluster.serial)
    if (known !== undefined && query.class === 1) return known
    const zone = longestZone(query.name, this.#options.zones)
    if (zone === undefined || query.class !== 1) return next(query)
    if (isTransfer(query.type)) return failure(Rcode.REFUSED, this.name)
    const reverse = isReverseName(zone)
    const answer = reverse ? this.#reverse(query) : this.#forward(query, zone)
    if (answer === missing) return this.#notFound(query, zone, next)
    if (answer instanceof Promise || answer instanceof Reply) return answer
    const reply = this.#positive(query, zone, answer)
    // Of the apex of a reverse zone: which names this server has is not the cluster's to say.
    const address = reverse && answer.answer.length > 0 && query.type === Type.PTR
    return address ? reply.with({ freshness: this.#freshness }) : reply
  }

  #forward(query: Query, zone: string): Answer {
    const { zonal, multicluster } = this.#options
    const asked = readAsked(query.name, zone, { zonal, multicluster: multicluster.has(zone) })
    switch (asked.kind) {
      case 'apex':
        return this.#apex(query, zone)
      case 'version':
        if (query.type !== Type.TXT) return missing
        return {
          answer: [
            {
              kind: 'text',
              name: query.originalName,
              type: Type.TXT,
              class: 1,
              ttl: versionTtl,
              texts: ['1.1.0'],
            },
          ],
          additional: [],
        }
      case 'nameserver':
        return serverAddresses(query, this.#nameServers(zone), this.#options.ttl)
      case 'empty':
        return noData
      case 'namespace':
        if (asked.of === 'pod' && this.#options.pods === 'disabled') return missing
        return this.#cluster.exposed(asked.namespace) ? noData : missing
      case 'pod':
        return this.#pods.find(query, asked.namespace, asked.pod) ?? missing
      case 'service':
        return this.#service(query, zone, asked)
      case 'none':
        return missing
    }
  }

  #service(query: Query, zone: string, asked: Extract<Asked, { kind: 'service' }>): Answer {
    const entry = this.#cluster.find(zone, asked.namespace, asked.service)
    if (entry === undefined) return missing
    const below = asked.endpoint !== '' || asked.port !== '' || asked.protocol !== ''
    if (entry.externalName !== '') {
      if (below) return missing
      return externalAnswer(query, entry, {
        ttl: this.#options.ttl,
        reply: (found) => this.#positive(query, zone, found),
      })
    }
    const { port, protocol, within } = asked
    const endpoint = asked.cluster === undefined ? asked.endpoint : `${asked.endpoint}.${asked.cluster}`
    const { ttl } = this.#options
    if (within !== undefined) {
      if (!entry.headless) return missing
      const narrow = withinZone(entry, within)
      const question = { name: query.originalName, type: query.type, zone, ttl, endpoint, port, protocol }
      return entry.targets.length === 0 ? missing : (serviceRecords(narrow, question) ?? noData)
    }
    const found = serviceRecords(entry, {
      name: query.originalName,
      type: query.type,
      zone,
      ttl,
      endpoint,
      port,
      protocol,
    })
    if (found === undefined) return missing
    return this.#keep(query, zone, entry.key, found)
  }

  /** Answers about Services are rendered once and served from the table until a change concerns them. */
  #keep(query: Query, zone: string, key: Key, found: Found): Reply {
    const reply = this.#positive(query, zone, found)
    const sections = { answer: reply.answer, authority: reply.authority, additional: reply.additional }
    const prepared = prepare({ name: query.name, type: query.type }, sections)
    if (prepared === undefined) return reply
    const lasting = found.answer.length > 0
    const freshness = lasting ? this.#answers.freshness(key, query.name) : this.#freshness
    const kept = new Reply({ authoritative: true, prepared, live: true, freshness, plugin: this.name })
    // A NODATA answer carries the serial of the zone, so it lasts until the next change of anything.
    this.#answers.put(key, query.name, query.type, {
      reply: kept,
      serial: lasting ? -1 : this.#cluster.serial,
    })
    return kept
  }

  #reverse(query: Query): Answer {
    const address = addressOfReverse(query.name)
    if (address === undefined)
      return this.#options.zones.includes(query.name) ? this.#apex(query, query.name) : missing
    return reverseRecords(query, address, { cluster: this.#cluster, options: this.#options }) ?? missing
  }

  #apex(query: Query, zone: string): Found {
    return apexRecords(query, {
      servers: () => this.#nameServers(zone),
      soa: this.#soa(zone),
      ttl: this.#options.ttl,
    })
  }

  #soa(zone: string): SoaRecord {
    return soaRecord(zone, this.#cluster.serial, this.#options.ttl)
  }

  #nameServers(zone: string): readonly NameServer[] {
    const own = this.#block.bind.length > 0 ? this.#block.bind : this.#instance.localAddresses()
    const ports = this.#instance.localPorts()
    const multicluster = this.#options.multicluster.has(zone)
    return nameServers(this.#cluster, this.#store, { own, ports, zone, multicluster })
  }

  #positive(query: Query, zone: string, found: Found): Reply {
    const { answer, additional } = found
    if (answer.length > 0)
      return new Reply({ authoritative: true, answer, additional, live: true, plugin: this.name })
    return this.#negative(query, zone, Rcode.NOERROR)
  }

  #notFound(query: Query, zone: string, next: Next): Outcome {
    const { fallthrough } = this.#options
    if (fallthrough?.some((below) => isSubdomain(query.name, below)) === true) return next(query)
    // Without the cluster's state nobody can say that a name does not exist.
    if (!this.#cluster.synced) {
      return this.#negative(query, zone, Rcode.SERVFAIL).with({
        error: new Error('no complete state of the cluster yet'),
      })
    }
    return this.#negative(query, zone, Rcode.NXDOMAIN)
  }

  #negative(query: Query, zone: string, rcode: number): Reply {
    const prepared = this.#negatives.get(zone)?.prepared(query, this.#cluster.serial)
    const authority = prepared === undefined ? [this.#soa(zone)] : undefined
    // Names of pods come and go without a change of Services; and what is not known yet is no answer to give again.
    const lasting = this.#cluster.synced && !query.name.includes('.pod.')
    const freshness = lasting ? this.#freshness : undefined
    return new Reply({
      rcode,
      authoritative: true,
      prepared,
      authority,
      live: true,
      freshness,
      plugin: this.name,
    })
  }

  /** Drops answers that a change concerns, here and in the caches of the block. */
  #changed(changed: { services: Iterable<Key>; addresses: Iterable<string>; everything: boolean }): void {
    this.#freshness.stale = true
    this.#freshness = untilChanged()
    if (changed.everything) this.#answers.clear()
    else for (const key of changed.services) this.#answers.drop(key)
    for (const zone of this.#options.zones) if (!isReverseName(zone)) this.onZoneChange?.(zone)
    if (this.#options.fallthrough === undefined) return
    const names = namesToForget(changed, this.#cluster, this.#options.zones)
    for (const plugin of this.#block.plugins) plugin.forget?.(names)
  }
}
