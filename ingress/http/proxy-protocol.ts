import net from 'node:net'

/** Where a connection comes from and where it was going, as a proxy in front of us tells it. */
export interface ProxiedPeer {
  readonly source: { readonly address: string; readonly port: number }
  readonly destination: { readonly address: string; readonly port: number }
}

export interface ProxyHeader {
  /** Offset of the first byte behind the header. */
  readonly end: number
  /** undefined: the proxy speaks for itself (LOCAL, UNKNOWN). */
  readonly peer: ProxiedPeer | undefined
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const LONGEST_V1 = 107
const LONGEST_V2 = 16 + 2048

/**
 * Reads a PROXY protocol header, version 1 or 2 (haproxy's proxy-protocol.txt §2), at the start of the bytes.
 * 'incomplete' asks for more, 'malformed' is no such header: the connection must not be served.
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | 'incomplete' | 'malformed' {
  const length = Math.min(bytes.length, SIGNATURE.length)
  if (bytes.compare(SIGNATURE, 0, length, 0, length) === 0) return readBinary(bytes)
  const start = bytes.toString('latin1', 0, Math.min(bytes.length, 6))
  if (!'PROXY '.startsWith(start)) return 'malformed'
  const end = bytes.subarray(0, LONGEST_V1).indexOf('\r\n')
  if (end === -1) return bytes.length >= LONGEST_V1 ? 'malformed' : 'incomplete'
  return readText(bytes.toString('latin1', 6, end), end + 2)
}

function readText(text: string, end: number): ProxyHeader | 'malformed' {
  const [family, from = '', to = '', fromPort = '', toPort = '', ...rest] = text.split(' ')
  if (family === 'UNKNOWN') return { end, peer: undefined }
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : -1
  const ports = [fromPort, toPort].map((port) => (/^(0|[1-9]\d{0,4})$/.test(port) ? Number(port) : -1))
  const valid = net.isIP(from) === version && net.isIP(to) === version && rest.length === 0
  const [sourcePort = -1, destinationPort = -1] = ports
  if (!valid || ports.some((port) => port < 0 || port > 65535)) return 'malformed'
  return {
    end,
    peer: {
      source: { address: from, port: sourcePort },
      destination: { address: to, port: destinationPort },
    },
  }
}

function readBinary(bytes: Buffer): ProxyHeader | 'incomplete' | 'malformed' {
  if (bytes.length < 16) return 'incomplete'
  const command = bytes[12] as number
  const end = 16 + bytes.readUInt16BE(14)
  if (command >> 4 !== 2 || (command & 15) > 1 || end > LONGEST_V2) return 'malformed'
  if (bytes.length < end) return 'incomplete'
  const family = (bytes[13] as number) >> 4
  if ((command & 15) === 0 || (family !== 1 && family !== 2)) return { end, peer: undefined }
  const size = family === 1 ? 4 : 16
  if (end - 16 < 2 * size + 4) return 'malformed'
  const address = (at: number) => addressText(bytes.subarray(at, at + size))
  return {
    end,
    peer: {
      source: { address: address(16), port: bytes.readUInt16BE(16 + 2 * size) },
      destination: { address: address(16 + size), port: bytes.readUInt16BE(18 + 2 * size) },
    },
  }
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16))
  // The URL parser knows the canonical form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}

function addressBytes(address: string): Buffer {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const plain = new URL(`http://[${address}]/`).hostname.slice(1, -1)
  const [head = '', tail] = plain.split('::')
  const groups = (text: string | undefined) => (text === undefined || text === '' ? [] : text.split(':'))
  const left = groups(head)
  const right = groups(tail)
  const zeros = new Array<string>(tail === undefined ? 0 : 8 - left.length - right.length).fill('0')
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex')
}

/** The header that tells a server who is connected. Version 1 is a line of text, version 2 binary. */
export function writeProxyHeader(
  version: 1 | 2,
  { source, destination }: ProxiedPeer,
  transport: 'tcp' | 'udp' = 'tcp',
): Buffer {
  const families = [net.isIP(source.address), net.isIP(destination.address)]
  const family = families.includes(6) ? 6 : 4
  const mapped = (address: string) => (family === 6 && net.isIPv4(address) ? `::ffff:${address}` : address)
  const [from, to] = [mapped(source.address), mapped(destination.address)]
  if (version === 1)
    return Buffer.from(`PROXY TCP${family} ${from} ${to} ${source.port} ${destination.port}\r\n`, 'latin1')
  const addresses = Buffer.concat([addressBytes(from), addressBytes(to)])
  const head = Buffer.alloc(4)
  head[0] = 0x21
  head[1] = (family === 4 ? 0x10 : 0x20) | (transport === 'tcp' ? 1 : 2)
  head.writeUInt16BE(addresses.length + 4, 2)
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(source.port, 0)
  ports.writeUInt16BE(destination.port, 2)
  return Buffer.concat([SIGNATURE, head, addresses, ports])
}
