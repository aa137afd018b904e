import { type Message, messagesOf } from '../codec/reader.ts'
import { NetlinkError } from '../errors.ts'
import { type PollHandle, pollReadable } from '../ffi.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../socket.ts'
import { decodeAddress } from './address.ts'
import * as c from './constants.ts'
import { decodeLink } from './link-decode.ts'
import { decodeFdb, decodeNeighbour } from './neighbour.ts'
import { decodeRoute } from './route.ts'
import type { RouteEvent, RouteGroup } from './types.ts'

/** RTNLGRP_*. */
const GROUPS: Readonly<Record<RouteGroup, number>> = {
  link: 1,
  neighbour: 3,
  'ipv4-address': 5,
  'ipv4-route': 7,
  'ipv6-address': 9,
  'ipv6-route': 11,
}

const DATAGRAMS_PER_TURN = 256

export interface RouteMonitorOptions {
  groups: readonly RouteGroup[]
  /** Path of the namespace to watch. */
  netns?: string | undefined
  onEvent(event: RouteEvent): void
  /** Events were lost (the socket's buffer was full, or one could not be read): look at everything anew. */
  onLost(): void
}

/**
 * Notifications about links, addresses, routes and neighbours, delivered on the event loop (uv_poll, no thread).
 * It does not keep the process alive.
 */
export class RouteMonitor {
  readonly #socket: NetlinkSocket
  readonly #options: RouteMonitorOptions
  readonly #poll: PollHandle
  readonly #buffer = new Uint8Array(64 * 1024)
  #closed = false

  constructor(options: RouteMonitorOptions) {
    this.#options = options
    this.#socket = new NetlinkSocket({
      protocol: NETLINK_ROUTE,
      netns: options.netns,
      groups: options.groups.map((group) => GROUPS[group]),
      receiveBuffer: 8 << 20,
      nonBlocking: true,
    })
    this.#poll = pollReadable(this.#socket.fd, () => this.#drain())
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#poll.close()
    // libuv lets go of the descriptor when the handle's close callback has run, after this turn.
    setImmediate(() => this.#socket.close())
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #drain(): void {
    // uv_poll is level triggered: what is left over is reported again, after others had their turn.
    for (let i = 0; i < DATAGRAMS_PER_TURN && !this.#closed; i += 1) {
      try {
        const length = this.#socket.receive(this.#buffer, 'RouteMonitor', { dontWait: true })
        if (length === undefined) return
        for (const message of messagesOf(this.#buffer, length)) {
          const event = decodeEvent(message)
          if (event !== undefined && !this.#closed) this.#options.onEvent(event)
        }
      } catch (error) {
        if (!isLoss(error)) throw error
        if (!this.#closed) this.#options.onLost()
      }
    }
  }
}

/** ENOBUFS, or a message that makes no sense: either way something is not known any more. */
function isLoss(error: unknown): boolean {
  if (error instanceof NetlinkError) return error.code === 'ENOBUFS'
  return error instanceof Error && 'code' in error && error.code === 'NETLINK_FORMAT'
}

function decodeEvent(message: Message): RouteEvent | undefined {
  switch (message.type) {
    case c.RTM_NEWLINK:
    case c.RTM_DELLINK:
      // Bridges report their ports with AF_BRIDGE, in a layout of its own; the plain message comes, too.
      if (message.bytes[message.body] === c.AF_BRIDGE) return undefined
      return { kind: 'link', deleted: message.type === c.RTM_DELLINK, link: decodeLink(message) }
    case c.RTM_NEWADDR:
    case c.RTM_DELADDR: {
      const address = decodeAddress(message)
      return address && { kind: 'address', deleted: message.type === c.RTM_DELADDR, address }
    }
    case c.RTM_NEWROUTE:
    case c.RTM_DELROUTE: {
      const route = decodeRoute(message)
      return route && { kind: 'route', deleted: message.type === c.RTM_DELROUTE, route }
    }
    case c.RTM_NEWNEIGH:
    case c.RTM_DELNEIGH: {
      const deleted = message.type === c.RTM_DELNEIGH
      const entry = decodeFdb(message)
      if (entry !== undefined) return { kind: 'fdb', deleted, entry }
      const neighbour = decodeNeighbour(message)
      return neighbour && { kind: 'neighbour', deleted, neighbour }
    }
    default:
      return undefined
  }
}
