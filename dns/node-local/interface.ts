import { isAlreadyExists, type LinkSpec, NetlinkError, RouteSocket } from '#netlink'

/**
 * The interface that carries the addresses. A dummy link where the kernel has them, else a bridge without ports: both
 * only have to exist and be up for their addresses to be local ones.
 */
export class LocalInterface {
  readonly #name: string
  readonly #addresses: readonly string[]

  constructor(name: string, addresses: readonly string[]) {
    this.#name = name
    this.#addresses = addresses
  }

  /** Makes what is missing; true if something was. Throws NetlinkError. */
  ensure(): boolean {
    using route = new RouteSocket()
    let link = route.link(this.#name)
    let changed = false
    if (link === undefined) {
      this.#create(route)
      link = route.link(this.#name)
      changed = true
    }
    if (link === undefined) return changed
    if (!link.up) {
      route.setLink(link.index, { up: true })
      changed = true
    }
    const there = new Set(route.addresses({ index: link.index }).map(({ address }) => address))
    for (const address of this.#addresses) {
      if (there.has(address)) continue
      // Without duplicate address detection: every node has the same address, and a link without carrier never ends it.
      route.replaceAddress({ index: link.index, address, ...(address.includes(':') ? { noDad: true } : {}) })
      changed = true
    }
    return changed
  }

  remove(): void {
    using route = new RouteSocket()
    const link = route.link(this.#name)
    if (link?.kind === 'dummy' || link?.kind === 'bridge') route.deleteLink(link.index)
  }

  #create(route: RouteSocket): void {
    const spec = { name: this.#name, up: true }
    for (const kind of ['dummy', 'bridge'] as const) {
      try {
        route.addLink({ ...spec, kind } satisfies LinkSpec)
        return
      } catch (error) {
        if (isAlreadyExists(error)) return
        const unknown = error instanceof NetlinkError && ['EOPNOTSUPP', 'ENOTSUP'].includes(error.code)
        if (kind === 'bridge' || !unknown) throw error
      }
    }
  }
}
