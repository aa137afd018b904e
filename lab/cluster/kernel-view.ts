import { type NftFamily, NftSocket, packIPv4 } from '#netlink'
import { namespaceName, netnsPath } from './names.ts'

/** The proxy's own tables (proxy/README.md). */
const PROXY_TABLE = 'plexus-proxy'
const FAMILY: NftFamily = 'ip'

/**
 * Reads a node's Service rules from the kernel, without knowing how the proxy lays them out: an endpoint is there if
 * its address occurs in an element of any set or map of the table.
 */
export class KernelView {
  readonly #socket: NftSocket

  constructor(lab: string, node: string) {
    this.#socket = new NftSocket({ netns: netnsPath(namespaceName(lab, node)) })
  }

  /** Which of these IPv4 addresses the kernel's maps and sets mention as data (where packets are sent to). */
  endpoints(addresses: readonly string[]): Set<string> {
    const wanted = new Map(
      addresses.map((address) => [Buffer.from(packIPv4(address)).toString('hex'), address]),
    )
    const found = new Set<string>()
    for (const set of this.#socket.sets(FAMILY, PROXY_TABLE)) {
      for (const { data } of this.#socket.elements(FAMILY, PROXY_TABLE, set.name)) {
        if (!(data instanceof Uint8Array)) continue
        const address = wanted.get(Buffer.from(data.subarray(0, 4)).toString('hex'))
        if (address !== undefined) found.add(address)
      }
    }
    return found
  }

  close(): void {
    this.#socket.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
