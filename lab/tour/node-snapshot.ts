import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { type NftFamily, NftSocket, RouteSocket } from '#netlink'
import type { LabLayout } from '../cluster/layout.ts'
import { namespaceName, netnsPath } from '../cluster/names.ts'
import { findProcesses } from '../process/scan.ts'

/** Everything of a node that must be the same before an agent is killed and after it was started again. */
export type NodeSnapshot = Readonly<Record<string, readonly string[]>>

/** Reads the kernel's and the disk's state of a node; each part is a sorted list of lines that can be compared. */
export function nodeSnapshot(layout: LabLayout, node: string): NodeSnapshot {
  const netns = netnsPath(namespaceName(layout.name, node))
  using routes = new RouteSocket({ netns })
  using nft = new NftSocket({ netns })
  const links = routes.links()
  const nameOf = (index: number | undefined) => links.find((link) => link.index === index)?.name ?? ''
  return {
    links: links.map(({ name, kind, mtu, mac, up, master }) =>
      [name, kind ?? '', mtu, mac, up, nameOf(master)].join(' '),
    ),
    addresses: routes
      .addresses({ family: 4 })
      .map(({ index, address, prefixLength }) => `${nameOf(index)} ${address}/${prefixLength}`),
    routes: routes
      .routes({ family: 4 })
      .map(({ destination, gateway, index, table }) =>
        [destination, gateway ?? '', nameOf(index), table].join(' '),
      ),
    'VXLAN neighbours': routes
      .neighbours()
      .filter(({ state }) => state === 'permanent')
      .map(({ address, mac, index }) => [address, mac ?? '', nameOf(index)].join(' ')),
    'VXLAN forwarding entries': links
      .filter(({ kind }) => kind === 'vxlan')
      .flatMap(({ index }) => routes.fdb(index).map(({ mac, destination }) => `${mac} ${destination ?? ''}`)),
    'nftables rules': nftRules(nft),
    'nftables elements': nftElements(nft),
    leases: readdirSync(layout.node(node).ipam, { recursive: true, encoding: 'utf8' })
      .filter((file) => /^[\da-f.:]+$/.test(path.basename(file)))
      .map(String),
    processes: [`${findProcesses({ netns: [netns] }).length}`],
  }
}

/** Open files of a process. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** The parts of a node that differ, in words; the lines in question go to the log. */
export function snapshotDifferences(before: NodeSnapshot, after: NodeSnapshot): string[] {
  const rules = after['nftables rules'] ?? []
  return Object.entries(before).flatMap(([part, lines]) => {
    const later = after[part] ?? []
    const lost = difference(lines, later).filter((line) => !ofCollectedChain(line, rules))
    const added = difference(later, lines)
    if (lost.length + added.length === 0) return []
    const example = [...lost.map((line) => `-${line}`), ...added.map((line) => `+${line}`)]
      .slice(0, 3)
      .join(', ')
    return [`${part}: ${lost.length} lost, ${added.length} more (${example})`]
  })
}

/**
 * Whether this is a rule of a chain that is gone altogether, and may be, or the element that led there: shared chains are made
 * on demand and collected some seconds after their last use. The kernel refuses (EBUSY) to delete a chain that an element or
 * a rule refers to, and what chooses among chains is compared.
 */
function ofCollectedChain(line: string, laterRules: readonly string[]): boolean {
  const chain = /^\S+ \S+ \S+ shared /.exec(line)?.[0] ?? leadsTo(line)
  return chain !== undefined && !laterRules.some((other) => other.startsWith(chain))
}

/** How the rules of the chain begin that an element of the map of chains leads to. */
function leadsTo(line: string): string | undefined {
  const [, table, chain] = /^(\S+ \S+) chains .*"chain":"([^"]+)"/.exec(line) ?? []
  return chain === undefined ? undefined : `${table} ${chain} shared `
}

function difference(list: readonly string[], minus: readonly string[]): string[] {
  const left = new Map<string, number>()
  for (const line of minus) left.set(line, (left.get(line) ?? 0) + 1)
  return list.filter((line) => {
    const count = left.get(line) ?? 0
    left.set(line, count - 1)
    return count <= 0
  })
}

/** A rule is told by its expressions, without the counters among them; handles change when a rule is replaced. */
function nftRules(nft: NftSocket): string[] {
  return nft.tables().flatMap(({ family, name }) =>
    nft.chains(family as NftFamily, name).flatMap((chain) =>
      nft.rules(family as NftFamily, name, chain.name).map((rule) => {
        const expressions = JSON.stringify(rule.expressions, (key, value: unknown) =>
          typeof value === 'bigint' || key === 'packets' || key === 'bytes' ? undefined : value,
        )
        const hash = createHash('sha256').update(expressions).digest('hex').slice(0, 12)
        const kind = chain.hook === undefined ? 'shared' : 'hooked'
        return `${family} ${name} ${chain.name} ${kind} ${rule.comment ?? ''} ${hash}`
      }),
    ),
  )
}

/** Elements with a timeout come and go with traffic (client affinity): they are left out. */
function nftElements(nft: NftSocket): string[] {
  const hex = (bytes: Uint8Array | undefined) =>
    bytes === undefined ? '' : Buffer.from(bytes).toString('hex')
  return nft.tables().flatMap(({ family, name }) =>
    nft.sets(family as NftFamily, name).flatMap((set) =>
      nft
        .elements(family as NftFamily, name, set.name)
        .filter(({ timeoutMs }) => timeoutMs === undefined)
        .map(({ key, keyEnd, data }) => {
          const value = data instanceof Uint8Array || data === undefined ? hex(data) : JSON.stringify(data)
          return `${family} ${name} ${set.name} ${hex(key)} ${hex(keyEnd)} ${value}`
        }),
    ),
  )
}
