import { nft } from '#netlink'
import { affinityOf, chainName, picksOf, type SharedChain } from '../model/chains.ts'
import { LOCAL_SLOTS } from '../model/sets.ts'
import type { LocalSource } from './detect-local.ts'
import { MARK_FOR_MASQUERADE, slotChain } from './fixed-chains.ts'
import type { Rule } from './ruleset.ts'
import type { Vocabulary } from './vocabulary.ts'

export interface SharedChainOptions {
  readonly masqueradeAll: boolean
  readonly local: LocalSource | undefined
}

/** The rules of a shared chain, all there is to know being in its name. */
export function sharedChainRules(
  words: Vocabulary,
  chain: SharedChain,
  options: SharedChainOptions,
): readonly Rule[] {
  const picks = picksOf(chain)
  const toCluster = picks.cluster === undefined ? [] : [nft.goto(chainName(picks.cluster))]
  const toLocal = picks.local === undefined ? [] : [nft.goto(chainName(picks.local))]
  const mark = nft.jump(MARK_FOR_MASQUERADE)
  switch (chain.kind) {
    case 'cluster':
      return [...internalMasquerade(options), chain.local ? toLocal : toCluster]
    case 'external':
    case 'nodeport': {
      if (!chain.local) return [[mark], toCluster]
      // Traffic from this node's pods and from the node itself is internal: it may go anywhere (KEP-1860, short circuit).
      const shortCircuits: Rule[] = [
        ...(options.local === undefined ? [] : [[options.local.is, toCluster]]),
        [nft.matchLocal('saddr'), mark],
        [nft.matchLocal('saddr'), toCluster],
      ]
      // Without an endpoint here the rest falls through, and is dropped by no-endpoint-services.
      return toLocal.length === 0 ? shortCircuits : [...shortCircuits, toLocal]
    }
    case 'pick':
      return pickRules(words, 'frontend', chain)
    case 'nodeport-pick':
      return pickRules(words, 'nodePort', chain)
    case 'affinity':
      return affinityRules(words, 'frontend', chain.sticky)
    case 'nodeport-affinity':
      return affinityRules(words, 'nodePort', chain.sticky)
  }
}

function internalMasquerade({ masqueradeAll, local }: SharedChainOptions): Rule[] {
  const mark = nft.jump(MARK_FOR_MASQUERADE)
  if (masqueradeAll) return [[mark]]
  return local === undefined ? [] : [[local.isNot, mark]]
}

/**
 * The choice, and nothing with a map in it: for every chain that gets a rule with a map the kernel walks over all elements
 * of that map (nf_tables_bind_set in net/netfilter/nf_tables_api.c), 15 ms at 150,000 endpoints.
 */
function pickRules(words: Vocabulary, by: 'frontend' | 'nodePort', chain: SharedChain): Rule[] {
  const choose = words.chooseSlot({ count: chain.count, offset: chain.local ? LOCAL_SLOTS : 0 })
  const goToSlot: Rule = [choose, nft.goto(slotChain(by, { local: chain.local }))]
  if (chain.sticky === 0) return [goToSlot]
  const keepClient: Rule = [choose, nft.jump(chainName(affinityOf(chain)))]
  // It returns if what was remembered is gone: choose anew. If nothing can be remembered (the set is full), any will do.
  return [keepClient, keepClient, goToSlot]
}

/** To the endpoint that the client was given before, or the chosen one; returns if that is gone. */
function affinityRules(words: Vocabulary, by: 'frontend' | 'nodePort', timeout: number): Rule[] {
  return [
    [words.nameSlot(by)],
    [words.remember(timeout * 1000)],
    [words.recall()],
    [words.dnatToSlot(by)],
    [words.forget()],
  ]
}
