import type { BaseChain } from './ruleset.ts'

const DSTNAT = -100
const FILTER = 0
const SRCNAT = 100

/**
 * Hooks and priorities are kube-proxy's (pkg/proxy/nftables/README.md), on which other programs rely: filtering by the
 * address a client asked for happens before dstnat, by the endpoint's address after it.
 */
export const baseChains: readonly BaseChain[] = [
  { name: 'filter-prerouting-pre-dnat', hook: { name: 'prerouting', priority: DSTNAT - 10, type: 'filter' } },
  { name: 'filter-output-pre-dnat', hook: { name: 'output', priority: DSTNAT - 10, type: 'filter' } },
  { name: 'filter-input', hook: { name: 'input', priority: FILTER, type: 'filter' } },
  { name: 'filter-forward', hook: { name: 'forward', priority: FILTER, type: 'filter' } },
  { name: 'filter-output', hook: { name: 'output', priority: FILTER, type: 'filter' } },
  { name: 'nat-prerouting', hook: { name: 'prerouting', priority: DSTNAT, type: 'nat' } },
  { name: 'nat-output', hook: { name: 'output', priority: DSTNAT, type: 'nat' } },
  { name: 'nat-postrouting', hook: { name: 'postrouting', priority: SRCNAT, type: 'nat' } },
]
