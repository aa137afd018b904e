import {
  isAlreadyExists,
  isNotFound,
  type NftElement,
  type NftSocket,
  NftTransaction,
  RouteSocket,
  setSysctl,
} from '#netlink'
import { type AttachmentKey, findHostLink } from '../attachment.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import { type CniIp, familyOf } from '../protocol/result.ts'
import { elementsOf, exemptNetworks, packAddressOf, type SetElements } from './elements.ts'
import { removeIptablesLeftovers } from './iptables-leftovers.ts'
import { nftables } from './kernel.ts'
import {
  chains,
  commentOf,
  type Family,
  masqueradeChain,
  parseComment,
  sets,
  tableFamily,
  tableName,
} from './names.ts'
import type { MasqueradeSources, PortMapping } from './port-mapping.ts'
import { addMasqueradeChain, addScaffold } from './scaffold.ts'
import { forgetStaleUdpFlows } from './udp-flows.ts'

/** What of a pod the node's nftables have to know. */
export interface Publication {
  readonly ips: readonly CniIp[]
  readonly ipMasq: boolean
  readonly portMappings: readonly PortMapping[]
  /** Who comes to a published port under another source address (absent: 'local'). */
  readonly masqueradeSources?: MasqueradeSources | undefined
  readonly bridge: string
  /** Networks reached without masquerading, besides the pod's own. */
  readonly clusterNetworks: readonly string[]
}

const families: readonly Family[] = [4, 6]
/** A map and the set with the same keys. */
const portSets = [
  { map: sets.hostports, keys: sets.hostportKeys, all: sets.masqueradedHostports },
  { map: sets.hostipHostports, keys: sets.hostipHostportKeys, all: sets.masqueradedHostipHostports },
] as const

/**
 * Puts masquerading and published ports of a pod into nftables, in one transaction whose size depends on this pod
 * alone. All or nothing. `afresh` writes the rules as well, whatever is there.
 */
export function publishPod(
  key: AttachmentKey,
  publication: Publication,
  { afresh = false }: { afresh?: boolean } = {},
): void {
  const wanted = families.map((family) => ({ family, contents: elementsOf(key, publication, family) }))
  if (wanted.every(({ contents }) => isEmpty(contents))) return
  const socket = nftables()
  const commit = ({ scaffold }: { scaffold: boolean }): void => {
    const tx = new NftTransaction()
    for (const { family, contents } of wanted) {
      if (isEmpty(contents)) continue
      if (scaffold) layFoundation(tx, family, publication)
      for (const { set, elements } of contents) tx.addElements(at(family, set), elements, commentOf(key))
    }
    socket.commit(tx)
  }
  try {
    commit({ scaffold: afresh })
  } catch (error) {
    if (isNotFound(error)) commit({ scaffold: true })
    else if (isAlreadyExists(error)) {
      for (const { family, contents } of wanted) clearTheWay(socket, key, family, contents)
      commit({ scaffold: true })
    } else throw error
  }
  const { portMappings, bridge, masqueradeSources } = publication
  if (portMappings.length > 0 && bridge !== '' && masqueradeSources !== 'none') {
    // Lets 127.0.0.1:hostPort reach the pod (the packet leaves with a loopback source until it is masqueraded).
    setSysctl(`net/ipv4/conf/${bridge}/route_localnet`, '1')
  }
  forgetStaleUdpFlows(publication)
}

/**
 * Takes everything of an attachment out again. `addresses` are those its lease names; without any the maps are
 * searched for elements with the attachment's name. Nothing being there is fine.
 */
export function withdrawPod(key: AttachmentKey, addresses: readonly string[]): void {
  const socket = nftables()
  const tx = new NftTransaction()
  const comment = commentOf(key)
  const tables = socket.tables()
  removeIptablesLeftovers(socket, key, tables)
  for (const family of families) {
    const own = tables.some((table) => table.name === tableName && table.family === tableFamily(family))
    if (!own) continue
    const ofFamily = addresses.filter((address) => familyOf(address) === family)
    const masqueraded =
      addresses.length > 0
        ? ofFamily.map((address): NftElement => ({ key: packAddressOf(family, address) }))
        : ownedBy(comment, elements(socket, family, sets.masquerade))
    if (masqueraded.length > 0) tx.destroyElements(at(family, sets.masquerade), masqueraded, comment)
    for (const { map, keys, all } of portSets) {
      const published = ownedBy(comment, elements(socket, family, map))
      if (published.length === 0) continue
      tx.destroyElements(at(family, map), published, comment)
      tx.destroyElements(at(family, keys), published, comment)
      // A table that an earlier version made may not have this set.
      const everybody = ownedBy(comment, elements(socket, family, all))
      if (everybody.length > 0) tx.destroyElements(at(family, all), everybody, comment)
    }
  }
  if (!tx.empty) socket.commit(tx)
}

