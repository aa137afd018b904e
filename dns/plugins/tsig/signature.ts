/** Transaction signatures (RFC 8945). */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { asciiLower, Class, nameLength, readName, readU16, skipName, Type, Writer } from '../../wire/index.ts'

/** Names of algorithms on the wire and what Node calls their hash. */
const hashes: Readonly<Record<string, string>> = {
  'hmac-md5.sig-alg.reg.int.': 'md5',
  'hmac-sha1.': 'sha1',
  'hmac-sha224.': 'sha224',
  'hmac-sha256.': 'sha256',
  'hmac-sha384.': 'sha384',
  'hmac-sha512.': 'sha512',
}

/** The TSIG record of a message. */
export interface Tsig {
  readonly key: string
  readonly algorithm: string
  /** seconds since 1970 */
  readonly time: number
  readonly fudge: number
  readonly mac: Uint8Array
  readonly originalId: number
  /** where the record begins */
  readonly offset: number
}

export function isKnownAlgorithm(algorithm: string): boolean {
  return Object.hasOwn(hashes, algorithm)
}

/** The TSIG record at the end of a message, or undefined. `questionEnd` is where its records begin. Throws WireError. */
export function readTsig(wire: Uint8Array, questionEnd: number): Tsig | undefined {
  const total = readU16(wire, 6) + readU16(wire, 8) + readU16(wire, 10)
  let offset = questionEnd
  for (let i = 0; i < total; i += 1) {
    const fixed = skipName(wire, offset)
    const start = fixed + 10
    const end = start + readU16(wire, fixed + 8)
    if (readU16(wire, fixed) === Type.TSIG && i === total - 1 && readU16(wire, 10) > 0) {
      const algorithm = readName(wire, start)
      const at = algorithm.next
      const macSize = readU16(wire, at + 8)
      const macEnd = at + 10 + macSize
      if (macEnd + 6 > end || end > wire.length) return undefined
      return {
        key: asciiLower(readName(wire, offset).name),
        algorithm: asciiLower(algorithm.name),
        time: readU16(wire, at) * 2 ** 32 + readU16(wire, at + 2) * 65_536 + readU16(wire, at + 4),
        fudge: readU16(wire, at + 6),
        mac: Buffer.from(wire.subarray(at + 10, macEnd)),
        originalId: readU16(wire, macEnd),
        offset,
      }
    }
    offset = end
  }
  return undefined
}

/** True when the MAC of a query is right (RFC 8945 §5.2). */
export function verifyQuery(wire: Uint8Array, tsig: Tsig, secret: Buffer): boolean {
  const message = Buffer.from(wire.subarray(0, tsig.offset))
  message.writeUInt16BE(tsig.originalId, 0)
  message.writeUInt16BE(readU16(wire, 10) - 1, 10)
  const mac = hmac(tsig.algorithm, secret, [message, variables(tsig, { error: 0, other: Buffer.alloc(0) })])
  // Truncated MACs (RFC 8945 §5.2.2.1) are not taken.
  return mac.length === tsig.mac.length && timingSafeEqual(mac, tsig.mac)
}

export interface Sealing {
  readonly key: string
  readonly algorithm: string
  /** undefined: the record goes unsigned (BADKEY, BADSIG) */
  readonly secret: Buffer | undefined
  readonly time: number
  readonly fudge: number
  readonly error: number
  readonly other: Buffer
  readonly originalId: number
  /** MAC of the query, or of the message before */
  readonly prior: Uint8Array
  /** messages of a transfer after the first are signed with their timers only (RFC 8945 §5.3.1) */
  readonly later: boolean
}

/** Octets that a TSIG record takes. */
export function sealSize(key: string, algorithm: string): number {
  return nameLength(key) + 10 + nameLength(algorithm) + 10 + 64 + 6 + 6
}

/** Appends a TSIG record to the message in `out`; gives the new length and the MAC. */
export function seal(out: Buffer, length: number, how: Sealing): { length: number; mac: Buffer } {
  const prior = Buffer.alloc(2 + how.prior.length)
  prior.writeUInt16BE(how.prior.length, 0)
  prior.set(how.prior, 2)
  const mac =
    how.secret === undefined
      ? Buffer.alloc(0)
      : hmac(how.algorithm, how.secret, [
          prior,
          out.subarray(0, length),
          how.later ? timers(how) : variables(how, how),
        ])
  const writer = new Writer(out, { compress: false })
  writer.length = length
  writer.name(how.key, { compress: false })
  writer.u16(Type.TSIG)
  writer.u16(Class.ANY)
  writer.u32(0)
  writer.u16(nameLength(how.algorithm) + 16 + mac.length + how.other.length)
  writer.name(how.algorithm, { compress: false })
  writer.bytes(timers(how))
  writer.u16(mac.length)
  writer.bytes(mac)
  writer.u16(how.originalId)
  writer.u16(how.error)
  writer.u16(how.other.length)
  writer.bytes(how.other)
  out.writeUInt16BE(out.readUInt16BE(10) + 1, 10)
  return { length: writer.length, mac }
}

/** 48 bits of seconds. */
export function time48(seconds: number): Buffer {
  const octets = Buffer.alloc(6)
  octets.writeUIntBE(seconds, 0, 6)
  return octets
}

function timers(at: { readonly time: number; readonly fudge: number }): Buffer {
  return Buffer.concat([time48(at.time), Buffer.from([at.fudge >> 8, at.fudge & 255])])
}

function variables(
  tsig: {
    readonly key: string
    readonly algorithm: string
    readonly time: number
    readonly fudge: number
  },
  result: { readonly error: number; readonly other: Buffer },
): Buffer {
  const writer = new Writer(Buffer.alloc(1024), { compress: false })
  writer.name(tsig.key, { compress: false })
  writer.u16(Class.ANY)
  writer.u32(0)
  writer.name(tsig.algorithm, { compress: false })
  writer.bytes(timers(tsig))
  writer.u16(result.error)
  writer.u16(result.other.length)
  writer.bytes(result.other)
  return writer.buffer.subarray(0, writer.length)
}

function hmac(algorithm: string, secret: Buffer, parts: readonly Uint8Array[]): Buffer {
  const digest = createHmac(hashes[algorithm] ?? 'sha256', secret)
  for (const part of parts) digest.update(part)
  return digest.digest()
}
