/** dns2 (an independent client and codec) with the types of what is used of it. */
import { createRequire } from 'node:module'

interface Dns2Packet {
  readonly header: { readonly id: number; readonly rcode: number }
  readonly answers: readonly {
    readonly name: string
    readonly address?: string
    readonly target?: string
    readonly port?: number
    readonly domain?: string
    readonly ttl: number
    readonly type: number
  }[]
}
interface Dns2 {
  readonly Packet: { parse(octets: Buffer): Dns2Packet }
  UDPClient(options: { dns: string; port: number }): (name: string, type: string) => Promise<Dns2Packet>
  TCPClient(options: { dns: string; port: number }): (name: string, type: string) => Promise<Dns2Packet>
}

const dns2 = createRequire(import.meta.url)('dns2') as Dns2

export const DNSPacket = dns2.Packet

/** Asks with dns2. */
export function dns2Ask(
  port: number,
  name: string,
  type: string,
  transport: 'udp' | 'tcp' = 'udp',
): Promise<Dns2Packet> {
  const client =
    transport === 'udp'
      ? dns2.UDPClient({ dns: '127.0.0.1', port })
      : dns2.TCPClient({ dns: '127.0.0.1', port })
  return client(name, type)
}
