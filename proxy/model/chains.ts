import { hashOf, packMark } from './bytes.ts'
import { type Elements, SETS } from './sets.ts'

/**
 * The chains shared by all services. Their names carry all that distinguishes their rules: how many endpoints to choose
 * from, and which traffic arrives there. So the number of chains is bounded by the endpoint counts in use, whatever the
 * number of services.
 *
 *     cluster-5              to a clusterIP, five endpoints
 *     cluster-local-2        to a clusterIP with internalTrafficPolicy Local, two endpoints on this node
 *     external-5             to an external IP or VIP
 *     external-local-5-2     the same with externalTrafficPolicy Local: five in the cluster, two of them here
 *     nodeport-5, nodeport-local-5-2
 *     pick-5, pick-local-2, nodeport-pick-5, nodeport-pick-local-2     the choice itself
 *
 * each with a suffix `-sticky-10800` where sessionAffinity ClientIP with that timeout applies. These lead to
 *
 *     affinity-10800, nodeport-affinity-10800                          clients stay with what they were given
 */
export interface SharedChain {
  readonly kind:
    | 'cluster'
    | 'external'
    | 'nodeport'
    | 'pick'
    | 'nodeport-pick'
    | 'affinity'
    | 'nodeport-affinity'
  /** The policy is Local. */
  readonly local: boolean
  /** Endpoints to choose from; for external and nodeport with policy Local: those of the cluster. */
  readonly count: number
  /** external and nodeport with policy Local: endpoints on this node. */
  readonly localCount: number
  /** Session affinity in seconds, 0: none. */
  readonly sticky: number
}

const PATTERN = /^(cluster|external|nodeport-pick|nodeport|pick)(-local)?-(\d+)(?:-(\d+))?(?:-sticky-(\d+))?$/
const AFFINITY_PATTERN = /^(affinity|nodeport-affinity)-(\d+)$/

export function chainName(chain: SharedChain): string {
  if (isAffinity(chain)) return `${chain.kind}-${chain.sticky}`
  const local = chain.local ? '-local' : ''
  const second = hasTwoCounts(chain) ? `-${chain.localCount}` : ''
  const sticky = chain.sticky > 0 ? `-sticky-${chain.sticky}` : ''
  return `${chain.kind}${local}-${chain.count}${second}${sticky}`
}

/** The meaning of a shared chain's name; undefined for base chains, fixed chains and strangers. */
export function parseChainName(name: string): SharedChain | undefined {
  const match = PATTERN.exec(name)
  const affinity = AFFINITY_PATTERN.exec(name)
  if (match === null && affinity === null) return undefined
  const chain: SharedChain = {
    kind: (match ?? affinity)?.[1] as SharedChain['kind'],
    local: match?.[2] !== undefined,
    count: Number(match?.[3] ?? 0),
    localCount: Number(match?.[4] ?? 0),
    sticky: Number(match?.[5] ?? affinity?.[2] ?? 0),
  }
  return chainName(chain) === name ? chain : undefined
}

const ENTRIES: Readonly<Record<string, number>> = { cluster: 1, external: 2, nodeport: 3 }
const LOCAL_ENTRY = 4
const COUNT_LIMIT = 0x1000
const DEFAULT_STICKY = 10_800

/**
 * The number that stands for an entry chain in `service-ips` and `service-nodeports`; undefined for picking chains. A function
 * of the chain alone, so that what is in the kernel can be compared after a restart.
 *
 *     0x10000005 cluster-5     0x20000005 external-5              0x30000005 nodeport-5           0x11000005 cluster-5-sticky-10800
 *     0x50000002 cluster-local-2   0x60002005 external-local-5-2  0x70002005 nodeport-local-5-2
 *
 * What does not fit (more than 4,095 endpoints, another affinity timeout) has a hash of 31 bits from 0x80000000 on.
 */
export function chainNumber(chain: SharedChain): number | undefined {
  const { kind, local, count, localCount, sticky } = chain
  const entry = ENTRIES[kind]
  if (entry === undefined) return undefined
  const fits = count < COUNT_LIMIT && localCount < COUNT_LIMIT && (sticky === 0 || sticky === DEFAULT_STICKY)
  if (!fits) return (hashOf(chainName(chain)) | 0x8000_0000) >>> 0
  const first = (entry + (local ? LOCAL_ENTRY : 0)) * 0x1000_0000 + (sticky === 0 ? 0 : 0x100_0000)
  return first + localCount * COUNT_LIMIT + count
}

/** The elements of the map `chains` for chains of these names. */
export function chainElements(names: Iterable<string>): Elements {
  const elements: Elements = new Map()
  for (const name of names) {
    const chain = parseChainName(name)
    const number = chain === undefined ? undefined : chainNumber(chain)
    if (number !== undefined) elements.set(SETS.chains.code + packMark(number), `goto ${name}`)
  }
  return elements
}

/** The picking chains a shared chain goes on to: `cluster` for the whole cluster, `local` for this node. */
export function picksOf(chain: SharedChain): { cluster?: SharedChain; local?: SharedChain } {
  if (isPick(chain) || isAffinity(chain)) return {}
  const kind = chain.kind === 'nodeport' ? 'nodeport-pick' : 'pick'
  const pick = (local: boolean, count: number): SharedChain => ({
    kind,
    local,
    count,
    localCount: 0,
    sticky: chain.sticky,
  })
  if (!chain.local) return { cluster: pick(false, chain.count) }
  if (chain.kind === 'cluster') return { local: pick(true, chain.count) }
  return {
    ...(chain.count > 0 ? { cluster: pick(false, chain.count) } : {}),
    ...(chain.localCount > 0 ? { local: pick(true, chain.localCount) } : {}),
  }
}

/** All chains that the rules of a shared chain lead to among the shared ones. */
export function chainsBehind(chain: SharedChain): SharedChain[] {
  if (isAffinity(chain)) return []
  const picks = isPick(chain) ? [chain] : Object.values(picksOf(chain))
  const affinities = picks.filter(({ sticky }) => sticky > 0).map(affinityOf)
  return isPick(chain) ? affinities : [...picks, ...affinities]
}

/** The chain which keeps clients with their endpoint, behind a picking chain with session affinity. */
export function affinityOf({ kind, sticky }: SharedChain): SharedChain {
  const affinity = kind === 'pick' ? 'affinity' : 'nodeport-affinity'
  return { kind: affinity, local: false, count: 0, localCount: 0, sticky }
}

function isPick({ kind }: SharedChain): boolean {
  return kind === 'pick' || kind === 'nodeport-pick'
}

function isAffinity({ kind }: SharedChain): boolean {
  return kind === 'affinity' || kind === 'nodeport-affinity'
}

function hasTwoCounts(chain: SharedChain): boolean {
  return chain.local && (chain.kind === 'external' || chain.kind === 'nodeport')
}
