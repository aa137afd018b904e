import { createHash } from 'node:crypto'
import { type NftSocket, NftTransaction } from '#netlink'
import type { AttachmentKey } from '../attachment.ts'

const families = ['ip', 'ip6'] as const
/** The chains whose rules lead to pods' chains. */
const entrances = ['POSTROUTING', 'CNI-HOSTPORT-DNAT'] as const
/** Of ipMasq: `name: "N" id: "C"`; of portmap the same after `dnat `. Names and ids hold no quotes. */
const ownerPattern = /name: "([^"]*)" id: "([^"]*)"/

/**
 * Takes out what the reference plugins' iptables backends have made for a pod, so that a node can change over to these
 * plugins while its pods live: the chain of ipMasq (plugins/pkg/ip/ipmasq_linux.go), that of portmap, and the rules
 * that lead to them. `tables` are those of the node; where there is no iptables-nft this costs nothing.
 */
export function removeIptablesLeftovers(
  socket: NftSocket,
  { network, containerID }: AttachmentKey,
  tables: readonly { family: string; name: string }[],
): void {
  const digest = createHash('sha512').update(`${network}${containerID}`).digest('hex')
  const leftovers = [
    { chain: `CNI-${digest.slice(0, 24)}`, from: entrances[0] },
    { chain: `CNI-DN-${digest.slice(0, 21)}`, from: entrances[1] },
  ]
  const tx = new NftTransaction()
  for (const family of families) {
    if (!tables.some((table) => table.family === family && table.name === 'nat')) continue
    for (const { chain, from } of leftovers) {
      // The kernel says nothing of a chain that is not there.
      if (socket.rules(family, 'nat', chain).length === 0) continue
      for (const { handle, expressions } of socket.rules(family, 'nat', from)) {
        const leads = expressions.some(({ data }) => Buffer.from(data).includes(`${chain}\0`))
        if (leads) tx.deleteRule({ family, table: 'nat', chain: from, handle })
      }
      tx.flushChain({ family, table: 'nat', name: chain })
      tx.deleteChain({ family, table: 'nat', name: chain })
    }
  }
  if (!tx.empty) socket.commit(tx)
}

/**
 * The pods that rules of the reference plugins' iptables backends are for, as the comments of these say; they do not name the
 * interface (`ifname` is '').
 */
export function podsInIptables(socket: NftSocket): AttachmentKey[] {
  const tables = socket.tables()
  const found = new Map<string, AttachmentKey>()
  for (const family of families) {
    if (!tables.some((table) => table.family === family && table.name === 'nat')) continue
    for (const { comment = '', expressions } of entrances.flatMap((chain) =>
      socket.rules(family, 'nat', chain),
    )) {
      // iptables keeps a comment as a match of its own or, in newer versions, beside the rule.
      const texts = [comment, ...expressions.map(({ data }) => Buffer.from(data).toString('latin1'))]
      const [, network, containerID] = ownerPattern.exec(texts.join('\n')) ?? []
      if (network === undefined || containerID === undefined) continue
      found.set(`${network}/${containerID}`, { network, containerID, ifname: '' })
    }
  }
  return [...found.values()]
}
