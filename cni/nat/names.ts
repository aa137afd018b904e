import { createHash } from 'node:crypto'
import { type AttachmentKey, aliasOf, parseAlias } from '../attachment.ts'

/** Names of everything in our two tables, `ip plexus-cni` and `ip6 plexus-cni`. */
export const tableName = 'plexus-cni'

export const sets = {
  /** Pod address -> the chain that masquerades for its network. */
  masquerade: 'masqueraded_pods',
  /** Protocol and port -> pod address and port, for every local address. */
  hostports: 'hostports',
  /** Local address, protocol and port -> pod address and port. */
  hostipHostports: 'hostip_hostports',
  /** Keys of the maps above: an nft map cannot be asked for membership alone. */
  hostportKeys: 'hostport_keys',
  hostipHostportKeys: 'hostip_hostport_keys',
  /** Keys of mappings that everybody reaches under an address of this node (masqAll). */
  masqueradedHostports: 'masqueraded_hostports',
  masqueradedHostipHostports: 'masqueraded_hostip_hostports',
  /** Bridges of pods: what comes from there to a published port needs a new source address. */
  bridges: 'bridges',
} as const

export const chains = {
  prerouting: 'prerouting',
  output: 'output',
  postrouting: 'postrouting',
  hostports: 'hostports',
} as const

/** Mark of packets to be masqueraded on their way to a published port: bit 13, as the reference portmap plugin's. */
export const hairpinMark = 0x2000

export type Family = 4 | 6

export function tableFamily(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6'
}

/** One chain per list of networks that are not masqueraded, hence per pod network; never one per pod. */
export function masqueradeChain(exempt: readonly string[]): string {
  return `masquerade-${createHash('sha256').update(exempt.join()).digest('hex').slice(0, 8)}`
}

/** nft keeps 128 bytes of comment. */
const maximumComment = 120

/** Comment of every element that belongs to an attachment. */
export function commentOf(key: AttachmentKey): string {
  const text = aliasOf(key)
  if (text.length <= maximumComment) return text
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 32)
  return `${key.network}/${digest}`.slice(-maximumComment)
}

/** The attachment a comment names; undefined for one too long to be spelt out. */
export function parseComment(comment: string | undefined): AttachmentKey | undefined {
  return comment === undefined ? undefined : parseAlias(comment)
}
