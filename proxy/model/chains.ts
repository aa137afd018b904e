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
 * each with a suffix `-sticky-10800` where sessionAffinity ClientIP with that timeout applies.
 */
export interface SharedChain {
  readonly kind: 'cluster' | 'external' | 'nodeport' | 'pick' | 'nodeport-pick'
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

export function chainName(chain: SharedChain): string {
  const local = chain.local ? '-local' : ''
  const second = hasTwoCounts(chain) ? `-${chain.localCount}` : ''
  const sticky = chain.sticky > 0 ? `-sticky-${chain.sticky}` : ''
  return `${chain.kind}${local}-${chain.count}${second}${sticky}`
}

/** The meaning of a shared chain's name; undefined for base chains, fixed chains and strangers. */
export function parseChainName(name: string): SharedChain | undefined {
  const match = PATTERN.exec(name)
  if (match === null) return undefined
  const chain: SharedChain = {
    kind: match[1] as SharedChain['kind'],
    local: match[2] !== undefined,
    count: Number(match[3]),
    localCount: Number(match[4] ?? 0),
    sticky: Number(match[5] ?? 0),
  }
  return chainName(chain) === name ? chain : undefined
}

/** The picking chains a shared chain goes on to: `cluster` for the whole cluster, `local` for this node. */
export function picksOf(chain: SharedChain): { cluster?: SharedChain; local?: SharedChain } {
  if (chain.kind === 'pick' || chain.kind === 'nodeport-pick') return {}
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

function hasTwoCounts(chain: SharedChain): boolean {
  return chain.local && (chain.kind === 'external' || chain.kind === 'nodeport')
}

/** The chain an element of a verdict map leads to, from its data (`goto X`, NUL, comment). */
export function targetOf(data: string): string | undefined {
  return data.startsWith('goto ') ? data.slice(5, data.indexOf('\0')) : undefined
}
