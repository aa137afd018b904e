import { nft } from '#netlink'
import type { Family } from '../model/bytes.ts'
import { LOCAL_SLOTS, SETS } from '../model/sets.ts'
import type { Rule } from './ruleset.ts'
import type { Vocabulary } from './vocabulary.ts'

/** The chain that answers where nobody serves. */
const REJECT = 'reject'
/** The chain that goes on to the chain whose number was found. */
const DISPATCH = 'dispatch'

export const MARK_FOR_MASQUERADE = 'mark-for-masquerade'

export interface FixedChainOptions {
  readonly masqueradeMark: number
  /** node ports are offered on the primary addresses of the node */
  readonly primaryNodePorts: boolean
  /** node ports are offered on local addresses in these networks */
  readonly nodePortRanges: readonly string[]
  /** networks of clusterIPs: what no Service has in them leads nowhere */
  readonly serviceNetworks: readonly string[]
}

/** Chains that are there with or without Services, base chains last. */
export function fixedChains(
  words: Vocabulary,
  options: FixedChainOptions,
): ReadonlyMap<string, readonly Rule[]> {
  const { masqueradeMark } = options
  const isNew = nft.matchCtState(['new'])
  const guards = nodePortGuards(words.family, options)
  const onNodePorts = (...actions: Rule[]): Rule[] => [
    [nft.matchDaddr(words.loopback), nft.return()],
    ...guards.flatMap((guard) => actions.map((action) => [...guard, ...action])),
  ]
  return new Map<string, readonly Rule[]>([
    [REJECT, words.reject],
    [MARK_FOR_MASQUERADE, [[nft.orMark(masqueradeMark)]]],
    [
      'firewall-check',
      [
        // First what holds for nearly every connection: a look into a hash is cheap, one into a set of ranges less so.
        [words.isNotIn(SETS.firewallIps.name, 'frontend'), nft.return()],
        [allowedSource(words), nft.return()],
        [nft.drop()],
      ],
    ],
    [
      'service-endpoints-check',
      [
        [words.isIn(SETS.noEndpointServices.name, 'frontend'), nft.goto(REJECT)],
        [words.isIn(SETS.noLocalEndpointServices.name, 'frontend'), nft.drop()],
      ],
    ],
    [
      'nodeport-endpoints-check',
      onNodePorts(
        [words.isIn(SETS.noEndpointNodePorts.name, 'nodePort'), nft.goto(REJECT)],
        [words.isIn(SETS.noLocalEndpointNodePorts.name, 'nodePort'), nft.drop()],
      ),
    ],
    [
      'cluster-ips-check',
      [
        [nft.matchTuple(words.family, ['daddr'], SETS.clusterIps.name), nft.goto(REJECT)],
        // Dropped and not rejected: a Service that this node has not heard of yet may have the address.
        ...options.serviceNetworks.map((network) => [nft.matchDaddr(network), nft.drop()]),
      ],
    ],
    [DISPATCH, [words.goToChain()]],
    ...slotChains(words),
    ['nodeports', onNodePorts([words.chooseChain('nodePort'), nft.goto(DISPATCH)])],
    ['services', [[words.chooseChain('frontend'), nft.goto(DISPATCH)], [nft.jump('nodeports')]]],
    [
      'masquerading',
      [
        [nft.matchCtStatus(['dnat']), words.resetPriority()],
        // An endpoint that reached itself must not see its own address as the client's: it would answer past conntrack.
        [
          nft.matchCtStatus(['dnat']),
          nft.matchTuple(words.family, ['saddr', 'daddr'], SETS.hairpin.name),
          nft.masquerade({ fullyRandom: true }),
        ],
        [nft.matchMark({ mask: masqueradeMark, value: 0 }), nft.return()],
        [nft.xorMark(masqueradeMark)],
        [nft.masquerade({ fullyRandom: true })],
      ],
    ],
    ['filter-prerouting-pre-dnat', [[isNew, nft.jump('firewall-check')]]],
    ['filter-output-pre-dnat', [[isNew, nft.jump('firewall-check')]]],
    [
      'filter-input',
      [
        [isNew, nft.jump('nodeport-endpoints-check')],
        [isNew, nft.jump('service-endpoints-check')],
      ],
    ],
    [
      'filter-forward',
      [
        [isNew, nft.jump('service-endpoints-check')],
        [isNew, nft.jump('cluster-ips-check')],
      ],
    ],
    [
      'filter-output',
      [
        [isNew, nft.jump('service-endpoints-check')],
        [isNew, nft.jump('cluster-ips-check')],
      ],
    ],
    ['nat-prerouting', [[nft.jump('services')]]],
    ['nat-output', [[nft.jump('services')]]],
    ['nat-postrouting', [[nft.jump('masquerading')]]],
  ])
}

/** The name of the chain that goes to the endpoint in a chosen slot. */
export function slotChain(by: 'frontend' | 'nodePort', { local }: { local: boolean }): string {
  return `${by === 'frontend' ? '' : 'nodeport-'}${local ? 'local-' : ''}slot`
}

function slotChains(words: Vocabulary): [string, Rule[]][] {
  return (['frontend', 'nodePort'] as const).flatMap((by) =>
    [false, true].map((local): [string, Rule[]] => [
      slotChain(by, { local }),
      // A packet may arrive here just before its Service shrinks, and look for its slot just after: the first slot remains.
      [[words.dnatToSlot(by)], [words.dnatTo(by, local ? LOCAL_SLOTS : 0)]],
    ]),
  )
}

/** The client may reach the VIP. The key is that of a frontend with the client's address behind. */
function allowedSource(words: Vocabulary) {
  const { family } = words
  const saddr = family === 4 ? { offset: 12, length: 4 } : { offset: 8, length: 16 }
  return [
    ...nft.loadTuple(family, ['daddr', 'l4proto', 'dport']),
    nft.payload({ base: 'network', ...saddr, register: family === 4 ? 11 : 14 }),
    nft.lookup({ set: SETS.firewallAllowed.name, register: 1 }),
  ]
}

/** Matches of the addresses node ports are offered on; a range is matched against what is local at that moment. */
function nodePortGuards(family: Family, options: FixedChainOptions): Rule[] {
  const guards: Rule[] = options.nodePortRanges.map((range) => [
    nft.matchDaddr(range),
    nft.matchLocal('daddr'),
  ])
  if (options.primaryNodePorts) guards.push([nft.matchTuple(family, ['daddr'], SETS.nodePortIps.name)])
  return guards
}
