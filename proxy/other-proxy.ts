import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import type { TableSocket } from './sync/kernel-state.ts'

/** Chains that kube-proxy makes in iptables mode, seen through nf_tables (iptables-nft). */
const IPTABLES_CHAIN = 'KUBE-SERVICES'
const COMMAND = 'kube-proxy'

/** A kube-proxy in this network namespace. */
export interface OtherProxy {
  /** whose rules there are; undefined: none that can be seen (those of iptables-legacy cannot) */
  readonly mode: 'nftables' | 'iptables' | 'ipvs' | undefined
  /** its process, where this one sees those of the node */
  readonly pid: number | undefined
}

/**
 * A kube-proxy that runs or has left rules here, or undefined. Both would translate every connection: the first in hook order
 * wins, and Services look alive after they are gone from one of them.
 */
export function otherProxy(socket: TableSocket, netns: string | undefined): OtherProxy | undefined {
  const mode = modeOf(socket)
  const pid = processIn(netns ?? '/proc/self/ns/net')
  return mode === undefined && pid === undefined ? undefined : { mode, pid }
}

/** What it is, in words. */
export function describeOther({ mode, pid }: OtherProxy): string {
  const about = mode === undefined ? '' : ` (${mode} mode)`
  return pid === undefined
    ? `kube-proxy has rules on this node${about}`
    : `kube-proxy runs on this node, pid ${pid}${about}`
}

function modeOf(socket: TableSocket): OtherProxy['mode'] {
  const tables = socket.tables()
  if (tables.some(({ name }) => name === COMMAND)) return 'nftables'
  for (const { family, name } of tables) {
    if ((family !== 'ip' && family !== 'ip6') || name !== 'nat') continue
    if (socket.chains(family, name).some((chain) => chain.name === IPTABLES_CHAIN)) return 'iptables'
  }
  return existsSync('/sys/class/net/kube-ipvs0') ? 'ipvs' : undefined
}

function processIn(netns: string): number | undefined {
  const ours = statSync(netns, { throwIfNoEntry: false })?.ino
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      if (readFileSync(`/proc/${entry}/comm`, 'latin1').trimEnd() !== COMMAND) continue
      if (statSync(`/proc/${entry}/ns/net`).ino === ours) return Number(entry)
    } catch {
      // It ended meanwhile, or is none of our business.
    }
  }
  return undefined
}
