/**
 * The memory that recvmmsg(2) and sendmmsg(2) work on: slots with a sockaddr, an iovec, a buffer and a mmsghdr each.
 * The kernel gets raw addresses out of these buffers, so they live as long as the ring, and rings live as long as
 * the module: V8 sees no reference from one buffer to another and would collect them.
 */
import * as ffi from '../ffi.ts'

/** struct sockaddr_in6; sockaddr_in is 16 */
const NAME = 28
/** struct sockaddr_in6 rounded up to keep slots aligned */
const NAME_SLOT = 32
const IOVEC = 16
/** struct mmsghdr of 64-bit Linux: msghdr (56), msg_len (4), padding */
const HEADER = 64
const OFFSET_NAMELEN = 8
const OFFSET_IOVLEN = 24
const OFFSET_LENGTH = 56

export class PacketRing {
  readonly slots: number
  readonly slotSize: number
  readonly names: Buffer
  readonly data: Buffer
  readonly headers: Buffer
  readonly #iovecs: Buffer

  constructor(slots: number, slotSize: number) {
    this.slots = slots
    this.slotSize = slotSize
    // allocUnsafeSlow: memory of its own, never part of a pool that moves on
    this.names = Buffer.allocUnsafeSlow(slots * NAME_SLOT).fill(0)
    this.data = Buffer.allocUnsafeSlow(slots * slotSize)
    this.#iovecs = Buffer.allocUnsafeSlow(slots * IOVEC).fill(0)
    this.headers = Buffer.allocUnsafeSlow(slots * HEADER).fill(0)
    const names = ffi.addressOf(this.names)
    const data = ffi.addressOf(this.data)
    const iovecs = ffi.addressOf(this.#iovecs)
    for (let i = 0; i < slots; i += 1) {
      writePointer(this.#iovecs, i * IOVEC, data + BigInt(i * slotSize))
      writePointer(this.#iovecs, i * IOVEC + 8, BigInt(slotSize))
      writePointer(this.headers, i * HEADER, names + BigInt(i * NAME_SLOT))
      writePointer(this.headers, i * HEADER + 16, iovecs + BigInt(i * IOVEC))
      this.headers[i * HEADER + OFFSET_IOVLEN] = 1
      this.prepareReceive(i)
    }
  }

  /** The kernel shortens msg_namelen to what it wrote: it has to be set again before the next call. */
  prepareReceive(slot: number): void {
    this.headers[slot * HEADER + OFFSET_NAMELEN] = NAME
  }

  /** Octets received into a slot. */
  receivedLength(slot: number): number {
    const at = slot * HEADER + OFFSET_LENGTH
    const { headers } = this
    return (headers[at] as number) | ((headers[at + 1] as number) << 8) | ((headers[at + 2] as number) << 16)
  }

  /** Sets the octets to send from a slot and the length of its sockaddr. */
  prepareSend(slot: number, length: number, nameLength: number): void {
    const iovec = slot * IOVEC + 8
    this.#iovecs[iovec] = length
    this.#iovecs[iovec + 1] = length >> 8
    this.#iovecs[iovec + 2] = length >> 16
    this.headers[slot * HEADER + OFFSET_NAMELEN] = nameLength
  }

  nameOffset(slot: number): number {
    return slot * NAME_SLOT
  }

  headerOffset(slot: number): number {
    return slot * HEADER
  }
}

function writePointer(buffer: Buffer, offset: number, value: bigint): void {
  buffer.writeBigUInt64LE(value, offset)
}
