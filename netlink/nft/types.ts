/** The objects of nf_tables as callers see them. */

export type NftFamily = 'ip' | 'ip6' | 'inet' | 'bridge' | 'netdev'

/** Data types of set keys and map data; a concatenation is a list of them. */
export type NftType =
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'mark'
  | 'ifname'
  | 'ether_addr'
  | 'integer'

export type NftSetFlag = 'interval' | 'timeout' | 'dynamic' | 'constant'

export type NftHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress'

export interface NftTableRef {
  family: NftFamily
  name: string
}

export interface NftTableSpec extends NftTableRef {
  comment?: string | undefined
  /** The kernel removes the table when the socket that made it closes, however its process ended (Linux 5.12). */
  owner?: boolean | undefined
}

export interface NftChainRef {
  family: NftFamily
  table: string
  name: string
}

export interface NftBaseChain {
  name: NftHook
  /** e.g. -100 dstnat, 0 filter, 100 srcnat. */
  priority: number
  type: 'nat' | 'filter' | 'route'
  /** Device of a netdev chain. */
  device?: string | undefined
}

export interface NftChainSpec extends NftChainRef {
  hook?: NftBaseChain | undefined
  policy?: 'accept' | 'drop' | undefined
  comment?: string | undefined
  subject?: string | undefined
}

/** One expression of a rule: its kernel name, its encoded attributes and how a person reads it ('' if part of the next). */
export interface NftExpression {
  readonly name: string
  readonly data: Uint8Array
  readonly text: string
}

export interface NftRuleSpec {
  family: NftFamily
  table: string
  chain: string
  /** Expressions in order; lists may be nested as the combinators return them. */
  expressions: readonly (NftExpression | readonly NftExpression[])[]
  comment?: string | undefined
  /** Label for errors, e.g. 'Service shop/catalog:http'. */
  subject?: string | undefined
  /** Where to put the rule; default 'append'. */
  position?: 'append' | 'prepend' | undefined
}

export interface NftRuleRef {
  family: NftFamily
  table: string
  chain: string
  handle: bigint
}

export interface NftSetRef {
  family: NftFamily
  table: string
  set: string
}

export interface NftSetSpec {
  family: NftFamily
  table: string
  name: string
  key: readonly NftType[]
  /** Given = a map: parts of its data, or 'verdict'. */
  data?: readonly NftType[] | 'verdict' | undefined
  flags?: readonly NftSetFlag[] | undefined
  /** Default timeout of elements in milliseconds. */
  timeoutMs?: number | undefined
  /** Maximum number of elements. */
  size?: number | undefined
  comment?: string | undefined
  subject?: string | undefined
}

export type NftVerdict =
  | { readonly verdict: 'accept' | 'drop' | 'continue' | 'return' }
  | { readonly verdict: 'jump' | 'goto'; readonly chain: string }

/** An element; key and data are bytes already laid out (see `packIPv4`, `concat` ...). */
export interface NftElement {
  readonly key: Uint8Array
  /** Inclusive end of a range, in sets with flag 'interval'. */
  readonly keyEnd?: Uint8Array | undefined
  readonly data?: Uint8Array | NftVerdict | undefined
  readonly timeoutMs?: number | undefined
  /** Remaining life in milliseconds (dumps only). */
  readonly expiresMs?: number | undefined
  readonly comment?: string | undefined
}

export interface NftTable extends NftTableRef {
  readonly handle: bigint
  readonly comment?: string | undefined
  /** Number of chains, sets and objects in it. */
  readonly use: number
}

export interface NftChain extends NftChainRef {
  readonly handle: bigint
  readonly hook?: NftBaseChain | undefined
  readonly policy?: 'accept' | 'drop' | undefined
  readonly comment?: string | undefined
  /** Number of references (rules in it and jumps to it). */
  readonly use: number
}

export interface NftRule extends NftRuleRef {
  readonly expressions: readonly { readonly name: string; readonly data: Uint8Array }[]
  readonly comment?: string | undefined
}

export interface NftSet {
  readonly family: NftFamily
  readonly table: string
  readonly name: string
  readonly handle: bigint
  /** Undefined where the kernel names a type this code does not know. */
  readonly key?: readonly NftType[] | undefined
  readonly keyLength: number
  readonly data?: readonly NftType[] | 'verdict' | undefined
  readonly dataLength: number
  /** Includes 'anonymous' sets. */
  readonly flags: readonly (NftSetFlag | 'anonymous' | 'map' | 'concat')[]
  readonly timeoutMs?: number | undefined
  readonly size?: number | undefined
  /** Number of elements on kernels that tell it (NFTA_SET_COUNT); expired ones may be in it still. */
  readonly count?: number | undefined
  readonly comment?: string | undefined
}

/** Why one message of a batch was refused. */
export interface NftFailure {
  readonly subject?: string | undefined
  readonly code: string
  readonly message: string
  /** The offending element when the kernel pointed at one. */
  readonly element?: NftElement | undefined
  /** What was asked, as `NftTransaction.toString` prints it. */
  readonly operation: string
}
