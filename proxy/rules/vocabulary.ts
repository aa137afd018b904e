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
  frontendIn(set: string): Words
  /** connections to a node port */
  nodePortVmap(map: string): Words
  /** the loopback network, which node ports never appear on */
  readonly loopback: string
  readonly reject: NftExpression
  /** DNAT to the endpoint in one of `count` slots from `offset` on */
  dnatToRandom(by: 'frontend' | 'nodePort', slots: { count: number; offset: number }): Words
  /** remembers a random endpoint for the client, unless one is remembered; starts the timeout anew */
  remember(by: 'frontend' | 'nodePort', slots: { count: number; offset: number; timeoutMs: number }): Words
  /** DNAT to the endpoint remembered for the client; goes on if there is none, or it is gone */
  dnatToRemembered(by: 'frontend' | 'nodePort'): Words
  /** forgets the client's endpoint */
  forget(): Words
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
  return {
    family,
    loopback: family === 4 ? '127.0.0.0/8' : '::1/128',
    reject: nft.reject({ type: 'icmp-unreachable', code: family === 4 ? 3 : 4 }),
    frontendVmap: (map) => nft.vmapTuple(family, FRONTEND, map),
    frontendIn: (set) => nft.matchTuple(family, FRONTEND, set),
    nodePortVmap: (map) => nft.vmapTuple(family, NODE_PORT, map),
    dnatToRandom: (by, { count, offset }) => [
      ...load(by),
      nft.numgen({ modulus: count, offset, register: unit(keyUnits(by)) }),
      ...dnat(by),
    ],
    remember: (by, { count, offset, timeoutMs }) => [
      ...load(by),
      nft.numgen({ modulus: count, offset, register: unit(keyUnits(by)) }),
      nft.lookup({ set: stickySlotsOf(by), register: 1, into: afterClient }),
      ...nft.loadTuple(family, CLIENT),
      nft.dynset({ set: affinity, op: 'update', key: 1, data: afterClient, timeoutMs }),
    ],
    dnatToRemembered: (by) => [
      ...nft.loadTuple(family, CLIENT),
      nft.lookup({ set: affinity, register: 1, into: unit(keyUnits(by)) }),
      ...load(by),
      ...dnat(by),
    ],
    forget: () => [
      ...nft.loadTuple(family, CLIENT),
      nft.immediate({ value: new Uint8Array(4), register: afterClient }),
      nft.dynset({ set: affinity, op: 'delete', key: 1, data: afterClient }),
    ],
  }
}
