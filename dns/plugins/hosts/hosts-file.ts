import {
  addressFamily,
  asciiLower,
  canonicalAddress,
  canonicalName,
  isName,
  isSubdomain,
} from '../../wire/index.ts'

export interface HostsRules {
  /** names elsewhere are left out */
  readonly zones: readonly string[]
  /** addresses have names, too */
  readonly reverse: boolean
}

/** What one or more hosts files say. */
export class HostsTable {
  /** lower-case name -> addresses in the order of the file */
  readonly #names = new Map<string, string[]>()
  /** address -> names */
  readonly #addresses = new Map<string, string[]>()

  /** Adds the lines of a hosts(5) file: address, name, aliases; `#` starts a comment. Lines that are wrong are skipped. */
  add(text: string, options: HostsRules): void {
    for (const line of text.split('\n')) {
      const [address = '', ...names] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/)
      const plain = address.replace(/%.*$/, '')
      if (addressFamily(plain) === undefined) continue
      this.addEntry(canonicalAddress(plain), names, options)
    }
  }

  addEntry(address: string, names: readonly string[], options: HostsRules): void {
    for (const raw of names) {
      if (!isName(raw)) continue
      const name = canonicalName(raw)
      if (!options.zones.some((zone) => isSubdomain(name, zone))) continue
      append(this.#names, name, address)
      if (options.reverse && !name.startsWith('*.'))
        append(this.#addresses, address, canonicalName(asciiLower(raw)))
    }
  }

  /** Addresses of a name; a line for `*.example.com` counts for one label in place of the star. */
  addresses(name: string): readonly string[] {
    const exact = this.#names.get(name)
    if (exact !== undefined) return exact
    const dot = name.indexOf('.')
    return this.#names.get(`*${name.slice(dot)}`) ?? []
  }

  names(address: string): readonly string[] {
    return this.#addresses.get(address) ?? []
  }

  get size(): number {
    let size = 0
    for (const addresses of this.#names.values()) size += addresses.length
    return size
  }
}

function append(map: Map<string, string[]>, key: string, value: string): void {
  const values = map.get(key)
  if (values === undefined) map.set(key, [value])
  else if (!values.includes(value)) values.push(value)
}
