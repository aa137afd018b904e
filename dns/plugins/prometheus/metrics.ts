import type { Logger } from 'pino'
import type { Repeat } from '../../core/plugin.ts'
import type { Query, QueryHome } from '../../core/query.ts'
import type { Reply } from '../../core/reply.ts'
import type { BlockSettings } from '../../core/setup.ts'
import {
  type Buckets,
  type Cell,
  type Counter,
  type Gauge,
  type Histogram,
  type MetricFamilies,
  sizeBuckets,
  timeBuckets,
} from '../../metrics/metrics.ts'
import type { DispatchEvents } from '../../server/dispatch.ts'
import { rcodeName, Type, typeName } from '../../wire/index.ts'

/** Types with a label of their own; the rest is 'other', so that a client cannot make up label values. */
const labelled = new Set<number>([
  Type.A,
  Type.AAAA,
  Type.CNAME,
  Type.DNSKEY,
  Type.DS,
  Type.MX,
  Type.NSEC,
  Type.NSEC3,
  Type.NS,
  Type.PTR,
  Type.RRSIG,
  Type.SOA,
  Type.SRV,
  Type.TXT,
  Type.HTTPS,
  Type.SVCB,
  Type.IXFR,
  Type.AXFR,
  Type.ANY,
])

/** An answer given again takes less than the clock costs: about this much. */
const repeatSeconds = 1e-6

/** CoreDNS's metrics about queries and about the process; one per registry. */
export class ServerMetrics {
  readonly requests: Counter
  readonly responses: Counter
  readonly dnssecRequests: Counter
  readonly durations: Histogram
  readonly requestSizes: Histogram
  readonly responseSizes: Histogram
  readonly #panics: Cell
  readonly #reloadFailures: Cell
  readonly #enabled: Gauge
  readonly #https: Counter
  readonly #dropped = new Map<string, QueryMetrics>()

  constructor(families: MetricFamilies) {
    const scope = ['server', 'zone', 'view']
    this.requests = families.counter(
      'coredns_dns_requests_total',
      'Queries per zone, protocol, address family and type.',
      [...scope, 'proto', 'family', 'type'],
    )
    this.responses = families.counter(
      'coredns_dns_responses_total',
      'Answers per response code and the plugin that gave them.',
      [...scope, 'rcode', 'plugin'],
    )
    this.dnssecRequests = families.counter(
      'coredns_dns_do_requests_total',
      'Queries with the DO bit per zone.',
      scope,
    )
    this.durations = families.histogram(
      'coredns_dns_request_duration_seconds',
      'Time each query took in seconds.',
      scope,
      timeBuckets,
    )
    this.requestSizes = families.histogram(
      'coredns_dns_request_size_bytes',
      'Size of queries in octets.',
      [...scope, 'proto'],
      sizeBuckets,
    )
    this.responseSizes = families.histogram(
      'coredns_dns_response_size_bytes',
      'Size of answers in octets.',
      [...scope, 'proto'],
      sizeBuckets,
    )
    this.#panics = families
      .counter('coredns_panics_total', 'Internal errors that cost a query its answer.')
      .cell()
    this.#reloadFailures = families
      .counter('coredns_reload_failed_total', 'Reloads that failed; the old configuration kept serving.')
      .cell()
    this.#https = families.counter('coredns_dns_https_responses_total', 'Answers over HTTPS by status.', [
      'server',
      'status',
    ])
    this.#enabled = families.gauge('coredns_plugin_enabled', '1 for each plugin of each server block.', [
      ...scope,
      'name',
    ])
    families
      .gauge('coredns_build_info', 'Version of the server.', ['version', 'revision', 'goversion'])
      .cell('plexus', '', '').value = 1
  }

  /** What the dispatchers report. */
  events(log: Logger): DispatchEvents {
    return {
      refused: (query, reply, home) => this.#droppedAt(home).count(query, reply, 0),
      panic: (query, error) => {
        this.#panics.value += 1
        log.error(
          { object: `query ${query.name} ${typeName(query.type)}`, err: error },
          'a plugin failed on a query',
        )
      },
    }
  }

  /** Queries that no block took count under zone "dropped". */
  #droppedAt(home: QueryHome): QueryMetrics {
    let found = this.#dropped.get(home.label)
    if (found === undefined) {
      found = new QueryMetrics(this, { server: home.label, zone: 'dropped', view: '' })
      this.#dropped.set(home.label, found)
    }
    return found
  }

  httpsAnswered(server: string, status: number): void {
    this.#https.cell(server, String(status)).value += 1
  }

  reloadFailed(): void {
    this.#reloadFailures.value += 1
  }

  /** coredns_plugin_enabled, for the configuration that serves now. */
  enable(blocks: readonly BlockSettings[]): void {
    this.#enabled.reset()
    for (const block of blocks) {
      for (const server of block.servers) {
        for (const zone of block.zones) {
          for (const plugin of block.plugins)
            this.#enabled.cell(server, zone, block.viewName, plugin.name).value = 1
        }
      }
    }
  }
}

