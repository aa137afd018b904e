import {
  Class,
  decodeMessage,
  encodeInto,
  type Message,
  type ResourceRecord,
  readU16,
  readU32,
  skipName,
  Type,
} from '../wire/index.ts'
import type { AddressRun } from './address-run.ts'

/**
 * An answer as octets: a whole message without OPT. Any query with the same question can be answered by copying it and
 * putting the query's own id, flags, question (letter case) and TTL in; compression pointers stay right.
 */
export interface Prepared {
  readonly wire: Buffer
  readonly questionEnd: number
  /** ANCOUNT, NSCOUNT, ARCOUNT */
  readonly counts: readonly [number, number, number]
  /** where the TTLs are */
  readonly ttlOffsets: readonly number[]
  /** smallest of them, undefined without records */
  readonly minTtl: number | undefined
  readonly addresses: AddressRun | undefined
}

const workspace = Buffer.allocUnsafeSlow(65535)

/** Renders sections for a question once. Undefined if they cannot be written or do not fit into 64 KiB. */
export function prepare(
  question: { name: string; type: number; class?: number },
  sections: {
    answer: readonly ResourceRecord[]
    authority: readonly ResourceRecord[]
    additional: readonly ResourceRecord[]
  },
): Prepared | undefined {
  const message: Message = {
    id: 0,
    response: true,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: false,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: 0,
    questions: [{ name: question.name, type: question.type, class: question.class ?? Class.IN }],
    ...sections,
  }
  try {
    const length = encodeInto(message, workspace)
    if ((readU16(workspace, 2) & 0x0200) !== 0) return undefined
    return scan(Buffer.from(workspace.subarray(0, length)))
  } catch {
    return undefined
  }
}

/**
 * Takes an upstream's message as it is. OPT is hop-by-hop and must go: it can where it is the last record, which is where
 * everybody puts it; otherwise, and for malformed messages, the result is undefined and the caller has to decode.
 */
export function adopt(message: Uint8Array): Prepared | undefined {
  try {
    return scan(Buffer.from(message))
  } catch {
    return undefined
  }
}

/** Smallest TTL of a message's records (its OPT is none), for caches of HTTP. Undefined without records. */
export function scanTtl(message: Uint8Array): number | undefined {
  return adopt(message)?.minTtl
}

function scan(wire: Buffer): Prepared | undefined {
  if (readU16(wire, 4) !== 1) return undefined
  const questionEnd = skipName(wire, 12) + 4
  const counts: [number, number, number] = [readU16(wire, 6), readU16(wire, 8), readU16(wire, 10)]
  const ttlOffsets: number[] = []
  let minTtl: number | undefined
  let position = questionEnd
  let run: { offset: number; size: number; count: number; type: number } | undefined
  const total = counts[0] + counts[1] + counts[2]
  for (let i = 0; i < total; i += 1) {
    const start = position
    const fixed = skipName(wire, position)
    const type = readU16(wire, fixed)
    position = fixed + 10 + readU16(wire, fixed + 8)
    if (position > wire.length) return undefined
    if (type === Type.OPT) {
      if (i !== total - 1 || counts[2] === 0) return undefined
      counts[2] -= 1
      return finish(wire.subarray(0, start))
    }
    const ttl = readU32(wire, fixed + 4)
    ttlOffsets.push(fixed + 4)
    minTtl = minTtl === undefined ? ttl : Math.min(minTtl, ttl)
    if (i < counts[0]) {
      const size = position - start
      if (run !== undefined && run.type === type && run.size === size) run.count += 1
      else run = type === Type.A || type === Type.AAAA ? { offset: start, size, count: 1, type } : undefined
    }
  }
  return finish(wire.subarray(0, position))

  function finish(octets: Buffer): Prepared {
    const addresses =
      run !== undefined && run.count > 1
        ? { offset: run.offset, size: run.size, count: run.count }
        : undefined
    return { wire: octets, questionEnd, counts, ttlOffsets, minTtl, addresses }
  }
}

/** The sections in decoded form; `ttl` replaces every TTL if given. Throws WireError for what an upstream got wrong. */
export function decodePrepared(
  prepared: Prepared,
  ttl: number | undefined,
): Pick<Message, 'answer' | 'authority' | 'additional'> {
  const copy = Buffer.from(prepared.wire)
  prepared.counts.forEach((count, i) => {
    copy.writeUInt16BE(count, 6 + 2 * i)
  })
  if (ttl !== undefined) for (const offset of prepared.ttlOffsets) copy.writeUInt32BE(ttl, offset)
  return decodeMessage(copy)
}
