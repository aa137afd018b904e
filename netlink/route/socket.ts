import { closeSync, openSync } from 'node:fs'
import type { Message } from '../codec/reader.ts'
import { isNotFound, NOT_FOUND_ERRNOS } from '../errors.ts'
import {
  NETLINK_ROUTE,
  NetlinkSocket,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../socket.ts'
import { decodeAddress, writeAddress, writeAddressDump } from './address.ts'
import type { RouteBatch, RouteRefusal } from './batch.ts'
import * as c from './constants.ts'
import { decodeLink, decodeLinkGroup } from './link-decode.ts'
import {
  canCarryPort,
  changesBridgePort,
  writeBridgePort,
  writeChange,
  writeIfinfomsg,
  writeLinkGroup,
  writeNewLink,
} from './link-encode.ts'
import {
  decodeFdb,
  decodeNeighbour,
  writeFdb,
  writeFdbDump,
  writeNeighbour,
  writeNeighbourDump,
} from './neighbour.ts'
import {
  addressRequest,
  type Draft,
  linkRequest,
  neighbourRequest,
  oneLink,
  routeRequest,
} from './request.ts'
import { decodeRoute, writeRoute, writeRouteDump, writeRouteTo } from './route.ts'
import type * as t from './types.ts'

const ENETUNREACH = 101
const ADD = NLM_F_CREATE | NLM_F_EXCL
const PUT = NLM_F_CREATE | NLM_F_REPLACE

/**
 * rtnetlink (rtnetlink(7)) in one namespace. Every call is synchronous: the kernel answers within the system call.
 * Failures throw NetlinkError; see `isNotFound`, `isAlreadyExists`.
 */
export class RouteSocket {
  readonly #socket: NetlinkSocket

  /** `netns` is the path of a namespace; default: the one the thread is in. */
  constructor(options: { netns?: string | undefined } = {}) {
    this.#socket = new NetlinkSocket({
      protocol: NETLINK_ROUTE,
      netns: options.netns,
      receiveBuffer: 4 << 20,
    })
  }

  close(): void {
    this.#socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** All links. */
  links(): t.Link[] {
    return this.#dump(
      linkRequest('links', c.RTM_GETLINK, (w) => writeIfinfomsg(w, {})),
      (message) => decodeLink(message),
    )
  }

  /** One link by name or index, undefined if there is none; with counters if asked for. */
  link(nameOrIndex: string | number, { stats = false } = {}): t.Link | undefined {
    return this.#get(oneLink(nameOrIndex), (message) => decodeLink(message, { stats }))
  }

  /** The group of a link, undefined if there is no such link: all that is read of the answer. */
  linkGroup(index: number): number | undefined {
    return this.#get(oneLink(index), decodeLinkGroup)
  }

  /** Makes a link; EEXIST if the name is taken. */
  addLink(spec: t.LinkSpec): void {
    const fds: number[] = []
    const open = (path: string | undefined): number | undefined => {
      if (path === undefined) return undefined
      const fd = openSync(path, 'r')
      fds.push(fd)
      return fd
    }
    try {
      const namespaces = { netns: open(spec.netns), peer: open(spec.veth?.peerNetns) }
      this.#do(
        linkRequest(spec.name, c.RTM_NEWLINK, (w) => writeNewLink(w, spec, namespaces)),
        ADD,
      )
    } finally {
      for (const fd of fds) closeSync(fd)
    }
    if (spec.veth?.peerUp === true) this.#setPeerUp(spec.veth)
  }

  #setPeerUp({ peerName, peerNetns }: t.VethSpec): void {
    using other = peerNetns === undefined ? undefined : new RouteSocket({ netns: peerNetns })
    const socket = other ?? this
    const peer = socket.link(peerName)
    if (peer !== undefined) socket.setLink(peer.index, { up: true })
  }

  /** Changes a link; attributes of a bridge port are set after `master` took effect. */
  setLink(index: number, change: t.LinkChange): void {
    const { hairpin: _h, isolated: _i, learning: _l, ...plain } = change
    const isPlain = Object.values(plain).some((value) => value !== undefined)
    if (isPlain) {
      const netns = change.netns === undefined ? undefined : openSync(change.netns, 'r')
      try {
        this.#do(
          linkRequest(`${index}`, c.RTM_NEWLINK, (w) => writeChange(w, index, change, netns)),
          0,
        )
      } finally {
        if (netns !== undefined) closeSync(netns)
      }
    }
    if (changesBridgePort(change) && !(isPlain && canCarryPort(change))) {
      this.#do(
        linkRequest(`${index} bridge port`, c.RTM_NEWLINK, (w) => writeBridgePort(w, index, change)),
        0,
      )
    }
  }

  /** Deletes a link (a veth takes its peer along). The kernel may block some 16 ms on it. */
  deleteLink(index: number): void {
    this.#do(
      linkRequest(`${index}`, c.RTM_DELLINK, (w) => writeIfinfomsg(w, { index })),
      0,
    )
  }

  /** Deletes all links of a group (IFLA_GROUP) at once: 20 cost hardly more than one. ENODEV if there is none. */
  deleteLinkGroup(group: number): void {
    const draft = linkRequest(`group ${group}`, c.RTM_DELLINK, (w) => {
      writeIfinfomsg(w, {})
      writeLinkGroup(w, group)
    })
    this.#do(draft, 0)
  }

  /** Addresses, filtered by the kernel. */
  addresses(filter: { index?: number | undefined; family?: t.AddressFamily | undefined } = {}): t.Address[] {
    return this.#dump(
      addressRequest('addresses', c.RTM_GETADDR, (w) => writeAddressDump(w, filter)),
      decodeAddress,
    )
  }

  /** Adds an address or brings it up to date. */
  replaceAddress(spec: t.AddressSpec): void {
    this.#do(
      addressRequest(spec.address, c.RTM_NEWADDR, (w) => writeAddress(w, spec)),
      PUT,
    )
  }

  /** EADDRNOTAVAIL if there is none. */
  deleteAddress(spec: t.AddressSpec): void {
    this.#do(
      addressRequest(spec.address, c.RTM_DELADDR, (w) => writeAddress(w, spec)),
      0,
    )
  }

  /** Routes of both families unless filtered; all tables unless `table` is given. */
  routes(filter: t.RouteFilter = {}): t.Route[] {
    const families = filter.family === undefined ? ([4, 6] as const) : [filter.family]
    return families.flatMap((family) => {
      try {
        return this.#dump(
          routeRequest('routes', c.RTM_GETROUTE, (w) => writeRouteDump(w, family, filter)),
          (message) => decodeRoute(message),
        )
      } catch (error) {
        // The kernel says ENOENT for a table nobody has put a route in yet.
        if (isNotFound(error)) return []
        throw error
      }
    })
  }

  /** EEXIST if there is one to that prefix with the same metric. */
  addRoute(spec: t.RouteSpec): void {
    this.#do(
      routeRequest(spec.destination, c.RTM_NEWROUTE, (w) => writeRoute(w, spec, 'new')),
      ADD,
    )
  }

  /** Adds a route, or replaces the one to that prefix with the same metric. */
  replaceRoute(spec: t.RouteSpec): void {
    this.#do(
      routeRequest(spec.destination, c.RTM_NEWROUTE, (w) => writeRoute(w, spec, 'new')),
      PUT,
    )
  }

  /** Adds another route to the same prefix beside those there (`ip route append`). */
  appendRoute(spec: t.RouteSpec): void {
    this.#do(
      routeRequest(spec.destination, c.RTM_NEWROUTE, (w) => writeRoute(w, spec, 'new')),
      NLM_F_CREATE | NLM_F_APPEND,
    )
  }

  /** Deletes the first route that matches what is given; ESRCH if none does. */
  deleteRoute(spec: t.RouteSpec): void {
    this.#do(
      routeRequest(spec.destination, c.RTM_DELROUTE, (w) => writeRoute(w, spec, 'delete')),
      0,
    )
  }

  /** The route the kernel would take to an address (`ip route get`); undefined if unreachable. */
  routeTo(destination: string): t.Route | undefined {
    const draft = routeRequest(`to ${destination}`, c.RTM_GETROUTE, (w) => writeRouteTo(w, destination))
    const decode = (message: Message) => decodeRoute(message, { cloned: true })
    return this.#get(draft, decode, [...NOT_FOUND_ERRNOS, ENETUNREACH])
  }

  /** Entries of the neighbour tables (ARP, NDP). */
  neighbours(
    filter: { index?: number | undefined; family?: t.AddressFamily | undefined } = {},
  ): t.Neighbour[] {
    const draft = neighbourRequest('neighbours', c.RTM_GETNEIGH, (w) => writeNeighbourDump(w, filter))
    return this.#dump(draft, decodeNeighbour)
  }

  replaceNeighbour(spec: t.NeighbourSpec): void {
    this.#do(
      neighbourRequest(spec.address, c.RTM_NEWNEIGH, (w) => writeNeighbour(w, spec)),
      PUT,
    )
  }

  deleteNeighbour(spec: t.NeighbourSpec): void {
    this.#do(
      neighbourRequest(spec.address, c.RTM_DELNEIGH, (w) => writeNeighbour(w, spec)),
      0,
    )
  }

  /** Forwarding databases of VXLAN devices and bridges; with `index` that device's only. */
  fdb(index?: number): t.FdbEntry[] {
    const draft = neighbourRequest('fdb', c.RTM_GETNEIGH, (w) => writeFdbDump(w, index))
    return this.#dump(draft, decodeFdb)
  }

  /** Sets the one destination of a MAC address in a forwarding database. */
  replaceFdb(spec: t.FdbSpec): void {
    this.#do(
      neighbourRequest(`fdb ${spec.mac}`, c.RTM_NEWNEIGH, (w) => writeFdb(w, spec)),
      PUT,
    )
  }

  deleteFdb(spec: t.FdbSpec): void {
    this.#do(
      neighbourRequest(`fdb ${spec.mac}`, c.RTM_DELNEIGH, (w) => writeFdb(w, spec)),
      0,
    )
  }

  /** Sends many changes in few datagrams. Each is tried; the refused ones come back. */
  apply(batch: RouteBatch): RouteRefusal[] {
    return batch.sendOn(this.#socket)
  }

  #do(draft: Draft, flags: number): void {
    this.#socket.request({ ...draft, flags })
  }

  #dump<T>(draft: Draft, decode: (message: Message) => T | undefined): T[] {
    return this.#socket.dump({ ...draft, flags: 0 }, decode)
  }

  #get<T>(
    draft: Draft,
    decode: (message: Message) => T | undefined,
    expected = NOT_FOUND_ERRNOS,
  ): T | undefined {
    let found: T | undefined
    this.#socket.request({ ...draft, flags: 0, expected }, (message) => {
      found ??= decode(message)
    })
    return found
  }
}
