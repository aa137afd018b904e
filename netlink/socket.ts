import { closeSync } from 'node:fs'
import { describeError } from './codec/ack.ts'
import { type Message, messagesOf, readU32 } from './codec/reader.ts'
import type { Schema } from './codec/schema.ts'
import { MessageWriter } from './codec/writer.ts'
import { NetlinkError, NetlinkFormatError } from './errors.ts'
import * as ffi from './ffi.ts'
import { runInNetns } from './netns.ts'

export const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12
export const NETLINK_GENERIC = 16

export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_DUMP = 0x300
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800

export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

const NETLINK_ADD_MEMBERSHIP = 1
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const NETLINK_GET_STRICT_CHK = 12

const EINTR = 4
const EAGAIN = 11
const DUMP_ATTEMPTS = 20
/** Some 100 bytes each: far below the socket's send buffer, and the answers below its receive buffer. */
const REQUESTS_PER_DATAGRAM = 256

/** Replies are read into this one buffer and decoded at once; the kernel's dump parts are at most 32 KiB. */
const inbox = new Uint8Array(256 * 1024)

export interface NetlinkSocketOptions {
  /** NETLINK_ROUTE or NETLINK_NETFILTER. */
  protocol: number
  /** Path of the namespace to open the socket in; it stays there. Default: the thread's. */
  netns?: string | undefined
  /** Multicast groups to join. */
  groups?: readonly number[] | undefined
  /** Bytes to allow in the socket's buffers, beyond the system's limits (needs CAP_NET_ADMIN). */
  sendBuffer?: number | undefined
  receiveBuffer?: number | undefined
  nonBlocking?: boolean | undefined
}

/** A request: what it is for errors, and who writes its body. */
export interface NetlinkRequest {
  /** For errors, e.g. 'RTM_NEWLINK cni0'. */
  readonly label: string
  readonly type: number
  readonly flags: number
  /** Writes everything after the nlmsghdr. */
  readonly body: (writer: MessageWriter) => void
  /** Bytes of the fixed header between nlmsghdr and the first attribute. */
  readonly header: number
  readonly schema: Schema
  /** Refusals that are no error but an answer: an exception with its stack trace costs more than the rest of a request. */
  readonly expected?: readonly number[] | undefined
}

function u32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer)
}

