/**
 * Matches and statements in exactly the shapes nft emits for them, so that listings read as if nft had made the rule.
 * They are for tables of one family (ip, ip6); in an `inet` table begin the rule with `matchNfproto`.
 */
import { maskBytes, parsePrefix } from '../address.ts'
import { NetlinkValueError } from '../errors.ts'
import { expressions as x } from './expressions.ts'
import { concat, PROTOCOLS, type Protocol, packHostU32, packIfname, packPort } from './pack.ts'
import { loadTuple, type MatchOptions, matchTuple, vmapTuple, worded } from './tuple.ts'
import type { NftExpression } from './types.ts'

const CT_STATES = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const
const CT_STATUS = {
  expected: 1,
  'seen-reply': 2,
  assured: 4,
  confirmed: 8,
  snat: 16,
  dnat: 32,
  dying: 512,
} as const

export type CtState = keyof typeof CT_STATES
export type CtStatus = keyof typeof CT_STATUS

const op = (options: MatchOptions): 'eq' | 'neq' => (options.not === true ? 'neq' : 'eq')
const sign = (options: MatchOptions): string => (options.not === true ? '!= ' : '')

function address(field: 'saddr' | 'daddr', cidr: string, options: MatchOptions): NftExpression[] {
  const { family, bytes, length } = parsePrefix(cidr)
  const text = `${family === 4 ? 'ip' : 'ip6'} ${field} ${sign(options)}${cidr}`
  if (length === 0) {
    if (options.not === true) throw new NetlinkValueError(field, `nothing is outside ${cidr}`)
    return []
  }
  const offset = family === 4 ? (field === 'saddr' ? 12 : 16) : field === 'saddr' ? 8 : 24
  const value = maskBytes(bytes, length)
  if (length % 8 === 0) {
    // nft loads only the bytes of the prefix.
    return worded(
      text,
      x.payload({ base: 'network', offset, length: length / 8 }),
      x.cmp({ op: op(options), value: value.subarray(0, length / 8) }),
    )
  }
  const mask = maskBytes(new Uint8Array(bytes.length).fill(0xff), length)
  return worded(
    text,
    x.payload({ base: 'network', offset, length: bytes.length }),
    x.bitwise({ mask }),
    x.cmp({ op: op(options), value }),
  )
}

function port(
  field: 'sport' | 'dport',
  protocol: Protocol,
  value: number | readonly [number, number],
  o: MatchOptions,
) {
  const load = x.payload({ base: 'transport', offset: field === 'sport' ? 0 : 2, length: 2 })
  const words = typeof value === 'number' ? `${value}` : `${value[0]}-${value[1]}`
  const test =
    typeof value === 'number'
      ? [x.cmp({ op: op(o), value: packPort(value) })]
      : o.not === true
        ? [x.range({ from: packPort(value[0]), to: packPort(value[1]), not: true })]
        : [x.cmp({ op: 'gte', value: packPort(value[0]) }), x.cmp({ op: 'lte', value: packPort(value[1]) })]
  const [meta, cmp] = matchL4proto(protocol)
  const head = [meta, cmp].filter((expression) => expression !== undefined)
  return worded(`${protocol} ${field} ${sign(o)}${words}`, ...head, load, ...test)
}

function interfaceName(key: 'iifname' | 'oifname', name: string, options: MatchOptions): NftExpression[] {
  // A name that ends in '*' is compared without its end.
  const value = name.endsWith('*') ? Buffer.from(name.slice(0, -1)) : packIfname(name)
  return worded(`${key} ${sign(options)}"${name}"`, x.meta({ key }), x.cmp({ op: op(options), value }))
}

/** `meta nfproto ipv4`: the family, in an inet table. */
export function matchNfproto(family: 4 | 6): NftExpression[] {
  const value = Uint8Array.of(family === 4 ? 2 : 10)
  return worded(`meta nfproto ipv${family}`, x.meta({ key: 'nfproto' }), x.cmp({ value }))
}

/** `meta l4proto tcp`. */
export function matchL4proto(protocol: Protocol, options: MatchOptions = {}): NftExpression[] {
  const value = Uint8Array.of(PROTOCOLS[protocol])
  return worded(
    `meta l4proto ${sign(options)}${protocol}`,
    x.meta({ key: 'l4proto' }),
    x.cmp({ op: op(options), value }),
  )
}

/** `ip saddr 10.0.0.0/8`; an address without length means itself, length 0 matches everything. */
export function matchSaddr(cidr: string, options: MatchOptions = {}): NftExpression[] {
  return address('saddr', cidr, options)
}

/** `ip daddr 10.0.0.0/8`. */
export function matchDaddr(cidr: string, options: MatchOptions = {}): NftExpression[] {
  return address('daddr', cidr, options)
}

/** `tcp sport 53` with the protocol match it needs. */
export function matchSport(
  protocol: Protocol,
  value: number | readonly [number, number],
  options: MatchOptions = {},
): NftExpression[] {
  return port('sport', protocol, value, options)
}

