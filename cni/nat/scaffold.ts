import { type NftExpression, type NftTransaction, nft } from '#netlink'
import { chains, type Family, hairpinMark, masqueradeChain, sets, tableFamily, tableName } from './names.ts'

/** Hooks as the reference portmap plugin's nftables backend has them. */
const dstnat = -100
const srcnat = 100

const multicast: Readonly<Record<Family, string>> = { 4: '224.0.0.0/4', 6: 'ff00::/8' }

/**
 * Lays down table, sets, chains and rules of one family; what exists stays, rules are written anew. It is needed for
 * the first pod only: every later one adds elements.
 */
export function addScaffold(tx: NftTransaction, family: Family): void {
  const at = { family: tableFamily(family), table: tableName }
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr'
  const port = ['inet_proto', 'inet_service'] as const
  tx.addTable({
    family: at.family,
    name: tableName,
    comment: 'Plexus CNI: masquerading and published ports of pods',
  })
  tx.addSet({ ...at, name: sets.masquerade, key: [address], data: 'verdict' })
  tx.addSet({ ...at, name: sets.hostports, key: port, data: [address, 'inet_service'] })
  tx.addSet({ ...at, name: sets.hostipHostports, key: [address, ...port], data: [address, 'inet_service'] })
  tx.addSet({ ...at, name: sets.hostportKeys, key: port })
  tx.addSet({ ...at, name: sets.hostipHostportKeys, key: [address, ...port] })
  tx.addSet({ ...at, name: sets.masqueradedHostports, key: port })
  tx.addSet({ ...at, name: sets.masqueradedHostipHostports, key: [address, ...port] })
  tx.addSet({ ...at, name: sets.bridges, key: ['ifname'] })
  tx.addChain({ ...at, name: chains.hostports })
  tx.addChain({ ...at, name: chains.prerouting, hook: { name: 'prerouting', priority: dstnat, type: 'nat' } })
  tx.addChain({ ...at, name: chains.output, hook: { name: 'output', priority: dstnat, type: 'nat' } })
  tx.addChain({
    ...at,
    name: chains.postrouting,
    hook: { name: 'postrouting', priority: srcnat, type: 'nat' },
  })

  const write = (chain: string, ...rules: (NftExpression | readonly NftExpression[])[][]): void => {
    tx.flushChain({ ...at, name: chain })
    for (const expressions of rules) tx.addRule({ ...at, chain, expressions })
  }
  const jump = [nft.matchLocal('daddr'), nft.jump(chains.hostports)]
  write(chains.prerouting, jump)
  // There is no route_localnet for IPv6: a connection to ::1 can never reach a pod.
  if (family === 4) write(chains.output, jump)
  else write(chains.output, [nft.matchDaddr('::1/128', { not: true }), ...jump])
  write(chains.hostports, ...hostportRules(family))
  write(
    chains.postrouting,
    // The mark goes, so that an encapsulated copy of the packet does not come here with it again.
    [nft.matchMark({ value: hairpinMark, mask: hairpinMark }), nft.xorMark(hairpinMark), nft.masquerade()],
    [nft.vmapTuple(family, ['saddr'], sets.masquerade)],
  )
}

/** The chain that a network's pods go to: what it reaches without masquerading, then masquerade. */
export function addMasqueradeChain(tx: NftTransaction, family: Family, exempt: readonly string[]): void {
  const at = { family: tableFamily(family), table: tableName }
  const chain = masqueradeChain(exempt)
  tx.addChain({ ...at, name: chain })
  tx.flushChain({ ...at, name: chain })
  for (const network of [...exempt, multicast[family]]) {
    tx.addRule({ ...at, chain, expressions: [nft.matchDaddr(network), nft.return()] })
  }
  tx.addRule({ ...at, chain, expressions: [nft.masquerade()] })
}

/** Rules of the chain for packets to a local address. A mapping to one address goes before one to all. */
function hostportRules(family: Family): (NftExpression | readonly NftExpression[])[][] {
  const any = ['l4proto', 'dport'] as const
  const one = ['daddr', ...any] as const
  const fromPods = [nft.meta({ key: 'iifname' }), nft.lookup({ set: sets.bridges })]
  const fromSelf = nft.matchSaddr('127.0.0.0/8')
  const mark = nft.orMark(hairpinMark)
  // After the lookup the pod's address lies where the key did, the port behind it (4 or 16 bytes further on).
  const dnat = nft.nat({
    type: 'dnat',
    family: tableFamily(family),
    address: 1,
    port: family === 4 ? 9 : 2,
  })
  const rules: (NftExpression | readonly NftExpression[])[][] = []
  for (const [tuple, keys, all] of [
    [one, sets.hostipHostportKeys, sets.masqueradedHostipHostports],
    [any, sets.hostportKeys, sets.masqueradedHostports],
  ] as const) {
    rules.push([nft.matchTuple(family, tuple, all), mark])
    rules.push([fromPods, nft.matchTuple(family, tuple, keys), mark])
    if (family === 4) rules.push([fromSelf, nft.matchTuple(family, tuple, keys), mark])
  }
  for (const [tuple, map] of [
    [one, sets.hostipHostports],
    [any, sets.hostports],
  ] as const) {
    rules.push([nft.loadTuple(family, tuple), nft.lookup({ set: map, into: 1 }), dnat])
  }
  return rules
}