function openSocket(options: NetlinkSocketOptions): number {
  const check = (result: number, request: string): void => {
    if (result < 0) throw new NetlinkError({ errno: ffi.errno(), request })
  }
  const nonBlocking = options.nonBlocking === true ? ffi.SOCK_NONBLOCK : 0
  const fd = ffi.socket(ffi.AF_NETLINK, ffi.SOCK_RAW | ffi.SOCK_CLOEXEC | nonBlocking, options.protocol)
  check(fd, 'socket AF_NETLINK')
  try {
    for (const option of [NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK]) {
      check(ffi.setsockopt(fd, ffi.SOL_NETLINK, option, u32(1)), `setsockopt SOL_NETLINK ${option}`)
    }
    if (options.sendBuffer !== undefined) {
      check(ffi.setsockopt(fd, ffi.SOL_SOCKET, ffi.SO_SNDBUFFORCE, u32(options.sendBuffer)), 'SO_SNDBUFFORCE')
    }
    if (options.receiveBuffer !== undefined) {
      check(
        ffi.setsockopt(fd, ffi.SOL_SOCKET, ffi.SO_RCVBUFFORCE, u32(options.receiveBuffer)),
        'SO_RCVBUFFORCE',
      )
    }
    // The kernel answers while send() runs, so nothing is ever waited for; if that is wrong, fail and do not hang.
    const tenSeconds = new Uint8Array(new BigInt64Array([10n, 0n]).buffer)
    check(ffi.setsockopt(fd, ffi.SOL_SOCKET, ffi.SO_RCVTIMEO, tenSeconds), 'SO_RCVTIMEO')
    const address = new Uint8Array(12)
    address[0] = ffi.AF_NETLINK
    check(ffi.bind(fd, address), 'bind AF_NETLINK')
    for (const group of options.groups ?? []) {
      check(ffi.setsockopt(fd, ffi.SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, u32(group)), `join group ${group}`)
    }
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return fd
}

/** A netlink socket with synchronous requests and dumps. Not for sockets that also receive notifications. */
export class NetlinkSocket {
  readonly fd: number
  #closed = false
  #seq = 0
  readonly #writer = new MessageWriter()

  constructor(options: NetlinkSocketOptions) {
    const { netns } = options
    this.fd = netns === undefined ? openSocket(options) : runInNetns(netns, () => openSocket(options))
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** The next sequence number; 0 is never used. */
  nextSeq(): number {
    this.#seq = this.#seq >= 0xffffffff ? 1 : this.#seq + 1
    return this.#seq
  }

  /**
   * Sends one request and waits for its ack; `onReply` sees the messages that come before it (e.g. the object asked
   * for). Throws NetlinkError when the kernel refuses, unless that is among what the request expects.
   */
  request(request: NetlinkRequest, onReply?: (message: Message) => void): void {
    const seq = this.#send(request, NLM_F_REQUEST | NLM_F_ACK | request.flags)
    for (;;) {
      const length = this.receive(inbox, request.label)
      for (const message of messagesOf(inbox, length)) {
        if (message.seq !== seq) continue
        if (message.type !== NLMSG_ERROR) {
          onReply?.(message)
          continue
        }
        const errno = -(readU32(message.bytes, message.body) | 0)
        if (errno !== 0 && !request.expected?.includes(errno)) throw this.#refused(request, message, errno)
        return
      }
    }
  }

  /**
   * Sends a dump request and returns what `decode` makes of every message (undefined is left out). A dump the
   * kernel marks as interrupted by a concurrent change (NLM_F_DUMP_INTR) is thrown away and asked for again.
   */
  dump<T>(request: NetlinkRequest, decode: (message: Message) => T | undefined): T[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt += 1) {
      const items = this.#dumpOnce(request, decode)
      if (items !== undefined) return items
    }
    throw new NetlinkError({
      errno: EAGAIN,
      request: request.label,
      detail: `the dump was interrupted by changes ${DUMP_ATTEMPTS} times in a row`,
    })
  }

  #dumpOnce<T>(request: NetlinkRequest, decode: (message: Message) => T | undefined): T[] | undefined {
    const seq = this.#send(request, NLM_F_REQUEST | NLM_F_DUMP | request.flags)
    const items: T[] = []
    let interrupted = false
    for (;;) {
      const length = this.receive(inbox, request.label)
      for (const message of messagesOf(inbox, length)) {
        if (message.seq !== seq) continue
        interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0
        if (message.type === NLMSG_DONE || message.type === NLMSG_ERROR) {
          // NLMSG_DONE carries the dump's own result, too.
          const errno = message.end - message.body < 4 ? 0 : -(readU32(message.bytes, message.body) | 0)
          if (errno === EINTR) return undefined
          if (errno > 0) throw this.#refused(request, message, errno)
          if (message.type === NLMSG_DONE) return interrupted ? undefined : items
          continue
        }
        const item = decode(message)
        if (item !== undefined) items.push(item)
      }
    }
  }

  /**
   * Sends many requests in few datagrams: the kernel answers only what it refuses, and the last one of each datagram.
   * All are tried; the refusals come back by the index of their request.
   */
  requestAll(requests: readonly NetlinkRequest[]): Map<number, NetlinkError> {
    const refused = new Map<number, NetlinkError>()
    for (let from = 0; from < requests.length; from += REQUESTS_PER_DATAGRAM) {
      this.#requestSome(requests.slice(from, from + REQUESTS_PER_DATAGRAM), from, refused)
    }
    return refused
  }

  #requestSome(requests: readonly NetlinkRequest[], from: number, refused: Map<number, NetlinkError>): void {
    const writer = this.#writer
    writer.reset()
    const sent = new Map<number, { index: number; start: number; end: number; request: NetlinkRequest }>()
    let last = 0
    for (const [i, request] of requests.entries()) {
      last = this.nextSeq()
      const ack = i === requests.length - 1 ? NLM_F_ACK : 0
      const start = writer.begin(request.type, NLM_F_REQUEST | ack | request.flags, last)
      request.body(writer)
      writer.end()
      sent.set(last, { index: from + i, start, end: writer.length, request })
    }
    const label = `${requests.length} requests`
    if (ffi.send(this.fd, writer.storage, writer.length, 0) < 0) {
      throw new NetlinkError({ errno: ffi.errno(), request: `${label}: send` })
    }
    for (;;) {
      const length = this.receive(inbox, label)
      for (const message of messagesOf(inbox, length)) {
        const about = sent.get(message.seq)
        if (about === undefined || message.type !== NLMSG_ERROR) continue
        const errno = -(readU32(message.bytes, message.body) | 0)
        if (errno !== 0) refused.set(about.index, this.#refused(about.request, message, errno, about))
        if (message.seq === last) return
      }
    }
  }

  /** One datagram into `buffer`; its length, or with `dontWait` undefined when there is none. */
  receive(buffer: Uint8Array, label: string): number
  receive(buffer: Uint8Array, label: string, options: { dontWait: true }): number | undefined
  receive(buffer: Uint8Array, label: string, options?: { dontWait: true }): number | undefined {
    const flags = ffi.MSG_TRUNC | (options === undefined ? 0 : ffi.MSG_DONTWAIT)
    for (;;) {
      const length = ffi.recv(this.fd, buffer, flags)
      if (length >= 0) {
        if (length > buffer.length) {
          throw new NetlinkFormatError(`a datagram of ${length} bytes, the buffer has ${buffer.length}`)
        }
        return length
      }
      const errno = ffi.errno()
      if (errno === EINTR) continue
      if (errno === EAGAIN && options !== undefined) return undefined
      throw new NetlinkError({ errno, request: `${label}: recv` })
    }
  }

  #send(request: NetlinkRequest, flags: number): number {
    const seq = this.nextSeq()
    const writer = this.#writer
    writer.reset()
    writer.begin(request.type, flags, seq)
    request.body(writer)
    writer.end()
    if (ffi.send(this.fd, writer.storage, writer.length, 0) < 0) {
      throw new NetlinkError({ errno: ffi.errno(), request: `${request.label}: send` })
    }
    return seq
  }

  #refused(
    request: NetlinkRequest,
    message: Message,
    errno: number,
    place = { start: 0, end: this.#writer.length },
  ): NetlinkError {
    const { start, end } = place
    const sent = { bytes: this.#writer.storage, start, end, header: 16 + request.header }
    const { attribute, detail } = describeError(message, sent, request.schema)
    return new NetlinkError({ errno, request: request.label, attribute, detail })
  }
}
