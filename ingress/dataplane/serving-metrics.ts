import { Counter, Gauge, type Registry } from 'prom-client'
import type { UpstreamGroup } from '../upstream/index.ts'

/** Connections of clients. */
export interface ConnectionCounts {
  /** So far. */
  readonly accepted: number
  readonly active: number
  /** Kept alive between two requests. */
  readonly waiting: number
}

/** What is measured when somebody asks. */
export interface Measured {
  readonly requests: number
  readonly connections: ConnectionCounts
  readonly idleUpstream: number
  /** Upstreams whose servers are checked here; none in processes that leave it to the first. */
  readonly groups: () => Iterable<readonly [owner: string, group: UpstreamGroup]>
}

/** Puts APISIX's metrics of the gateway as a whole into the registry. Returns the counter of stream connections. */
export function registerServingMetrics(registry: Registry, measured: Measured): Counter<'route'> {
  const registers = [registry]
  for (const name of [
    'apisix_http_requests_total',
    'apisix_nginx_http_current_connections',
    'apisix_upstream_status',
    'apisix_stream_connection_total',
  ])
    registry.removeSingleMetric(name)
  new Counter({
    name: 'apisix_http_requests_total',
    help: 'Requests received',
    registers,
    collect() {
      this.reset()
      this.inc(measured.requests)
    },
  })
  new Gauge({
    name: 'apisix_nginx_http_current_connections',
    help: 'Connections of clients (accepted and handled: so far), and idle ones to upstreams',
    labelNames: ['state'],
    registers,
    collect() {
      const { accepted, active, waiting } = measured.connections
      const states = { accepted, handled: accepted, active, reading: 0, waiting, writing: active - waiting }
      for (const [state, count] of Object.entries(states)) this.set({ state }, count)
      this.set({ state: 'upstream_idle' }, measured.idleUpstream)
    },
  })
  new Gauge({
    name: 'apisix_upstream_status',
    help: 'Health of servers that are checked: 1 healthy, 0 not',
    labelNames: ['name', 'ip', 'port'],
    registers,
    collect() {
      this.reset()
      for (const [owner, { health, servers }] of measured.groups()) {
        if (health === undefined) continue
        for (const server of servers) {
          const { host: ip, port } = server
          this.set({ name: `/apisix/${owner}`, ip, port }, health.isHealthy(server) ? 1 : 0)
        }
      }
    },
  })
  return new Counter({
    name: 'apisix_stream_connection_total',
    help: 'Connections (TCP) and sessions (UDP) of the stream proxy per stream route',
    labelNames: ['route'],
    registers,
  })
}
