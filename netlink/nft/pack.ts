import { NetlinkValueError } from '../errors.ts'

/** IP protocol numbers of the protocols Services know. */
export const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const
export type Protocol = keyof typeof PROTOCOLS

/** Two bytes of a port in network order. */
export function packPort(port: number): Uint8Array {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff)
    throw new NetlinkValueError('port', `${port} is no port`)
  return Uint8Array.of(port >>> 8, port & 0xff)
}

/** One byte of an IP protocol. */
export function packProto(protocol: Protocol): Uint8Array {
  return Uint8Array.of(PROTOCOLS[protocol])
}

/** Four bytes in the host's order: marks, slots of numgen and jhash. */
export function packHostU32(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24)
}

/** Sixteen bytes of an interface name. */
export function packIfname(name: string): Uint8Array {
  const bytes = new Uint8Array(16)
  const text = Buffer.from(name)
  if (text.length > 15) throw new NetlinkValueError('ifname', `'${name}' is longer than 15 bytes`)
  bytes.set(text)
  return bytes
}

/** The key or data of a concatenation: every part padded to four bytes. A single part stays as it is. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  let length = 0
  for (const part of parts) length += (part.length + 3) & ~3
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += (part.length + 3) & ~3
  }
  return bytes
}
