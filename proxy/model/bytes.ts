import ipaddr from 'ipaddr.js'
import type { Protocol } from '#watch'

/**
 * Keys and values of set elements as they lie in the kernel, kept as latin1 strings: they compare, hash and
 * concatenate far faster than Uint8Arrays, and a Map of them needs no second representation. Every part of a
 * concatenation is padded to four bytes (include/net/netfilter/nf_tables.h, NFT_REG32_SIZE).
 */
export type Bytes = string

export type Family = 4 | 6

const PROTOCOLS: Readonly<Record<Protocol, Bytes>> = {
  TCP: '\x06\0\0\0',
  UDP: '\x11\0\0\0',
  SCTP: '\x84\0\0\0',
}

export function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4
}

/** The address in network order, or undefined if the text is not an address of that family. */
export function packAddress(address: string, family: Family): Bytes | undefined {
  return family === 4 ? packIPv4(address) : packIPv6(address)
}

/** Octets are decimal even with leading zeros, as net.ParseIPSloppy in Kubernetes reads them (CVE-2021-29923). */
function packIPv4(address: string): Bytes | undefined {
  const codes: number[] = []
  let octet = -1
  for (let index = 0; index <= address.length; index++) {
    const code = index === address.length ? 46 : address.charCodeAt(index)
    if (code === 46) {
      if (octet < 0 || octet > 255 || codes.length === 4) return undefined
      codes.push(octet)
      octet = -1
    } else if (code >= 48 && code <= 57) {
      octet = (octet < 0 ? 0 : octet * 10) + code - 48
    } else {
      return undefined
    }
  }
  return codes.length === 4 ? String.fromCharCode(...codes) : undefined
}

function packIPv6(address: string): Bytes | undefined {
  if (!address.includes(':') || address.includes('%') || !ipaddr.IPv6.isValid(address)) return undefined
  return String.fromCharCode(...ipaddr.IPv6.parse(address).toByteArray())
}

export function packProtocol(protocol: Protocol): Bytes {
  return PROTOCOLS[protocol]
}

export function packPort(port: number): Bytes {
  return String.fromCharCode(port >> 8, port & 0xff, 0, 0)
}

/** Marks, and so slots, are host endian in registers and keys: little endian on every machine Node runs on here. */
export function packMark(value: number): Bytes {
  return String.fromCharCode(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24)
}

export function toBuffer(bytes: Bytes): Uint8Array {
  return Buffer.from(bytes, 'latin1')
}

export function fromBuffer(buffer: Uint8Array): Bytes {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString('latin1')
}

/** First and last address of a CIDR of that family, or undefined. A bare address is a range of one. */
export function packRange(cidr: string, family: Family): { first: Bytes; last: Bytes } | undefined {
  const [address = '', length] = cidr.split('/')
  const bits = family === 4 ? 32 : 128
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : -1
  const packed = packAddress(address, family)
  if (packed === undefined || prefix < 0 || prefix > bits) return undefined
  let first = ''
  let last = ''
  for (let index = 0; index < packed.length; index++) {
    const host = 0xff >> Math.min(8, Math.max(0, prefix - index * 8))
    const octet = packed.charCodeAt(index)
    first += String.fromCharCode(octet & ~host)
    last += String.fromCharCode(octet | host)
  }
  return { first, last }
}

/** A 32 bit FNV-1a hash. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}
