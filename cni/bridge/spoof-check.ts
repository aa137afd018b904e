import { concat, isNotFound, type NftSocket, NftTransaction, nft, packIfname, packMac } from '#netlink'
import { type AttachmentKey, parseAlias } from '../attachment.ts'
import { nftables } from '../nat/kernel.ts'
import { commentOf, tableName } from '../nat/names.ts'

/** Sets of table `bridge plexus-cni`: ports that are checked, and the MAC address each may use. */
const names = { ports: 'checked_ports', addresses: 'port_macs', chain: 'prerouting' } as const
const table = { family: 'bridge', table: tableName } as const
/** NF_BR_PRI_FILTER_BRIDGED - 100: where the reference plugin looks (plugins/pkg/link/spoofcheck.go). */
const priority = -300

/** macspoofchk: drops frames of a pod that carry another source address than its own. */
export function checkSpoofing(key: AttachmentKey, port: string, mac: string): void {
  const socket = nftables()
  const commit = ({ scaffold }: { scaffold: boolean }): void => {
    const tx = new NftTransaction()
    if (scaffold) addChain(tx)
    const comment = commentOf(key)
    tx.addElements({ ...table, set: names.addresses }, [
      { key: concat(packIfname(port), packMac(mac)), comment },
    ])
    tx.addElements({ ...table, set: names.ports }, [{ key: packIfname(port), comment }])
    socket.commit(tx)
  }
  try {
    commit({ scaffold: false })
  } catch (error) {
    if (!isNotFound(error)) throw error
    commit({ scaffold: true })
  }
}

/** Ends the check of one attachment. Nothing being there is fine. */
export function endSpoofCheck(key: AttachmentKey): void {
  end((comment) => comment === commentOf(key))
}

/** Ends the checks of a network's attachments that are not valid. */
export function endStaleSpoofChecks(isStale: (key: AttachmentKey) => boolean): void {
  end((comment) => {
    const key = parseAlias(comment)
    return key !== undefined && isStale(key)
  })
}

/** True while both elements of an attachment are there. */
export function isSpoofChecked(key: AttachmentKey): boolean {
  const socket = nftables()
  return [names.ports, names.addresses].every((set) =>
    elements(socket, set).some(({ comment }) => comment === commentOf(key)),
  )
}

function end(isLeaving: (comment: string) => boolean): void {
  const socket = nftables()
  const tx = new NftTransaction()
  for (const set of [names.ports, names.addresses]) {
    const leaving = elements(socket, set).filter(({ comment = '' }) => isLeaving(comment))
    if (leaving.length > 0) tx.destroyElements({ ...table, set }, leaving)
  }
  if (!tx.empty) socket.commit(tx)
}

function addChain(tx: NftTransaction): void {
  tx.addTable({
    family: 'bridge',
    name: tableName,
    comment: 'Plexus CNI: MAC addresses of pods (macspoofchk)',
  })
  tx.addSet({ ...table, name: names.ports, key: ['ifname'] })
  tx.addSet({ ...table, name: names.addresses, key: ['ifname', 'ether_addr'] })
  tx.addChain({ ...table, name: names.chain, hook: { name: 'prerouting', priority, type: 'filter' } })
  tx.flushChain({ ...table, name: names.chain })
  tx.addRule({
    ...table,
    chain: names.chain,
    expressions: [
      nft.meta({ key: 'iifname' }),
      nft.lookup({ set: names.ports }),
      nft.meta({ key: 'iifname' }),
      // The source address in the Ethernet header.
      nft.payload({ base: 'link', offset: 6, length: 6, register: 2 }),
      nft.lookup({ set: names.addresses, not: true }),
      nft.drop(),
    ],
  })
}

function elements(socket: NftSocket, set: string): ReturnType<NftSocket['elements']> {
  try {
    return socket.elements('bridge', tableName, set)
  } catch (error) {
    if (isNotFound(error)) return []
    throw error
  }
}
