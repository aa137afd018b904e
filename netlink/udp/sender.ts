import { formatAddress } from '../address.ts'

const AF_INET6 = 10

/** Where a datagram came from, as the octets of its sockaddr; the text is made when somebody wants it. */
export class UdpSender {
  readonly family: 4 | 6
  readonly port: number
  /** sockaddr as the kernel wrote it; IPv4: the four address octets as a number */
  readonly sockaddr: Buffer | undefined
  readonly ipv4: number
  #text: string | undefined

  constructor(names: Buffer, offset: number) {
    this.port = ((names[offset + 2] as number) << 8) | (names[offset + 3] as number)
    if (names[offset] === AF_INET6) {
      this.family = 6
      this.ipv4 = 0
      this.sockaddr = Buffer.from(names.subarray(offset, offset + 28))
      return
    }
    this.family = 4
    this.sockaddr = undefined
    this.ipv4 =
      ((names[offset + 4] as number) << 24) |
      ((names[offset + 5] as number) << 16) |
      ((names[offset + 6] as number) << 8) |
      (names[offset + 7] as number)
  }

  /** The address as text, with the scope of a link-local one ('fe80::1%2'). */
  get address(): string {
    this.#text ??= this.#format()
    return this.#text
  }

  #format(): string {
    const { sockaddr, ipv4 } = this
    if (sockaddr === undefined)
      return `${ipv4 >>> 24}.${(ipv4 >> 16) & 255}.${(ipv4 >> 8) & 255}.${ipv4 & 255}`
    const scope = sockaddr.readUInt32LE(24)
    const text = formatAddress(sockaddr.subarray(8, 24))
    return scope === 0 ? text : `${text}%${scope}`
  }

  /** Writes the sockaddr at `offset`; returns its length. */
  write(names: Buffer, offset: number): number {
    if (this.sockaddr !== undefined) {
      this.sockaddr.copy(names, offset)
      return 28
    }
    names[offset] = 2
    names[offset + 1] = 0
    names[offset + 2] = this.port >> 8
    names[offset + 3] = this.port
    const { ipv4 } = this
    names[offset + 4] = ipv4 >> 24
    names[offset + 5] = ipv4 >> 16
    names[offset + 6] = ipv4 >> 8
    names[offset + 7] = ipv4
    return 16
  }
}
