import {
  concat,
  isNotFound,
  type NftElement,
  type NftSocket,
  NftTransaction,
  nft,
  packIfname,
} from '#netlink'
import type { AttachmentKey } from '../attachment.ts'
import { packAddressOf } from '../nat/elements.ts'
import { nftables } from '../nat/kernel.ts'
import { commentOf, type Family, parseComment, tableFamily, tableName } from '../nat/names.ts'
import { type CniIp, familyOf } from '../protocol/result.ts'

export type IngressPolicy = 'open' | 'same-bridge' | 'isolated'

export interface FirewallEntry {
  readonly ips: readonly CniIp[]
  readonly policy: IngressPolicy
  /** The bridge the pod hangs on; '' if prevResult names none. */
  readonly bridge: string
}

const families: readonly Family[] = [4, 6]
const chain = 'forward'
const names = {
  /** Addresses of pods whose traffic is let through. */
  admitted: 'firewall_pods',
  /** Bridges that take nothing from each other. */
  isolated: 'firewall_bridges',
  /** Pairs of bridges that talk nevertheless: each with itself, unless its pods are isolated from each other. */
  together: 'firewall_together',
} as const

/** Puts a pod into the sets of the forward chain; the chain is written when it is not there yet. */
export function admitPod(key: AttachmentKey, entry: FirewallEntry): void {
  const socket = nftables()
  const commit = ({ scaffold }: { scaffold: boolean }): void => {
    const tx = new NftTransaction()
    for (const family of families) {
      const contents = contentsOf(key, entry, family)
      if (contents.every(({ elements }) => elements.length === 0)) continue
      if (scaffold) addChain(tx, family)
      for (const { set, elements } of contents) tx.addElements(at(family, set), elements, commentOf(key))
    }
    if (!tx.empty) socket.commit(tx)
  }
  try {
    commit({ scaffold: false })
  } catch (error) {
    if (!isNotFound(error)) throw error
    commit({ scaffold: true })
  }
}

/** Takes a pod out again. Nothing being there is fine; bridges stay, other pods hang on them. */
export function dismissPod(key: AttachmentKey): void {
  dismiss((comment) => comment === commentOf(key))
}

/** Takes out every pod of a network that is not valid. */
export function dismissStalePods(network: string, isValid: (key: AttachmentKey) => boolean): void {
  dismiss((comment) => {
    const key = parseComment(comment)
    return key !== undefined && key.network === network && !isValid(key)
  })
}

/** The first thing of a pod that is missing, in words. */
export function missingAdmission(key: AttachmentKey, entry: FirewallEntry): string | undefined {
  const socket = nftables()
  for (const family of families) {
    for (const { set, elements } of contentsOf(key, entry, family)) {
      if (elements.length === 0) continue
      const present = new Set(listed(socket, family, set).map((element) => hex(element.key)))
      if (elements.some((element) => !present.has(hex(element.key))))
        return `table ${tableFamily(family)} ${tableName}: an element of ${set} is missing`
    }
  }
  return undefined
}

function dismiss(isLeaving: (comment: string) => boolean): void {
  const socket = nftables()
  const tx = new NftTransaction()
  for (const family of families) {
    const leaving = listed(socket, family, names.admitted).filter(({ comment = '' }) => isLeaving(comment))
    if (leaving.length > 0) tx.destroyElements(at(family, names.admitted), leaving)
  }
  if (!tx.empty) socket.commit(tx)
}

function contentsOf(
  key: AttachmentKey,
  { ips, policy, bridge }: FirewallEntry,
  family: Family,
): { set: string; elements: NftElement[] }[] {
  const own = ips.filter(({ address }) => familyOf(address) === family)
  if (own.length === 0) return []
  const isolates = policy !== 'open' && bridge !== ''
  const name = packIfname(bridge)
  return [
    {
      set: names.admitted,
      elements: own.map(({ address }) => ({
        key: packAddressOf(family, address.split('/')[0] ?? address),
        comment: commentOf(key),
      })),
    },
    { set: names.isolated, elements: isolates ? [{ key: name }] : [] },
    {
      set: names.together,
      elements: policy === 'same-bridge' && isolates ? [{ key: concat(name, name) }] : [],
    },
  ]
}

/**
 * What leaves an isolated bridge does not enter another isolated one (the reference's CNI-ISOLATION-STAGE-1 and -2).
 * The accepts say what is meant to pass: they end this table's chain, not those of other tables, which nftables asks
 * as well.
 */
function addChain(tx: NftTransaction, family: Family): void {
  const table = { family: tableFamily(family), table: tableName }
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr'
  tx.addTable({
    family: table.family,
    name: tableName,
    comment: 'Plexus CNI: masquerading and published ports of pods',
  })
  tx.addSet({ ...table, name: names.admitted, key: [address] })
  tx.addSet({ ...table, name: names.isolated, key: ['ifname'] })
  tx.addSet({ ...table, name: names.together, key: ['ifname', 'ifname'] })
  tx.addChain({ ...table, name: chain, hook: { name: 'forward', priority: 0, type: 'filter' } })
  tx.flushChain({ ...table, name: chain })
  const rule = (...expressions: Parameters<typeof tx.addRule>[0]['expressions'][]): void =>
    tx.addRule({ ...table, chain, expressions: expressions.flat() })
  rule(nft.matchCtState(['established', 'related']), [nft.accept()])
  rule(
    [nft.meta({ key: 'iifname' }), nft.meta({ key: 'oifname', register: 2 })],
    [nft.lookup({ set: names.together }), nft.accept()],
  )
  rule(
    [nft.meta({ key: 'iifname' }), nft.lookup({ set: names.isolated })],
    [nft.meta({ key: 'oifname' }), nft.lookup({ set: names.isolated }), nft.drop()],
  )
  rule(nft.matchTuple(family, ['saddr'], names.admitted), [nft.accept()])
}

function at(family: Family, set: string): { family: 'ip' | 'ip6'; table: string; set: string } {
  return { family: tableFamily(family), table: tableName, set }
}

function listed(socket: NftSocket, family: Family, set: string): NftElement[] {
  try {
    return socket.elements(tableFamily(family), tableName, set)
  } catch (error) {
    if (isNotFound(error)) return []
    throw error
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
