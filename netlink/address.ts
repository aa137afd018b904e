import { NetlinkFormatError, NetlinkValueError } from './errors.ts'

/** 4 bytes of an IPv4 address in dotted decimal. */
export function packIPv4(text: string): Uint8Array {
  const bytes = parseIPv4(text)
  if (bytes === undefined) throw new NetlinkValueError('address', `'${text}' is no IPv4 address`)
  return bytes
}

/** 16 bytes of an IPv6 address (RFC 4291 text forms, without zone). */
export function packIPv6(text: string): Uint8Array {
  const bytes = parseIPv6(text)
  if (bytes === undefined) throw new NetlinkValueError('address', `'${text}' is no IPv6 address`)
  return bytes
}

/** 4 or 16 bytes of an address of either family. */
export function packAddress(text: string): Uint8Array {
  const bytes = text.includes(':') ? parseIPv6(text) : parseIPv4(text)
  if (bytes === undefined) throw new NetlinkValueError('address', `'${text}' is no IP address`)
  return bytes
}

function parseIPv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4)
  let part = 0
  let value = -1
  for (let i = 0; i <= text.length; i += 1) {
    const code = i === text.length ? 0x2e : text.charCodeAt(i)
    if (code === 0x2e) {
      if (value < 0 || part > 3) return undefined
      bytes[part] = value
      part += 1
      value = -1
    } else if (code >= 0x30 && code <= 0x39 && value !== 0) {
      value = Math.max(value, 0) * 10 + code - 0x30
      if (value > 255) return undefined
    } else return undefined
  }
  return part === 4 ? bytes : undefined
}

function parseIPv6(text: string): Uint8Array | undefined {
  const [head = '', tail, more] = text.split('::')
  if (more !== undefined) return undefined
  const before = groups(head, { last: tail === undefined })
  const after = tail === undefined ? [] : groups(tail, { last: true })
  if (before === undefined || after === undefined) return undefined
  const missing = 8 - before.length - after.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const bytes = new Uint8Array(16)
  const all = [...before, ...new Array<number>(missing).fill(0), ...after]
  all.forEach((group, i) => {
    bytes[i * 2] = group >>> 8
    bytes[i * 2 + 1] = group
  })
  return bytes
}

function groups(text: string, options: { last: boolean }): number[] | undefined {
  if (text === '') return []
  const out: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      out.push(Number.parseInt(part, 16))
    } else {
      const v4 = options.last && i === parts.length - 1 ? parseIPv4(part) : undefined
      if (v4 === undefined) return undefined
      out.push(((v4[0] ?? 0) << 8) | (v4[1] ?? 0), ((v4[2] ?? 0) << 8) | (v4[3] ?? 0))
    }
  }
  return out
}

/** Text of 4 or 16 address bytes; IPv6 as RFC 5952 wants it. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`
  if (bytes.length !== 16) throw new NetlinkFormatError(`an address of ${bytes.length} bytes`)
  const group = (i: number): number => ((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0)
  let best = -1
  let bestLength = 1
  for (let i = 0; i < 8; i += 1) {
    let run = 0
    while (i + run < 8 && group(i + run) === 0) run += 1
    if (run > bestLength) {
      best = i
      bestLength = run
    }
  }
  const text = (from: number, to: number): string => {
    const out: string[] = []
    for (let i = from; i < to; i += 1) out.push(group(i).toString(16))
    return out.join(':')
  }
  if (best === 0 && bestLength >= 5 && isMapped(bytes)) return `::ffff:${formatAddress(bytes.subarray(12))}`
  return best < 0 ? text(0, 8) : `${text(0, best)}::${text(best + bestLength, 8)}`
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0)
}

/** 6 bytes of a MAC address 'aa:bb:cc:dd:ee:ff'. */
export function packMac(text: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) {
    throw new NetlinkValueError('mac', `'${text}' is no MAC address (aa:bb:cc:dd:ee:ff)`)
  }
  return Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16))
}

/** Text of a link-layer address; '' for none. */
export function formatMac(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
}

export interface Prefix {
  readonly family: 4 | 6
  readonly bytes: Uint8Array
  readonly length: number
}

/** Parses 'ADDRESS/LENGTH'; without length a host prefix. Host bits are kept. */
export function parsePrefix(text: string): Prefix {
  const slash = text.indexOf('/')
  const bytes = packAddress(slash < 0 ? text : text.slice(0, slash))
  const bits = bytes.length * 8
  const suffix = slash < 0 ? String(bits) : text.slice(slash + 1)
  const length = Number(suffix)
  if (!/^\d{1,3}$/.test(suffix) || length > bits) {
    throw new NetlinkValueError('prefix', `'${text}' has no prefix length between 0 and ${bits}`)
  }
  return { family: bytes.length === 4 ? 4 : 6, bytes, length }
}

/** A copy of `bytes` with everything after the first `length` bits cleared. */
export function maskBytes(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.map((byte, i) => {
    const bits = Math.min(8, Math.max(0, length - i * 8))
    return byte & (0xff << (8 - bits))
  })
}
