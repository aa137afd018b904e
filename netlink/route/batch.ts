import type { NetlinkError } from '../errors.ts'
import { type NetlinkRequest, type NetlinkSocket, NLM_F_CREATE, NLM_F_REPLACE } from '../socket.ts'
import * as c from './constants.ts'
import { writeFdb, writeNeighbour } from './neighbour.ts'
import { type Draft, neighbourRequest, routeRequest } from './request.ts'
import { writeRoute } from './route.ts'
import type { FdbSpec, NeighbourSpec, RouteSpec } from './types.ts'

const PUT = NLM_F_CREATE | NLM_F_REPLACE

/** A change of a batch that the kernel did not accept. */
export interface RouteRefusal {
  /** Position in the batch, from 0. */
  readonly index: number
  /** The label the change was given. */
  readonly subject: string
  readonly error: NetlinkError
}

/**
 * Changes to routes, neighbours and forwarding entries to be sent together (`RouteSocket.apply`): unlike a transaction
 * of nf_tables each takes effect or is refused on its own. `subject` is a label for errors, e.g. 'Node node2'.
 */
export class RouteBatch {
  readonly #requests: NetlinkRequest[] = []
  readonly #subjects: string[] = []

  get size(): number {
    return this.#requests.length
  }

  replaceRoute(spec: RouteSpec, subject = ''): void {
    const body: Draft['body'] = (w) => writeRoute(w, spec, 'new')
    this.#add(routeRequest(spec.destination, c.RTM_NEWROUTE, body), PUT, subject)
  }

  deleteRoute(spec: RouteSpec, subject = ''): void {
    const body: Draft['body'] = (w) => writeRoute(w, spec, 'delete')
    this.#add(routeRequest(spec.destination, c.RTM_DELROUTE, body), 0, subject)
  }

  replaceNeighbour(spec: NeighbourSpec, subject = ''): void {
    const body: Draft['body'] = (w) => writeNeighbour(w, spec)
    this.#add(neighbourRequest(spec.address, c.RTM_NEWNEIGH, body), PUT, subject)
  }

  deleteNeighbour(spec: NeighbourSpec, subject = ''): void {
    const body: Draft['body'] = (w) => writeNeighbour(w, spec)
    this.#add(neighbourRequest(spec.address, c.RTM_DELNEIGH, body), 0, subject)
  }

  replaceFdb(spec: FdbSpec, subject = ''): void {
    this.#add(
      neighbourRequest(`fdb ${spec.mac}`, c.RTM_NEWNEIGH, (w) => writeFdb(w, spec)),
      PUT,
      subject,
    )
  }

  deleteFdb(spec: FdbSpec, subject = ''): void {
    this.#add(
      neighbourRequest(`fdb ${spec.mac}`, c.RTM_DELNEIGH, (w) => writeFdb(w, spec)),
      0,
      subject,
    )
  }

  /** For RouteSocket.apply. */
  sendOn(socket: NetlinkSocket): RouteRefusal[] {
    return [...socket.requestAll(this.#requests)].map(([index, error]) => ({
      index,
      subject: this.#subjects[index] ?? '',
      error,
    }))
  }

  #add(draft: Draft, flags: number, subject: string): void {
    this.#requests.push({ ...draft, flags })
    this.#subjects.push(subject)
  }
}
