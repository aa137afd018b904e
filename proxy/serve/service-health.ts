import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'
import type { Logger } from 'pino'
import type { Service, Store } from '#watch'
import type { RecordEvent } from '../events.ts'
import type { ProxyIdentity } from '../model/handled.ts'
import { keepListening, type Listener } from './listen.ts'
import { healthCheckPortOf, localReadyEndpoints } from './local-endpoints.ts'

export interface ServiceHealthOptions {
  readonly store: Store
  readonly nodeName: string
  readonly identity: ProxyIdentity
  /** as configured: `primary` and CIDRs */
  readonly nodePortAddresses: readonly string[]
  primaryAddresses(): readonly string[]
  proxyHealthy(): boolean
  readonly log: Logger
  readonly recordEvent: RecordEvent
}

/**
 * The HTTP servers of healthCheckNodePort: load balancers ask them which nodes have endpoints of a Service with
 * externalTrafficPolicy Local (pkg/proxy/healthcheck/service_health.go).
 */
export class ServiceHealthServers {
  readonly #options: ServiceHealthOptions
  /** by Service, port and address */
  readonly #listeners = new Map<string, Listener>()
  /** ports by Service, so that a change of one Service costs no look at all others */
  readonly #ports = new Map<string, number>()
  #closing: Promise<unknown> = Promise.resolve()

  constructor(options: ServiceHealthOptions) {
    this.#options = options
  }

  /** Takes note of changed Services, and opens and closes servers. */
  update(services: Iterable<string>): void {
    const { store, identity } = this.#options
    for (const key of services) {
      const service = store.get('Service', key)
      const port = service === undefined ? undefined : healthCheckPortOf(service, identity)
      if (port === undefined) this.#ports.delete(key)
      else this.#ports.set(key, port)
    }
    if (this.#ports.size > 0 || this.#listeners.size > 0) this.refresh()
  }

  /** Opens and closes servers by the addresses that this node has now. */
  refresh(): void {
    const wanted = new Map<string, { key: string; host: string; port: number }>()
    const addresses = this.#ports.size === 0 ? [] : this.#addresses()
    for (const [key, port] of this.#ports) {
      for (const host of addresses) wanted.set(`${key} ${host} ${port}`, { key, host, port })
    }
    const gone = [...this.#listeners].filter(([id]) => !wanted.has(id))
    for (const [id] of gone) this.#listeners.delete(id)
    const closing = Promise.all([this.#closing, ...gone.map(([, listener]) => listener.close())])
    this.#closing = closing.catch(() => {})
    for (const [id, { key, host, port }] of wanted) {
      if (!this.#listeners.has(id)) this.#listeners.set(id, this.#open(key, host, port))
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()))
    await this.#closing
    this.#listeners.clear()
  }

  #open(key: string, host: string, port: number): Listener {
    return keepListening({
      host,
      port,
      log: this.#options.log,
      what: `healthCheckNodePort of Service ${key}`,
      routes: {
        '/*': (reply) => {
          const service = this.#options.store.get('Service', key)
          const { code, weight, body } = this.#answer(key, service)
          reply.code(code).type('application/json').header('X-Content-Type-Options', 'nosniff')
          reply.header('X-Load-Balancing-Endpoint-Weight', String(weight))
          return body
        },
      },
      onFailure: (reason) =>
        this.#options.recordEvent({
          kind: 'Service',
          object: key,
          type: 'Warning',
          reason: 'FailedToStartServiceHealthcheck',
          message: `node ${this.#options.nodeName} failed to start healthcheck on port ${port}: ${reason}`,
        }),
    })
  }

  #answer(key: string, service: Service | undefined): { code: number; weight: number; body: object } {
    const { store, nodeName, proxyHealthy } = this.#options
    const count = service === undefined ? 0 : localReadyEndpoints(store, service, nodeName)
    const healthy = proxyHealthy()
    const [namespace, name] = key.split('/')
    return {
      code: count > 0 && healthy ? 200 : 503,
      weight: count,
      body: { service: { namespace, name }, localEndpoints: count, serviceProxyHealthy: healthy },
    }
  }

  /** Where node ports are offered: the node's primary addresses, and what lies in the configured networks. */
  #addresses(): string[] {
    const { nodePortAddresses, primaryAddresses } = this.#options
    const found = new Set(nodePortAddresses.includes('primary') ? primaryAddresses() : [])
    const networks = nodePortAddresses
      .filter((entry) => entry !== 'primary')
      .map((cidr) => ipaddr.parseCIDR(cidr))
    if (networks.length === 0) return [...found]
    const local = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
    for (const { address, scopeid } of local) {
      const parsed = ipaddr.parse(address)
      // A link-local address is none without its interface.
      if (scopeid !== undefined && scopeid !== 0) continue
      if (networks.some((network) => network[0].kind() === parsed.kind() && parsed.match(network)))
        found.add(address)
    }
    return [...found]
  }
}
