import { existsSync } from 'node:fs'
import type { TableSocket } from './sync/kernel-state.ts'

/** Chains that kube-proxy makes in iptables mode, seen through nf_tables (iptables-nft). */
const IPTABLES_CHAIN = 'KUBE-SERVICES'

/**
 * The mode of a kube-proxy that has rules in this network namespace, or undefined. Both would translate every connection; the
 * first in hook order wins, and Services look alive after they are gone from one of them. (Rules of iptables-legacy cannot be seen here.)
 */
export function otherProxy(socket: TableSocket): 'nftables' | 'iptables' | 'ipvs' | undefined {
  const tables = socket.tables()
  if (tables.some(({ name }) => name === 'kube-proxy')) return 'nftables'
  for (const { family, name } of tables) {
    if ((family !== 'ip' && family !== 'ip6') || name !== 'nat') continue
    if (socket.chains(family, name).some((chain) => chain.name === IPTABLES_CHAIN)) return 'iptables'
  }
  return existsSync('/sys/class/net/kube-ipvs0') ? 'ipvs' : undefined
}
