import { randomBytes } from 'node:crypto'
import { type NftExpression, NftSocket, NftTransaction, nft } from '#netlink'

/** before conntrack (NF_IP_PRI_RAW) */
const rawPriority = -300

export interface NotrackOptions {
  readonly addresses: readonly string[]
  readonly udpPorts: readonly number[]
  readonly tcpPorts: readonly number[]
}

/**
 * Takes queries to the node-local addresses, and their answers, past connection tracking: no entry to race for, none to
 * run out of, and no DNAT of kube-proxy where an address is a Service's. The kernel removes the table when this process
 * ends, however it ends: then queries to the Service's address go the ordinary way again.
 */
export class NotrackRules {
  readonly table = `plexus-dns-${randomBytes(4).toString('hex')}`
  readonly #socket = new NftSocket()

  constructor(options: NotrackOptions) {
    const transaction = new NftTransaction()
    const { table } = this
    const family = 'inet'
    transaction.addTable({ family, name: table, owner: true, comment: 'Plexus DNS: node-local addresses' })
    for (const hook of ['prerouting', 'output'] as const) {
      transaction.addChain({
        family,
        table,
        name: hook,
        hook: { name: hook, priority: rawPriority, type: 'filter' },
        policy: 'accept',
      })
      for (const expressions of rules(options))
        transaction.addRule({ family, table, chain: hook, expressions })
    }
    try {
      this.#socket.commit(transaction)
    } catch (error) {
      this.#socket.close()
      throw error
    }
  }

  remove(): void {
    this.#socket.close()
  }
}

function rules({ addresses, udpPorts, tcpPorts }: NotrackOptions): NftExpression[][] {
  const ports = [
    ...udpPorts.map((port) => ['udp', port] as const),
    ...tcpPorts.map((port) => ['tcp', port] as const),
  ]
  return addresses.flatMap((address) => {
    const family = nft.matchNfproto(address.includes(':') ? 6 : 4)
    return ports.flatMap(([protocol, port]) => [
      [...family, ...nft.matchDaddr(address), ...nft.matchDport(protocol, port), nft.notrack()],
      [...family, ...nft.matchSaddr(address), ...nft.matchSport(protocol, port), nft.notrack()],
    ])
  })
}
