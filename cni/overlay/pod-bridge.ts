import type { Logger } from 'pino'
import type { Link, RouteSocket } from '#netlink'
import { firstAddress } from './prefix.ts'

/**
 * The bridge that holds the pod network's first address (cni0), which the CNI plugin makes with the MTU of its time.
 * It must not have a larger MTU than the tunnel, nor stay small when all its pods are larger. Pods keep what they were
 * made with: those that are too large are counted for a warning.
 */
export class PodBridge {
  readonly #socket: RouteSocket
  readonly #log: Logger
  #oversized = 0

  constructor(socket: RouteSocket, log: Logger) {
    this.#socket = socket
    this.#log = log
  }

  /** Makes the bridge's MTU that of the overlay; returns what was done. */
  ensure(spec: { subnets: readonly string[]; mtu: number }): string[] {
    const { mtu } = spec
    const bridge = this.#find(spec.subnets)
    if (bridge === undefined) return []
    const ports = this.#socket.links().filter(({ master }) => master === bridge.index)
    this.#warn(bridge, ports.filter((port) => port.mtu > mtu).length, mtu)
    // The bridge drops without a word what is larger than a port, so it is raised only when no port is smaller.
    const raise = bridge.mtu < mtu && ports.length > 0 && ports.every((port) => port.mtu >= mtu)
    if (bridge.mtu <= mtu && !raise) return []
    this.#socket.setLink(bridge.index, { mtu })
    return [`set ${bridge.name} mtu ${mtu}`]
  }

  #find(subnets: readonly string[]): Link | undefined {
    const gateways = new Set(subnets.map((subnet) => firstAddress(subnet).split('/')[0] ?? ''))
    const holder = this.#socket.addresses().find(({ address }) => gateways.has(address))
    const link = holder === undefined ? undefined : this.#socket.link(holder.index)
    return link?.kind === 'bridge' ? link : undefined
  }

  #warn(bridge: Link, oversized: number, mtu: number): void {
    if (oversized > this.#oversized) {
      this.#log.warn(
        { bridge: bridge.name, pods: oversized, mtu },
        'pods made before have a larger MTU than the tunnel: their large packets rely on path MTU discovery, new pods fit',
      )
    }
    this.#oversized = oversized
  }
}
