import { closeSync } from 'node:fs'
import { packIPv4 } from './address.ts'
import { NetlinkError } from './errors.ts'
import * as ffi from './ffi.ts'

const ECONNREFUSED = 111

/**
 * Asks an IPv4 host for a sign of life without its help: a datagram to a closed UDP port is answered with ICMP port
 * unreachable, which Linux reports on a connected socket. Node's dgram cannot send without a checksum.
 */
export class UdpKnock {
  readonly #fd: number
  #refused = false
  #closed = false

  /** `checksum: 'none'` sends datagrams whose checksum is 0, "not computed" (RFC 768). */
  constructor(options: { address: string; port: number; checksum: 'computed' | 'none' }) {
    this.#fd = ffi.socket(ffi.AF_INET, ffi.SOCK_DGRAM | ffi.SOCK_CLOEXEC | ffi.SOCK_NONBLOCK, 0)
    if (this.#fd < 0) throw new NetlinkError({ errno: ffi.errno(), request: 'socket AF_INET' })
    try {
      const one = new Uint8Array(new Uint32Array([1]).buffer)
      if (options.checksum === 'none')
        this.#check(ffi.setsockopt(this.#fd, ffi.SOL_SOCKET, ffi.SO_NO_CHECK, one))
      // struct sockaddr_in: family (host order), port (network order), address, 8 bytes of nothing.
      const address = new Uint8Array(16)
      address[0] = ffi.AF_INET
      address[2] = options.port >> 8
      address[3] = options.port
      address.set(packIPv4(options.address), 4)
      this.#check(ffi.connect(this.#fd, address))
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Sends one datagram; errors of the way there (no route ...) are kept to themselves. */
  knock(): void {
    const sent = ffi.send(this.#fd, new Uint8Array(32), 32, ffi.MSG_DONTWAIT)
    // A refusal of the one before is reported by whatever comes next.
    if (sent < 0 && ffi.errno() === ECONNREFUSED) this.#refused = true
  }

  /** Has the host answered since last asked, be it by a refusal? */
  answered(): boolean {
    if (this.#refused) {
      this.#refused = false
      return true
    }
    if (ffi.recv(this.#fd, new Uint8Array(64), ffi.MSG_DONTWAIT) >= 0) return true
    return ffi.errno() === ECONNREFUSED
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #check(result: number): void {
    if (result < 0) throw new NetlinkError({ errno: ffi.errno(), request: 'UDP socket' })
  }
}