/** What of a pod's publication is not in the kernel, in words; undefined if all is there. */
export function missingRules(key: AttachmentKey, publication: Publication): string | undefined {
  const socket = nftables()
  for (const family of families) {
    const contents = elementsOf(key, publication, family)
    if (isEmpty(contents)) continue
    const table = `table ${tableFamily(family)} ${tableName}`
    for (const { set, elements: wanted } of contents) {
      if (wanted.length === 0) continue
      const present = new Set(elements(socket, family, set).map((element) => hex(element.key)))
      if (wanted.some((element) => !present.has(hex(element.key))))
        return `${table}: an element of ${set} is missing`
    }
    const needed: string[] = [chains.postrouting]
    if (publication.ipMasq) {
      const own = publication.ips.filter(({ address }) => familyOf(address) === family)
      needed.push(...own.map(({ address }) => masqueradeChain(exemptNetworks(publication, address))))
    }
    if (publication.portMappings.length > 0) needed.push(chains.prerouting, chains.output, chains.hostports)
    const empty = needed.find((chain) => rulesIn(socket, family, chain) === 0)
    if (empty !== undefined) return `${table}: chain ${empty} has no rules`
  }
  return undefined
}

/** Every attachment that has elements in our tables. */
export function publishedPods(): AttachmentKey[] {
  const socket = nftables()
  const found = new Map<string, AttachmentKey>()
  for (const family of families) {
    for (const set of [sets.masquerade, sets.hostports, sets.hostipHostports]) {
      for (const { comment } of elements(socket, family, set)) {
        const key = parseComment(comment)
        if (comment !== undefined && key !== undefined) found.set(comment, key)
      }
    }
  }
  return [...found.values()]
}

function layFoundation(tx: NftTransaction, family: Family, publication: Publication): void {
  addScaffold(tx, family)
  if (!publication.ipMasq) return
  const lists = publication.ips
    .filter(({ address }) => familyOf(address) === family)
    .map(({ address }) => exemptNetworks(publication, address))
  for (const exempt of new Map(lists.map((list) => [list.join(), list])).values())
    addMasqueradeChain(tx, family, exempt)
}

/**
 * Removes elements in the way of a pod's own: those of pods that are no more, and any of an address that is ours by
 * lease. A host port that a living pod holds is an error which names that pod.
 */
function clearTheWay(
  socket: NftSocket,
  key: AttachmentKey,
  family: Family,
  contents: readonly SetElements[],
): void {
  using host = new RouteSocket()
  const tx = new NftTransaction()
  for (const { set, elements: wanted } of contents) {
    const keys = new Set(wanted.map((element) => hex(element.key)))
    const inTheWay = elements(socket, family, set).filter((element) => keys.has(hex(element.key)))
    for (const { comment } of inTheWay) {
      const holder = parseComment(comment)
      const isPort = set === sets.hostports || set === sets.hostipHostports
      if (!isPort || holder === undefined || comment === commentOf(key)) continue
      if (findHostLink(host, holder) === undefined) continue
      throw new CniError(
        cniCodes.portInUse,
        `a host port of container ${key.containerID} is in use by ${comment}`,
        {
          details: 'two pods on one node cannot publish the same port of the same address',
        },
      )
    }
    tx.destroyElements(at(family, set), inTheWay, commentOf(key))
  }
  if (!tx.empty) socket.commit(tx)
}

function at(family: Family, set: string): { family: 'ip' | 'ip6'; table: string; set: string } {
  return { family: tableFamily(family), table: tableName, set }
}

function elements(socket: NftSocket, family: Family, set: string): NftElement[] {
  try {
    return socket.elements(tableFamily(family), tableName, set)
  } catch (error) {
    if (isNotFound(error)) return []
    throw error
  }
}

function rulesIn(socket: NftSocket, family: Family, chain: string): number {
  try {
    return socket.rules(tableFamily(family), tableName, chain).length
  } catch (error) {
    if (isNotFound(error)) return 0
    throw error
  }
}

function ownedBy(comment: string, all: readonly NftElement[]): NftElement[] {
  return all.filter((element) => element.comment === comment).map(({ key }) => ({ key }))
}

function isEmpty(contents: readonly SetElements[]): boolean {
  return contents.every(({ elements }) => elements.length === 0)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
