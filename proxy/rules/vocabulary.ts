import { type NftExpression, nft } from '#netlink'
import type { Family } from '../model/bytes.ts'
import { SETS } from '../model/sets.ts'

/** A group of expressions: a match, a load or a statement. */
export type Words = readonly NftExpression[]

const FRONTEND = ['daddr', 'l4proto', 'dport'] as const
const NODE_PORT = ['l4proto', 'dport'] as const
const CLIENT = ['saddr', 'daddr', 'l4proto', 'dport'] as const

/**
 * What the rules of this table are made of beyond nft's own words, for one family. Registers are counted in units of
 * four bytes from 8, as nft counts them; only shapes that nft can list are used: it aborts on listing a map's result as the
 * key of another map. So the number of a chain, or a slot, passes from one rule to the next in the packet's priority
 * (SO_PRIORITY, a hint to queueing disciplines; the mark belongs to others). Only the first packet of a connection comes here.
 */
export interface Vocabulary {
  readonly family: Family
  /** connections to a frontend with an address, or to a node port, that are in a set, or are not */
  isIn(set: string, by: 'frontend' | 'nodePort'): Words
  isNotIn(set: string, by: 'frontend' | 'nodePort'): Words
  /** looks the number of the frontend's chain up, for `goToChain`; where there is none, the next rule is next */
  chooseChain(by: 'frontend' | 'nodePort'): Words
  /** the chain with the number that was chosen */
  goToChain(): Words
  /** the loopback network, which node ports never appear on */
  readonly loopback: string
  /** answers that nobody is there */
  readonly reject: readonly Words[]
  /** chooses one of `count` slots from `offset` on */
  chooseSlot(slots: { count: number; offset: number }): Words
  /** DNAT to the endpoint in the chosen slot; goes on with the next rule if it is gone */
  dnatToSlot(by: 'frontend' | 'nodePort'): Words
  /** DNAT to the endpoint in this slot */
  dnatTo(by: 'frontend' | 'nodePort', slot: number): Words
  /** for session affinity: goes over from the chosen slot to the one that names its endpoint */
  nameSlot(by: 'frontend' | 'nodePort'): Words
  /** remembers the chosen slot for the client unless one is remembered; starts the timeout anew */
  remember(timeoutMs: number): Words
  /** goes on with the slot remembered for the client */
  recall(): Words
  forget(): Words
  /** the chosen number or slot is of no use any more: the packet is as urgent as any other */
  resetPriority(): Words
}

export function vocabulary(family: Family): Vocabulary {
  const addressUnits = family === 4 ? 1 : 4
  const unit = (index: number): number => (index % 4 === 0 ? index / 4 + 1 : 8 + index)
  const keyUnits = (by: 'frontend' | 'nodePort') => (by === 'frontend' ? addressUnits + 2 : 2)
  const partsOf = (by: 'frontend' | 'nodePort') => (by === 'frontend' ? FRONTEND : NODE_PORT)
  const load = (by: 'frontend' | 'nodePort') => nft.loadTuple(family, partsOf(by))
  const endpointsOf = (by: 'frontend' | 'nodePort') =>
    by === 'frontend' ? SETS.endpoints.name : SETS.nodePortEndpoints.name
  const stickySlotsOf = (by: 'frontend' | 'nodePort') =>
    by === 'frontend' ? SETS.stickySlots.name : SETS.stickyNodePortSlots.name
  /** DNAT to the endpoint that a complete key in the first registers leads to. */
  const dnat = (by: 'frontend' | 'nodePort'): Words => [
    nft.lookup({ set: endpointsOf(by), register: 1, into: 1 }),
    nft.nat({ type: 'dnat', family: family === 4 ? 'ip' : 'ip6', address: 1, port: unit(addressUnits) }),
  ]
  const affinity = SETS.affinity.name
  /** Past the client's key: twice an address, protocol and port. */
  const afterClient = unit(2 * addressUnits + 2)
  const clientAndSlot = [
    ...nft.loadTuple(family, CLIENT),
    nft.meta({ key: 'priority', register: afterClient }),
  ]
  return {
    family,
    loopback: family === 4 ? '127.0.0.0/8' : '::1/128',
    // The kernel limits ICMP errors to a few per second and client (icmp_ratelimit); resets it does not, and a client that
    // gets neither waits for seconds. kube-proxy sends ICMP to TCP clients, too; they see ECONNREFUSED either way.
    reject: [
      [...nft.matchL4proto('tcp'), nft.reject({ type: 'tcp-reset' })],
      [nft.reject({ type: 'icmp-unreachable', code: family === 4 ? 3 : 4 })],
    ],
    isIn: (set, by) => nft.matchTuple(family, partsOf(by), set),
    isNotIn: (set, by) => nft.matchTuple(family, partsOf(by), set, { not: true }),
    chooseChain: (by) => [
      ...load(by),
      nft.lookup({ set: (by === 'frontend' ? SETS.serviceIps : SETS.serviceNodePorts).name, into: 1 }),
      nft.metaSet({ key: 'priority' }),
    ],
    goToChain: () => [nft.meta({ key: 'priority' }), nft.lookup({ set: SETS.chains.name, into: 0 })],
    resetPriority: () => [nft.immediate({ value: new Uint8Array(4) }), nft.metaSet({ key: 'priority' })],
    chooseSlot: ({ count, offset }) => [
      nft.numgen({ modulus: count, offset }),
      nft.metaSet({ key: 'priority' }),
    ],
    dnatTo: (by, slot) => [
      ...load(by),
      nft.numgen({ modulus: 1, offset: slot, register: unit(keyUnits(by)) }),
      ...dnat(by),
    ],
    nameSlot: (by) => [
      ...load(by),
      nft.meta({ key: 'priority', register: unit(keyUnits(by)) }),
      nft.lookup({ set: stickySlotsOf(by), register: 1, into: 1 }),
      nft.metaSet({ key: 'priority' }),
    ],
    remember: (timeoutMs) => [
      ...clientAndSlot,
      nft.dynset({ set: affinity, op: 'update', key: 1, data: afterClient, timeoutMs }),
    ],
    recall: () => [
      ...nft.loadTuple(family, CLIENT),
      nft.lookup({ set: affinity, register: 1, into: 1 }),
      nft.metaSet({ key: 'priority' }),
    ],
    forget: () => [...clientAndSlot, nft.dynset({ set: affinity, op: 'delete', key: 1, data: afterClient })],
    dnatToSlot: (by) => [
      ...load(by),
      nft.meta({ key: 'priority', register: unit(keyUnits(by)) }),
      ...dnat(by),
    ],
  }
}
