/**
 * UDP, one socket per local address: an answer must leave from the address the query was sent to. Batched system calls
 * are #netlink's; this file is all that knows about sockets of UDP queries.
 */
import { type UdpSender, UdpSocket } from '#netlink'
import type { Peer } from '../core/query.ts'
import { DnsError } from '../errors.ts'
import type { Listener, QuickAnswer, Receiver } from './transport.ts'

/** for the peaks of a node: some 5,000 queries wait in it */
const bufferSize = 4 * 1024 * 1024
/** queries one listener may have under way */
const maxPending = 65_536

export interface UdpOptions {
  /** addresses to answer on; may change (`refresh`) */
  readonly addresses: readonly string[]
  readonly port: number
  /** an address that cannot be bound is an error at start when the user named it, else it is skipped */
  readonly required: boolean
  /** several sockets share address and port (worker processes) */
  readonly reusePort?: boolean | undefined
  readonly receiver: Receiver
  readonly quick?: QuickAnswer | undefined
  onError(address: string, error: Error): void
}

export interface UdpListener extends Listener {
  /** Binds addresses that are new and closes sockets of those that are gone. */
  refresh(addresses: readonly string[]): void
}

/** Both ends of a query over UDP. */
class UdpPeer implements Peer {
  readonly transport = 'udp'
  readonly sender: UdpSender
  readonly localAddress: string
  readonly localPort: number

  constructor(sender: UdpSender, localAddress: string, localPort: number) {
    this.sender = sender
    this.localAddress = localAddress
    this.localPort = localPort
  }

  get clientFamily(): 4 | 6 {
    return this.sender.family
  }

  get clientAddress(): string {
    return this.sender.address
  }

  get clientPort(): number {
    return this.sender.port
  }
}

/** Binds; with port 0 all addresses get the port the first one was given. Throws DnsError DNS_LISTEN. */
export async function listenUdp(options: UdpOptions): Promise<UdpListener> {
  const sockets = new Map<string, UdpSocket>()
  let port = options.port
  let pending = 0
  /** set while closing: called when nothing is under way any more */
  let idle: (() => void) | undefined

  const listener: UdpListener = {
    transport: 'udp',
    receiver: options.receiver,
    quick: options.quick,
    addresses: () => [...sockets.keys()],
    port: () => port,
    refresh: (addresses) => {
      for (const [address, socket] of sockets) {
        if (addresses.includes(address)) continue
        sockets.delete(address)
        socket.close()
      }
      for (const address of addresses) {
        if (!sockets.has(address)) open(address, { required: false })
      }
    },
    close: async (graceMs) => {
      for (const socket of sockets.values()) socket.retire()
      if (pending > 0) {
        await new Promise<void>((resolve) => {
          idle = resolve
          setTimeout(resolve, graceMs).unref()
        })
      }
      for (const socket of sockets.values()) socket.close()
      sockets.clear()
    },
  }

  const open = (address: string, { required }: { required: boolean }): void => {
    try {
      const socket: UdpSocket = new UdpSocket({
        address,
        port,
        bufferSize,
        reusePort: options.reusePort,
        onQuick: (octets, offset, length, family, now, out, at) =>
          listener.quick?.(octets, offset, length, family, now, out, at) ?? 0,
        onDatagram: (wire, sender) => take(wire, sender, address, socket),
        onError: (error) => options.onError(address, error),
      })
      port = socket.port
      sockets.set(address, socket)
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause))
      if (!required) {
        options.onError(address, error)
        return
      }
      const message = `cannot listen on udp ${address} port ${port}: ${error.message}`
      throw new DnsError('DNS_LISTEN', message, { cause })
    }
  }

  const take = (wire: Buffer, sender: UdpSender, address: string, socket: UdpSocket): void => {
    // Beyond this the host is flooded: dropping at once keeps memory bounded, and clients ask again.
    if (pending >= maxPending) return
    pending += 1
    listener.receiver(wire, new UdpPeer(sender, address, port), (octets) => {
      pending -= 1
      if (octets !== undefined) socket.send(octets, sender)
      if (pending === 0) idle?.()
    })
  }

  try {
    for (const address of options.addresses) open(address, { required: options.required })
  } catch (error) {
    await listener.close(0)
    throw error
  }
  if (sockets.size === 0)
    throw new DnsError('DNS_LISTEN', `cannot listen on udp port ${port} of any local address`)
  return listener
}
