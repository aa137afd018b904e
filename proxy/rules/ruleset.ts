import type { NftBaseChain, NftExpression } from '#netlink'
import type { KubeProxyConfiguration } from '../config/configuration.ts'
import { type Family, familyOf, packAddress } from '../model/bytes.ts'
import { chainElements, chainName, chainsBehind, parseChainName } from '../model/chains.ts'
import { type Elements, SETS } from '../model/sets.ts'
import type { NodeState } from '../node-view.ts'
import { baseChains } from './base-chains.ts'
import { localSource } from './detect-local.ts'
import { fixedChains } from './fixed-chains.ts'
import { sharedChainRules } from './shared-chains.ts'
import { vocabulary } from './vocabulary.ts'

/** A rule: its expressions in order, as the netlink layer takes them. */
export type Rule = readonly (NftExpression | readonly NftExpression[])[]

export interface BaseChain {
  readonly name: string
  readonly hook: NftBaseChain
}

/** Everything in a table that does not depend on Services. */
export interface Ruleset {
  readonly family: Family
  readonly baseChains: readonly BaseChain[]
  /** base chains and the fixed chains they lead to, with their rules; a chain comes after those it leads to */
  readonly fixedChains: ReadonlyMap<string, readonly Rule[]>
  isBaseChain(name: string): boolean
  /** rules of a fixed or shared chain */
  rulesOf(name: string): readonly Rule[]
  isShared(name: string): boolean
  /** the shared chains that a shared chain leads to */
  chainsBehind(name: string): readonly string[]
  /** elements that belong to the node, and those that lead to these shared chains */
  elementsWith(chains: Iterable<string>): Elements
}

export function buildRuleset(family: Family, config: KubeProxyConfiguration, node: NodeState): Ruleset {
  const words = vocabulary(family)
  const nodePortRanges = config.nodePortAddresses.filter(
    (cidr) => cidr !== 'primary' && cidr.includes(':') === (family === 6),
  )
  const fixed = fixedChains(words, {
    masqueradeMark: 2 ** config.nftables.masqueradeBit,
    nodePortRanges,
    primaryNodePorts: config.nodePortAddresses.includes('primary'),
    serviceNetworks: node.serviceCIDRs.filter((cidr) => familyOf(cidr) === family),
  })
  const local = localSource(family, config, node)
  const own = nodeElements(family, config, node)
  const hooks = new Set(baseChains.map(({ name }) => name))
  return {
    family,
    baseChains,
    fixedChains: fixed,
    isBaseChain: (name) => hooks.has(name),
    isShared: (name) => parseChainName(name) !== undefined,
    rulesOf: (name) => {
      const shared = parseChainName(name)
      if (shared === undefined) return fixed.get(name) ?? []
      return sharedChainRules(words, shared, { masqueradeAll: config.nftables.masqueradeAll, local })
    },
    chainsBehind: (name) => {
      const shared = parseChainName(name)
      return shared === undefined ? [] : chainsBehind(shared).map(chainName)
    },
    elementsWith: (chains) => new Map([...own, ...chainElements(chains)]),
  }
}

function nodeElements(family: Family, config: KubeProxyConfiguration, node: NodeState): Elements {
  const elements: Elements = new Map()
  if (!config.nodePortAddresses.includes('primary')) return elements
  for (const address of node.addresses) {
    const packed = packAddress(address, family)
    if (packed !== undefined) elements.set(SETS.nodePortIps.code + packed, '')
  }
  return elements
}
