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
 * four bytes from 8, as nft counts them; only shapes that nft can list are used.
 */
export interface Vocabulary {
  readonly family: Family
  /** connections to a frontend with an address, by a verdict map or a set */
  frontendVmap(map: string): Words
  frontendNotIn(set: string): Words
  /** connections to a node port */
  nodePortVmap(map: string): Words
  /** the loopback network, which node ports never appear on */
  readonly loopback: string
  /** answers that nobody is there */
  readonly reject: readonly Words[]
  /** DNAT to the endpoint in one of `count` slots from `offset` on */
  dnatToRandom(by: 'frontend' | 'nodePort', slots: { count: number; offset: number }): Words
  /**
   * Session affinity, rule by rule. A slot passes from one rule to the next in the packet's priority (SO_PRIORITY, a hint
   * to queueing disciplines): nft 1.0.6 aborts on listing a map's result as part of another key, and the mark belongs to
   * others. Only the first packet of a connection comes here.
   */
  chooseSlot(by: 'frontend' | 'nodePort', slots: { count: number; offset: number }): Words
  /** remembers the chosen slot for the client unless one is remembered; starts the timeout anew */
  remember(timeoutMs: number): Words
  /** goes on with the slot remembered for the client */
  recall(): Words
  forget(): Words
  /** DNAT to the endpoint in the slot; goes on with the next rule if it is gone */
  dnatToSlot(by: 'frontend' | 'nodePort'): Words
}

export function vocabulary(family: Family): Vocabulary {
  const addressUnits = family === 4 ? 1 : 4
  const unit = (index: number): number => (index % 4 === 0 ? index / 4 + 1 : 8 + index)
  const keyUnits = (by: 'frontend' | 'nodePort') => (by === 'frontend' ? addressUnits + 2 : 2)
  const load = (by: 'frontend' | 'nodePort') =>
    nft.loadTuple(family, by === 'frontend' ? FRONTEND : NODE_PORT)
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
    frontendVmap: (map) => nft.vmapTuple(family, FRONTEND, map),
    frontendNotIn: (set) => nft.matchTuple(family, FRONTEND, set, { not: true }),
    nodePortVmap: (map) => nft.vmapTuple(family, NODE_PORT, map),
    dnatToRandom: (by, { count, offset }) => [
      ...load(by),
      nft.numgen({ modulus: count, offset, register: unit(keyUnits(by)) }),
      ...dnat(by),
    ],
    chooseSlot: (by, { count, offset }) => [
      ...load(by),
      nft.numgen({ modulus: count, offset, register: unit(keyUnits(by)) }),
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
