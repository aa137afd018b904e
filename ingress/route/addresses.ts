import net from 'node:net'

/** Matches client addresses against addresses and CIDRs; a Set for the plain ones, node's BlockList for ranges. */
export class AddressSet {
  readonly #plain = new Set<string>()
  readonly #ranges = new net.BlockList()
  #hasRanges = false

  /** Throws a sentence if an entry is neither an address nor a CIDR. */
  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      const [address = '', bits] = entry.split('/')
      const family = net.isIP(address)
      if (family === 0) throw new Error(`invalid ip address: ${entry}`)
      if (bits === undefined) {
        this.#plain.add(address)
        continue
      }
      const prefix = Number(bits)
      if (!/^\d+$/.test(bits) || prefix > (family === 4 ? 32 : 128))
        throw new Error(`invalid ip address: ${entry}`)
      this.#ranges.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6')
      this.#hasRanges = true
    }
  }

  has(address: string): boolean {
    if (this.#plain.has(address)) return true
    return this.#hasRanges && this.#ranges.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
  }
}