/** The cells of one server and zone, found once. */
export class QueryMetrics {
  readonly #metrics: ServerMetrics
  readonly #scope: readonly [string, string, string]
  readonly #requests = new Map<number, Cell>()
  readonly #responses = new Map<number, Map<string, Cell>>()
  readonly #sizes = new Map<string, { request: Buckets; response: Buckets }>()
  readonly #durations: Buckets
  readonly #dnssec: Cell

  constructor(metrics: ServerMetrics, scope: { server: string; zone: string; view: string }) {
    this.#metrics = metrics
    this.#scope = [scope.server, scope.zone, scope.view]
    this.#durations = metrics.durations.cell(...this.#scope)
    this.#dnssec = metrics.dnssecRequests.cell(...this.#scope)
  }

  /** What `count` does, for an answer given again: everything is found once. `size` is that of the answer. */
  repeat(query: Query, reply: Reply, size: number): Repeat {
    const { request, sizes } = this.#cellsOf(query)
    const response = this.#response(reply)
    const durations = this.#durations
    const dnssec = query.dnssecOk ? this.#dnssec : undefined
    const querySize = query.size
    const queryBucket = sizes.request.bucketOf(querySize)
    const bucket = sizes.response.bucketOf(size)
    const secondsBucket = durations.bucketOf(repeatSeconds)
    return () => {
      request.value += 1
      response.value += 1
      sizes.request.add(querySize, queryBucket)
      sizes.response.add(size, bucket)
      durations.add(repeatSeconds, secondsBucket)
      if (dnssec !== undefined) dnssec.value += 1
    }
  }

  /** Counts a query and its answer; `seconds` is what it took. */
  count(query: Query, reply: Reply, seconds: number): void {
    const { request, sizes } = this.#cellsOf(query)
    request.value += 1
    this.#response(reply).value += 1
    sizes.request.observe(query.size)
    query.responseSize = sizes.response
    if (query.dnssecOk) this.#dnssec.value += 1
    this.#durations.observe(seconds)
  }

  #cellsOf(query: Query): { request: Cell; sizes: { request: Buckets; response: Buckets } } {
    const { transport } = query.peer
    const proto = transport === 'udp' || transport === 'tcp' ? transport : 'tcp'
    const family = query.peer.clientFamily === 6 ? 2 : 1
    const type = labelled.has(query.type) ? query.type : 0
    const requestKey = (type << 2) | (proto === 'udp' ? 2 : 0) | (family - 1)
    let request = this.#requests.get(requestKey)
    if (request === undefined) {
      request = this.#metrics.requests.cell(
        ...this.#scope,
        proto,
        String(family),
        type === 0 ? 'other' : typeName(type),
      )
      this.#requests.set(requestKey, request)
    }
    let sizes = this.#sizes.get(proto)
    if (sizes === undefined) {
      sizes = {
        request: this.#metrics.requestSizes.cell(...this.#scope, proto),
        response: this.#metrics.responseSizes.cell(...this.#scope, proto),
      }
      this.#sizes.set(proto, sizes)
    }
    return { request, sizes }
  }

  #response({ rcode, plugin }: Reply): Cell {
    let byPlugin = this.#responses.get(rcode)
    if (byPlugin === undefined) {
      byPlugin = new Map()
      this.#responses.set(rcode, byPlugin)
    }
    let cell = byPlugin.get(plugin)
    if (cell === undefined) {
      cell = this.#metrics.responses.cell(...this.#scope, rcodeName(rcode), plugin)
      byPlugin.set(plugin, cell)
    }
    return cell
  }
}
