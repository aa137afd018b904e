/**
 * The expressions rules are made of, one builder per kind, encoded at once. Registers are nft's numbers: 0 the verdict,
 * 1-4 of 16 bytes, 8-23 of 4 bytes (8-11 make up 1). nft loads a key of one part into 1; the parts of a concatenation
 * whose first part has 4 bytes go to 1, 9, 10, 11 ..., those after a first part of 16 bytes to 2, 13, 14 ...
 * Emit only shapes nft itself emits: others make `nft list` abort.
 */
import { MessageWriter } from '../codec/writer.ts'
import { VERDICTS } from './constants.ts'
import * as k from './expression-keys.ts'
import type { NftExpression, NftVerdict } from './types.ts'

const scratch = new MessageWriter(1024)

function build(name: string, text: string, write: (writer: MessageWriter) => void): NftExpression {
  scratch.reset()
  write(scratch)
  return { name, data: scratch.bytes(), text }
}

function writeValue(writer: MessageWriter, type: number, value: Uint8Array): void {
  const nest = writer.nest(type)
  writer.attrBytes(1, value)
  writer.endNest(nest)
}

/** Writes a verdict as NFTA_DATA_VERDICT; also used for map elements. */
export function writeVerdict(writer: MessageWriter, verdict: NftVerdict): void {
  const nest = writer.nest(2)
  writer.attrU32Be(1, VERDICTS[verdict.verdict])
  if ('chain' in verdict) writer.attrString(2, verdict.chain)
  writer.endNest(nest)
}

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`

export const expressions = {
  /** Loads `length` bytes of the packet at `offset` of a header into `register`. */
  payload(o: {
    base: keyof typeof k.PAYLOAD_BASES
    offset: number
    length: number
    register?: number
  }): NftExpression {
    const register = o.register ?? 1
    return build('payload', `[load ${o.length}b @ ${o.base} + ${o.offset} => reg ${register}]`, (w) => {
      w.attrU32Be(1, register)
      w.attrU32Be(2, k.PAYLOAD_BASES[o.base])
      w.attrU32Be(3, o.offset)
      w.attrU32Be(4, o.length)
    })
  },

  /** Goes on with the next rule unless the register compares so with `value`. */
  cmp(o: { op?: keyof typeof k.CMP_OPS; value: Uint8Array; register?: number }): NftExpression {
    const op = o.op ?? 'eq'
    return build('cmp', `[${op} reg ${o.register ?? 1} ${hex(o.value)}]`, (w) => {
      w.attrU32Be(1, o.register ?? 1)
      w.attrU32Be(2, k.CMP_OPS[op])
      writeValue(w, 3, o.value)
    })
  },

  /** register = (register & mask) ^ xor. */
  bitwise(o: { mask: Uint8Array; xor?: Uint8Array; register?: number; to?: number }): NftExpression {
    const register = o.register ?? 1
    const xor = o.xor ?? new Uint8Array(o.mask.length)
    return build(
      'bitwise',
      `[reg ${o.to ?? register} = (reg ${register} & ${hex(o.mask)}) ^ ${hex(xor)}]`,
      (w) => {
        w.attrU32Be(1, register)
        w.attrU32Be(2, o.to ?? register)
        w.attrU32Be(3, o.mask.length)
        writeValue(w, 4, o.mask)
        writeValue(w, 5, xor)
        w.attrU32Be(6, 0)
      },
    )
  },

  /** Goes on with the next rule unless the register lies (or with `not` does not lie) between two values. */
  range(o: { from: Uint8Array; to: Uint8Array; not?: boolean; register?: number }): NftExpression {
    const sign = o.not === true ? '!= ' : ''
    return build('range', `[reg ${o.register ?? 1} ${sign}${hex(o.from)}-${hex(o.to)}]`, (w) => {
      w.attrU32Be(1, o.register ?? 1)
      w.attrU32Be(2, o.not === true ? 1 : 0)
      writeValue(w, 3, o.from)
      writeValue(w, 4, o.to)
    })
  },

  /** Loads metadata of the packet. */
  meta(o: { key: k.MetaKey; register?: number }): NftExpression {
    return build('meta', `[meta ${o.key} => reg ${o.register ?? 1}]`, (w) => {
      w.attrU32Be(1, o.register ?? 1)
      w.attrU32Be(2, k.META_KEYS[o.key])
    })
  },

  /** Sets metadata (e.g. the mark) from a register. */
  metaSet(o: { key: 'mark' | 'pkttype' | 'priority'; register?: number }): NftExpression {
    return build('meta', `[meta ${o.key} set reg ${o.register ?? 1}]`, (w) => {
      w.attrU32Be(2, k.META_KEYS[o.key])
      w.attrU32Be(3, o.register ?? 1)
    })
  },

  /** Loads a field of the connection; `direction` for addresses and ports. */
  ct(o: { key: k.CtKey; direction?: 'original' | 'reply'; register?: number }): NftExpression {
    const direction = o.direction === undefined ? '' : `${o.direction} `
    return build('ct', `[ct ${direction}${o.key} => reg ${o.register ?? 1}]`, (w) => {
      w.attrU32Be(1, o.register ?? 1)
      w.attrU32Be(2, k.CT_KEYS[o.key])
      if (o.direction !== undefined) w.attrU8(3, o.direction === 'reply' ? 1 : 0)
    })
  },

  /** Sets the mark of the connection from a register. */
  ctSet(o: { key: 'mark'; register?: number }): NftExpression {
    return build('ct', `[ct ${o.key} set reg ${o.register ?? 1}]`, (w) => {
      w.attrU32Be(2, k.CT_KEYS[o.key])
      w.attrU32Be(4, o.register ?? 1)
    })
  },

  /**
   * Looks the register up in a set (or map): goes on with the next rule when it is not there (with `not`: when it is).
   * `into` receives a map's data; a verdict map is asked with `into: 0`.
   */
  lookup(o: { set: string; register?: number; into?: number; not?: boolean }): NftExpression {
    const into = o.into === undefined ? '' : o.into === 0 ? ' vmap' : ` => reg ${o.into}`
    return build('lookup', `[reg ${o.register ?? 1}${o.not === true ? ' !=' : ''} @${o.set}${into}]`, (w) => {
      w.attrString(1, o.set)
      w.attrU32Be(2, o.register ?? 1)
      if (o.into !== undefined) w.attrU32Be(3, o.into)
      if (o.not === true) w.attrU32Be(5, 1)
    })
  },

  /** Puts a constant into a register. */
  immediate(o: { value: Uint8Array; register?: number }): NftExpression {
    return build('immediate', `[reg ${o.register ?? 1} = ${hex(o.value)}]`, (w) => {
      w.attrU32Be(1, o.register ?? 1)
      writeValue(w, 2, o.value)
    })
  },

  /** Ends the rule with a verdict. */
  verdict(verdict: NftVerdict): NftExpression {
    const text = 'chain' in verdict ? `${verdict.verdict} ${verdict.chain}` : verdict.verdict
    return build('immediate', text, (w) => {
      w.attrU32Be(1, 0)
      const data = w.nest(2)
      writeVerdict(w, verdict)
      w.endNest(data)
    })
  },

  /** offset + (a random or next number mod `modulus`), in host order. */
  numgen(o: { modulus: number; type?: 'random' | 'inc'; offset?: number; register?: number }): NftExpression {
    const type = o.type ?? 'random'
    return build(
      'numgen',
      `[reg ${o.register ?? 1} = numgen ${type} mod ${o.modulus} offset ${o.offset ?? 0}]`,
      (w) => {
        w.attrU32Be(1, o.register ?? 1)
        w.attrU32Be(2, o.modulus)
        w.attrU32Be(3, type === 'random' ? 1 : 0)
        w.attrU32Be(4, o.offset ?? 0)
      },
    )
  },

  /** offset + (jhash of `length` bytes from `from` mod `modulus`), in host order. */
  hash(o: {
    from: number
    length: number
    modulus: number
    seed?: number
    offset?: number
    register?: number
  }): NftExpression {
    return build(
      'hash',
      `[reg ${o.register ?? 1} = jhash(reg ${o.from}, ${o.length}) mod ${o.modulus}]`,
      (w) => {
        w.attrU32Be(1, o.from)
        w.attrU32Be(2, o.register ?? 1)
        w.attrU32Be(3, o.length)
        w.attrU32Be(4, o.modulus)
        if (o.seed !== undefined) w.attrU32Be(5, o.seed)
        if (o.offset !== undefined) w.attrU32Be(6, o.offset)
        w.attrU32Be(7, 0)
      },
    )
  },

  /** Translates to the address and port in registers. */
  nat(o: k.NatOptions): NftExpression {
    const port = o.port === undefined ? '' : `:reg ${o.port}`
    return build('nat', `${o.type} ${o.family} to reg ${o.address ?? '-'}${port}`, (w) => {
      w.attrU32Be(1, o.type === 'dnat' ? 1 : 0)
      w.attrU32Be(2, o.family === 'ip' ? 2 : 10)
      if (o.address !== undefined) w.attrU32Be(3, o.address)
      if (o.addressMax !== undefined) w.attrU32Be(4, o.addressMax)
      if (o.port !== undefined) w.attrU32Be(5, o.port)
      if (o.portMax !== undefined) w.attrU32Be(6, o.portMax)
      if (o.flags !== undefined && o.flags !== 0) w.attrU32Be(7, o.flags)
    })
  },

  /** Masquerades; `fullyRandom` chooses source ports at random (NF_NAT_RANGE_PROTO_RANDOM_FULLY). */
  masquerade(o: { fullyRandom?: boolean } = {}): NftExpression {
    return build('masq', o.fullyRandom === true ? 'masquerade fully-random' : 'masquerade', (w) => {
      if (o.fullyRandom === true) w.attrU32Be(1, 0x10)
    })
  },

  /** Redirects to the machine itself, to the port in a register. */
  redirect(o: { port?: number } = {}): NftExpression {
    return build('redir', `redirect${o.port === undefined ? '' : ` to :reg ${o.port}`}`, (w) => {
      if (o.port !== undefined) w.attrU32Be(1, o.port)
    })
  },

  /** Rejects; `code` is the ICMP code (IPv4 port unreachable 3, IPv6 4, admin prohibited 13 / 1). */
  reject(o: { type: keyof typeof k.REJECTS; code?: number }): NftExpression {
    return build('reject', `reject with ${o.type} ${o.code ?? 0}`, (w) => {
      w.attrU32Be(1, k.REJECTS[o.type])
      w.attrU8(2, o.code ?? 0)
    })
  },

  /** Asks the routing table; `type` gives RTN_* (2 = local) in host order. */
  fib(o: {
    result: keyof typeof k.FIB_RESULTS
    flags: readonly (keyof typeof k.FIB_FLAGS)[]
    register?: number
  }): NftExpression {
    return build('fib', `[fib ${o.flags.join('.')} ${o.result} => reg ${o.register ?? 1}]`, (w) => {
      w.attrU32Be(1, o.register ?? 1)
      w.attrU32Be(2, k.FIB_RESULTS[o.result])
      w.attrU32Be(
        3,
        o.flags.reduce((sum, flag) => sum | k.FIB_FLAGS[flag], 0),
      )
    })
  },

  /** Adds the key in a register to a dynamic set, or renews or deletes it. */
  dynset(o: k.DynsetOptions): NftExpression {
    const timeout = o.timeoutMs === undefined ? '' : ` timeout ${o.timeoutMs}ms`
    return build('dynset', `${o.op} @${o.set} { reg ${o.key}${timeout} }`, (w) => {
      w.attrString(1, o.set)
      w.attrU32Be(3, k.DYNSET_OPS[o.op])
      w.attrU32Be(4, o.key)
      if (o.data !== undefined) w.attrU32Be(5, o.data)
      if (o.timeoutMs !== undefined) w.attrU64Be(6, o.timeoutMs)
    })
  },

  counter(): NftExpression {
    return build('counter', 'counter', (w) => {
      w.attrU64Be(1, 0)
      w.attrU64Be(2, 0)
    })
  },

  /** Goes on only for so many packets per second. */
  limit(o: { packetsPerSecond: number; burst?: number; over?: boolean }): NftExpression {
    return build('limit', `limit rate ${o.over === true ? 'over ' : ''}${o.packetsPerSecond}/second`, (w) => {
      w.attrU64Be(1, o.packetsPerSecond)
      w.attrU64Be(2, 1)
      w.attrU32Be(3, o.burst ?? 5)
      w.attrU32Be(4, 0)
      w.attrU32Be(5, o.over === true ? 1 : 0)
    })
  },

  /** No connection tracking for this packet. */
  notrack(): NftExpression {
    return build('notrack', 'notrack', () => {})
  },
} as const
