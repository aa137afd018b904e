/**
 * UDP by the batch: uv_poll tells that something is there, recvmmsg(2) takes up to 64 datagrams, their answers leave in
 * one sendmmsg(2). Measured against node:dgram in bench/dns and in the research notes on DNS, §8.
 */
import { closeSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { packAddress } from '../address.ts'
import { NetlinkError } from '../errors.ts'
import * as ffi from '../ffi.ts'
import { PacketRing } from './ring.ts'
import { UdpSender } from './sender.ts'

const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM = 2
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const EAGAIN = 11
const EINTR = 4

const batch = 64
/** batches per turn of the event loop: others want to run, too */
const batchesPerTurn = 8
/** Larger datagrams arrive cut; larger ones to send go through a slot of their own. */
const slotSize = 4096
/** how often a full send buffer is tried again; it drains at the speed of the card */
const sendAttempts = 64

/** All sockets of a thread share these: a batch is received and handed on without a turn of the loop in between. */
const inbox = new PacketRing(batch, slotSize)
const outbox = new PacketRing(batch, slotSize)
const oversize = new PacketRing(1, 65_535)

export interface UdpSocketOptions {
  readonly address: string
  /** 0: any free one */
  readonly port: number
  /** octets that may wait in the kernel; what the system allows if that is less */
  readonly bufferSize: number
  /** lets other sockets with the option have the same address and port; the kernel spreads senders over them */
  readonly reusePort?: boolean | undefined
  /**
   * Asked first, with the octets where they were received: may write an answer into `out` at `at` (room for 4096 octets)
   * and return its length; it leaves with the batch. 0: `onDatagram` gets it. Nothing is allocated on this way.
   */
  readonly onQuick?:
    | ((
        octets: Buffer,
        offset: number,
        length: number,
        family: 4 | 6,
        now: number,
        out: Buffer,
        at: number,
      ) => number)
    | undefined
  onDatagram(octets: Buffer, from: UdpSender): void
  onError(error: Error): void
}

/** The socket whose datagrams wait in `outbox`, and how many there are. */
let filling: UdpSocket | undefined
let filled = 0
/** true while a batch is handed on: everything is sent at its end */
let handing = false
let flushDue = false

export class UdpSocket {
  readonly port: number
  readonly #fd: number
  readonly #options: UdpSocketOptions
  readonly #poll: ffi.PollHandle
  #closed = false

  /** Binds. Throws NetlinkError with the errno's name as code (EADDRINUSE, EADDRNOTAVAIL ...). */
  constructor(options: UdpSocketOptions) {
    this.#options = options
    this.#fd = open(options)
    this.port = boundPort(this.#fd)
    this.#poll = ffi.pollReadable(this.#fd, () => void this.#drain())
  }

  /**
   * Sends from the socket's address. The octets may be used again when it returns; they leave with the batch, or at the
   * end of this turn of the event loop.
   */
  send(octets: Buffer, to: UdpSender): void {
    if (this.#closed) return
    if (octets.length > slotSize) {
      octets.copy(oversize.data, 0)
      oversize.prepareSend(0, octets.length, to.write(oversize.names, 0))
      this.#transmit(oversize, 1)
      return
    }
    if (filling !== this || filled === batch) flush()
    filling = this
    const slot = filled
    octets.copy(outbox.data, slot * slotSize)
    outbox.prepareSend(slot, octets.length, to.write(outbox.names, outbox.nameOffset(slot)))
    filled += 1
    if (handing || flushDue) return
    flushDue = true
    setImmediate(flush)
  }

  /**
   * For a socket that shares address and port with others and is about to be closed: new datagrams go to the others,
   * those that wait in it are handed on. A connected socket is passed over when the kernel chooses one of the group
   * (reuseport_select_sock_by_hash, Linux 5.4); it is connected to itself, from where nothing comes.
   */
  retire(): void {
    if (this.#closed) return
    const [plain = '', zone] = this.#options.address.split('%', 2)
    ffi.connect(this.#fd, sockaddr(plain, this.port, zone))
    for (let waiting = true; waiting; ) waiting = this.#drain()
  }

  close(): void {
    if (this.#closed) return
    if (filling === this) flush()
    this.#closed = true
    this.#poll.close()
    // libuv lets go of the descriptor when the handle's close callback has run, after this turn.
    setImmediate(() => closeSync(this.#fd))
  }

  /** True if it stopped though more may wait. */
  #drain(): boolean {
    for (let turn = 0; turn < batchesPerTurn && !this.#closed; turn += 1) {
      const count = ffi.recvmmsg(this.#fd, inbox.headers, batch, ffi.MSG_DONTWAIT)
      if (count < 0) {
        const errno = ffi.errno()
        if (errno !== EAGAIN && errno !== EINTR)
          this.#options.onError(new NetlinkError({ errno, request: 'recvmmsg' }))
        return false
      }
      this.#hand(count)
      if (count < batch) return false
    }
    return !this.#closed
  }

  #hand(count: number): void {
    handing = true
    const quick = this.#options.onQuick
    const now = performance.now()
    try {
      for (let i = 0; i < count; i += 1) {
        const length = inbox.receivedLength(i)
        if (quick !== undefined && this.#quickly(quick, i, length, now)) continue
        const from = new UdpSender(inbox.names, inbox.nameOffset(i))
        inbox.prepareReceive(i)
        this.#options.onDatagram(keep(i * slotSize, length), from)
      }
    } finally {
      handing = false
      flush()
    }
  }

  #quickly(
    quick: NonNullable<UdpSocketOptions['onQuick']>,
    slot: number,
    length: number,
    now: number,
  ): boolean {
    if (filling !== this || filled === batch) flush()
    filling = this
    const { names } = inbox
    const name = inbox.nameOffset(slot)
    const family = names[name] === AF_INET6 ? 6 : 4
    const size = quick(inbox.data, slot * slotSize, length, family, now, outbox.data, filled * slotSize)
    if (size === 0) return false
    const nameLength = family === 6 ? 28 : 16
    const to = outbox.nameOffset(filled)
    for (let i = 0; i < nameLength; i += 1) outbox.names[to + i] = names[name + i] as number
    inbox.prepareReceive(slot)
    outbox.prepareSend(filled, size, nameLength)
    filled += 1
    return true
  }

  /** Sends the first `count` slots of a ring. What cannot be sent is reported and left out, as the network would. */
  #transmit(ring: PacketRing, count: number): void {
    let done = 0
    let attempts = 0
    while (done < count) {
      const headers = done === 0 ? ring.headers : ring.headers.subarray(ring.headerOffset(done))
      const sent = ffi.sendmmsg(this.#fd, headers, count - done, ffi.MSG_DONTWAIT)
      if (sent > 0) {
        done += sent
        continue
      }
      const errno = ffi.errno()
      attempts += 1
      if ((errno === EAGAIN || errno === EINTR) && attempts < sendAttempts) continue
      this.#options.onError(new NetlinkError({ errno, request: 'sendmmsg' }))
      done += 1
    }
  }

  /** Sends what waits in the common outbox; for `flush`. */
  static transmit(socket: UdpSocket, count: number): void {
    socket.#transmit(outbox, count)
  }
}

const keepsakeSize = 64 * 1024
let keepsake = Buffer.allocUnsafeSlow(keepsakeSize)
let kept = 0

/** A copy of received octets: an answer that takes time keeps its query, while the ring is used again. */
function keep(at: number, length: number): Buffer {
  if (kept + length > keepsakeSize) {
    keepsake = Buffer.allocUnsafeSlow(keepsakeSize)
    kept = 0
  }
  inbox.data.copy(keepsake, kept, at, at + length)
  kept += length
  return keepsake.subarray(kept - length, kept)
}

function flush(): void {
  flushDue = false
  const socket = filling
  const count = filled
  filling = undefined
  filled = 0
  if (socket !== undefined && count > 0) UdpSocket.transmit(socket, count)
}

function open(options: UdpSocketOptions): number {
  const [plain = '', zone] = options.address.split('%', 2)
  const v6 = isIPv6(plain)
  const check = (result: number, request: string): void => {
    if (result < 0) throw new NetlinkError({ errno: ffi.errno(), request })
  }
  const fd = ffi.socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | ffi.SOCK_CLOEXEC | ffi.SOCK_NONBLOCK, 0)
  check(fd, 'socket SOCK_DGRAM')
  try {
    if (v6) check(ffi.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, number(1)), 'IPV6_V6ONLY')
    if (options.reusePort === true)
      check(ffi.setsockopt(fd, ffi.SOL_SOCKET, SO_REUSEPORT, number(1)), 'SO_REUSEPORT')
    // Beyond the system's limit with CAP_NET_ADMIN, else up to it.
    const size = number(options.bufferSize)
    if (ffi.setsockopt(fd, ffi.SOL_SOCKET, ffi.SO_RCVBUFFORCE, size) < 0)
      ffi.setsockopt(fd, ffi.SOL_SOCKET, SO_RCVBUF, size)
    if (ffi.setsockopt(fd, ffi.SOL_SOCKET, ffi.SO_SNDBUFFORCE, size) < 0)
      ffi.setsockopt(fd, ffi.SOL_SOCKET, SO_SNDBUF, size)
    check(ffi.bind(fd, sockaddr(plain, options.port, zone)), `bind ${options.address} port ${options.port}`)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function boundPort(fd: number): number {
  const name = Buffer.alloc(28)
  ffi.getsockname(fd, name)
  return name.readUInt16BE(2)
}

function sockaddr(address: string, port: number, zone: string | undefined): Buffer {
  const packed = packAddress(address)
  const name = Buffer.alloc(packed.length === 4 ? 16 : 28)
  name.writeUInt16LE(packed.length === 4 ? AF_INET : AF_INET6, 0)
  name.writeUInt16BE(port, 2)
  name.set(packed, packed.length === 4 ? 4 : 8)
  if (packed.length === 16) name.writeUInt32LE(scopeOf(zone), 24)
  return name
}

/** '2' or 'eth0' as the index of the interface. */
function scopeOf(zone: string | undefined): number {
  if (zone === undefined) return 0
  if (/^\d+$/.test(zone)) return Number(zone)
  return networkInterfaces()[zone]?.find(({ scopeid }) => (scopeid ?? 0) > 0)?.scopeid ?? 0
}

function number(value: number): Buffer {
  const octets = Buffer.alloc(4)
  octets.writeInt32LE(value)
  return octets
}
