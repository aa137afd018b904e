import { asciiLower, parseAddress, type ResourceRecord, Type } from '../../wire/index.ts'

export interface Network {
  readonly octets: Uint8Array
  readonly bits: number
}

/** A new order for the records of a section. */
export type Order = (records: readonly ResourceRecord[]) => readonly ResourceRecord[]

function isAddress(record: ResourceRecord): boolean {
  return record.type === Type.A || record.type === Type.AAAA
}

/** CNAMEs first (resolvers read in order), then what is neither, addresses, MX. */
function arranged(
  records: readonly ResourceRecord[],
  addresses: readonly ResourceRecord[],
): ResourceRecord[] {
  return [
    ...records.filter(({ type }) => type === Type.CNAME),
    ...records.filter(
      (record) => ![Type.CNAME, Type.MX].includes(record.type as never) && !isAddress(record),
    ),
    ...addresses,
    ...shuffled(records.filter(({ type }) => type === Type.MX)),
  ]
}

function shuffled<T>(items: readonly T[]): T[] {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1))
    const [a, b] = [order[i] as T, order[j] as T]
    order[i] = b
    order[j] = a
  }
  return order
}

/** Addresses in random order. */
export const random: Order = (records) => arranged(records, shuffled(records.filter(isAddress)))

/** One address first, chosen by weight (1 where none is given); the others keep their order. */
export function weighted(weightOf: (name: string, address: string) => number): Order {
  return (records) => {
    const addresses = records.filter(isAddress)
    const weights = addresses.map((record) =>
      record.kind === 'address' ? weightOf(asciiLower(record.name), record.address) : 1,
    )
    let left = Math.random() * weights.reduce((sum, weight) => sum + weight, 0)
    const top = weights.findIndex((weight) => {
      left -= weight
      return left < 0
    })
    const first = addresses[top]
    if (first === undefined) return records
    const [before] = addresses
    const swapped = addresses.map((record, i) => (i === 0 ? first : i === top ? (before ?? record) : record))
    return arranged(records, swapped)
  }
}

/** Addresses in the networks first, in the order of the networks. */
export function preferring(networks: readonly Network[], order: Order): Order {
  const rank = (record: ResourceRecord): number => {
    const octets = record.kind === 'address' ? parseAddress(record.address) : undefined
    const at = octets === undefined ? -1 : networks.findIndex((network) => contains(network, octets))
    return at < 0 ? networks.length : at
  }
  return (records) => {
    const given = order(records)
    const sorted = given.filter(isAddress).sort((a, b) => rank(a) - rank(b))
    let next = 0
    return given.map((record) => (isAddress(record) ? (sorted[next++] ?? record) : record))
  }
}

function contains({ octets, bits }: Network, address: Uint8Array): boolean {
  if (octets.length !== address.length) return false
  for (let i = 0; i < octets.length; i += 1) {
    const mask = (0xff << (8 - Math.min(8, Math.max(0, bits - 8 * i)))) & 0xff
    if ((((octets[i] ?? 0) ^ (address[i] ?? 0)) & mask) !== 0) return false
  }
  return true
}
