/**
 * UDP on node:dgram, one socket per local address: an answer must leave from the address the query was sent to, and
 * dgram cannot choose a source address on a wildcard socket. This file is all that knows about sockets of UDP queries;
 * a listener on recvmmsg/sendmmsg (research notes §8.2) can take its place behind `Listener`.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { DnsError } from '../errors.ts'
import type { Listener, Receiver } from './transport.ts'

const receiveBuffer = 4 * 1024 * 1024
/** queries one listener may have under way */
const maxPending = 65_536

export interface UdpOptions {
  /** addresses to answer on; may change (`refresh`) */
  readonly addresses: readonly string[]
  readonly port: number
  /** an address that cannot be bound is an error at start when the user named it, else it is skipped */
  readonly required: boolean
  readonly receiver: Receiver
  onError(address: string, error: Error): void
}

export interface UdpListener extends Listener {
  /** Binds addresses that are new and closes sockets of those that are gone. */
  refresh(addresses: readonly string[]): Promise<void>
}

/** Binds; with port 0 all addresses get the port the first one was given. Throws DnsError DNS_LISTEN. */
export async function listenUdp(options: UdpOptions): Promise<UdpListener> {
  const sockets = new Map<string, Socket>()
  let port = options.port
  let pending = 0
  /** set while closing: called when nothing is under way any more */
  let idle: (() => void) | undefined
  const settled = (): void => {
    pending -= 1
    if (pending === 0) idle?.()
  }

  const listener: UdpListener = {
    transport: 'udp',
    receiver: options.receiver,
    addresses: () => [...sockets.keys()],
    port: () => port,
    refresh: async (addresses) => {
      for (const [address, socket] of sockets) {
        if (addresses.includes(address)) continue
        sockets.delete(address)
        socket.close()
      }
      for (const address of addresses) {
        if (!sockets.has(address)) await open(address, { required: false })
      }
    },
    close: async (graceMs) => {
      if (pending > 0) {
        await new Promise<void>((resolve) => {
          idle = resolve
          setTimeout(resolve, graceMs).unref()
        })
      }
      await Promise.all(
        [...sockets.values()].map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
      )
      sockets.clear()
    },
  }

  const open = async (address: string, { required }: { required: boolean }): Promise<void> => {
    const v6 = address.includes(':')
    const socket = createSocket({ type: v6 ? 'udp6' : 'udp4', ipv6Only: v6 })
    try {
      socket.bind(port, address)
      await once(socket, 'listening')
    } catch (cause) {
      socket.close()
      const error = cause instanceof Error ? cause : new Error(String(cause))
      if (required)
        throw new DnsError('DNS_LISTEN', `cannot listen on udp ${address} port ${port}: ${error.message}`, {
          cause,
        })
      options.onError(address, error)
      return
    }
    if (port === 0) port = socket.address().port
    try {
      socket.setRecvBufferSize(receiveBuffer)
    } catch {
      // the kernel's limit stays
    }
    socket.on('error', (error) => options.onError(address, error))
    socket.on('message', (wire, from) => {
      // Beyond this the host is flooded: dropping at once keeps memory bounded, and clients ask again.
      if (pending >= maxPending) return
      pending += 1
      const peer = {
        transport: 'udp' as const,
        clientAddress: from.address,
        clientPort: from.port,
        localAddress: address,
        localPort: port,
      }
      listener.receiver(wire, peer, (octets) => {
        // The octets live in a shared buffer and send() is asynchronous: it needs its own.
        if (octets === undefined || sockets.get(address) !== socket) settled()
        else if (idle === undefined) {
          settled()
          socket.send(Buffer.from(octets), from.port, from.address)
        } else socket.send(Buffer.from(octets), from.port, from.address, settled)
      })
    })
    sockets.set(address, socket)
  }

  try {
    for (const address of options.addresses) await open(address, { required: options.required })
  } catch (error) {
    await listener.close(0)
    throw error
  }
  if (sockets.size === 0)
    throw new DnsError('DNS_LISTEN', `cannot listen on udp port ${port} of any local address`)
  return listener
}
