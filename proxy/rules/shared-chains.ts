import { nft } from '#netlink'
import { chainName, picksOf, type SharedChain } from '../model/chains.ts'
import { LOCAL_SLOTS } from '../model/sets.ts'
import type { LocalSource } from './detect-local.ts'
import { MARK_FOR_MASQUERADE } from './fixed-chains.ts'
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
  }
}

function internalMasquerade({ masqueradeAll, local }: SharedChainOptions): Rule[] {
  const mark = nft.jump(MARK_FOR_MASQUERADE)
  if (masqueradeAll) return [[mark]]
  return local === undefined ? [] : [[local.isNot, mark]]
}

function pickRules(words: Vocabulary, by: 'frontend' | 'nodePort', chain: SharedChain): Rule[] {
  const { count, sticky } = chain
  const offset = chain.local ? LOCAL_SLOTS : 0
  const random: Rule[] = [[words.dnatToRandom(by, { count, offset })]]
  // A packet may arrive here just before its service shrinks, and look for its slot just after: the first slot remains.
  if (count > 1) random.push([words.dnatToRandom(by, { count: 1, offset })])
  if (sticky === 0) return random
  const chooseAndGo: Rule[] = [
    [words.chooseSlot(by, { count, offset })],
    [words.remember(sticky * 1000)],
    [words.recall()],
    [words.dnatToSlot(by)],
  ]
  // What is remembered may be gone: forget it and choose anew. If nothing can be remembered (the set is full), any will do.
  return [...chooseAndGo, [words.forget()], ...chooseAndGo, ...random]
}