/** `tcp dport 80` or, for a range, `tcp dport 30000-32767`, with the protocol match it needs. */
export function matchDport(
  protocol: Protocol,
  value: number | readonly [number, number],
  options: MatchOptions = {},
): NftExpression[] {
  return port('dport', protocol, value, options)
}

/** `iifname "eth0"`, `iifname "veth*"`. */
export function matchIifname(name: string, options: MatchOptions = {}): NftExpression[] {
  return interfaceName('iifname', name, options)
}

/** `oifname "eth0"`. */
export function matchOifname(name: string, options: MatchOptions = {}): NftExpression[] {
  return interfaceName('oifname', name, options)
}

/** `ct state established,related`. */
export function matchCtState(states: readonly CtState[]): NftExpression[] {
  const bits = states.reduce((sum, state) => sum | CT_STATES[state], 0)
  return worded(
    `ct state ${states.join(',')}`,
    x.ct({ key: 'state' }),
    x.bitwise({ mask: packHostU32(bits) }),
    x.cmp({ op: 'neq', value: new Uint8Array(4) }),
  )
}

/** `ct status dnat`. */
export function matchCtStatus(status: readonly CtStatus[]): NftExpression[] {
  const bits = status.reduce((sum, one) => sum | CT_STATUS[one], 0)
  return worded(
    `ct status ${status.join(',')}`,
    x.ct({ key: 'status' }),
    x.bitwise({ mask: packHostU32(bits) }),
    x.cmp({ op: 'neq', value: new Uint8Array(4) }),
  )
}

/** `meta mark & MASK == VALUE`; without a mask the whole mark. */
export function matchMark(
  mark: { value: number; mask?: number },
  options: MatchOptions = {},
): NftExpression[] {
  const value = packHostU32(mark.value)
  const { mask } = mark
  if (mask === undefined) {
    return worded(
      `meta mark ${sign(options)}${mark.value}`,
      x.meta({ key: 'mark' }),
      x.cmp({ op: op(options), value }),
    )
  }
  return worded(
    `meta mark & ${mask} ${options.not === true ? '!=' : '=='} ${mark.value}`,
    x.meta({ key: 'mark' }),
    x.bitwise({ mask: packHostU32(mask) }),
    x.cmp({ op: op(options), value }),
  )
}

/** `meta mark set mark or VALUE`. */
export function orMark(value: number): NftExpression[] {
  return worded(
    `meta mark set mark or ${value}`,
    x.meta({ key: 'mark' }),
    x.bitwise({ mask: packHostU32(~value), xor: packHostU32(value) }),
    x.metaSet({ key: 'mark' }),
  )
}

/** `meta mark set mark xor VALUE`: takes a bit that is known to be set away. */
export function xorMark(value: number): NftExpression[] {
  return worded(
    `meta mark set mark xor ${value}`,
    x.meta({ key: 'mark' }),
    x.bitwise({ mask: packHostU32(0xffffffff), xor: packHostU32(value) }),
    x.metaSet({ key: 'mark' }),
  )
}

/** `fib daddr type local` (or of the source address). */
export function matchLocal(field: 'saddr' | 'daddr', options: MatchOptions = {}): NftExpression[] {
  return worded(
    `fib ${field} type ${sign(options)}local`,
    x.fib({ result: 'type', flags: [field] }),
    x.cmp({ op: op(options), value: packHostU32(2) }),
  )
}

/** `dnat to 10.0.0.1:80` with constants. */
export function dnatTo(address: string, port?: number): NftExpression[] {
  const { family, bytes } = parsePrefix(address)
  const nat = { type: 'dnat', family: family === 4 ? 'ip' : 'ip6', address: 1 } as const
  if (port === undefined) return worded(`dnat to ${address}`, x.immediate({ value: bytes }), x.nat(nat))
  return worded(
    `dnat to ${family === 4 ? address : `[${address}]`}:${port}`,
    x.immediate({ value: bytes }),
    x.immediate({ value: packPort(port), register: 2 }),
    // NF_NAT_RANGE_PROTO_SPECIFIED
    x.nat({ ...nat, port: 2, flags: 2 }),
  )
}

/** Everything rules are made of, under one name. */
export const nft = {
  ...x,
  matchNfproto,
  matchL4proto,
  matchSaddr,
  matchDaddr,
  matchSport,
  matchDport,
  matchIifname,
  matchOifname,
  matchCtState,
  matchCtStatus,
  matchMark,
  matchLocal,
  matchTuple,
  vmapTuple,
  loadTuple,
  orMark,
  xorMark,
  dnatTo,
  accept: (): NftExpression => x.verdict({ verdict: 'accept' }),
  drop: (): NftExpression => x.verdict({ verdict: 'drop' }),
  return: (): NftExpression => x.verdict({ verdict: 'return' }),
  jump: (chain: string): NftExpression => x.verdict({ verdict: 'jump', chain }),
  goto: (chain: string): NftExpression => x.verdict({ verdict: 'goto', chain }),
  concat,
} as const
