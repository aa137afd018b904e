import { type ResourceRecord, Type } from '../wire/index.ts'
import { canonicalLabels, compareLabels } from './canonical.ts'

/** Records of one owner, by type. */
export type Node = ReadonlyMap<number, readonly ResourceRecord[]>

/** The signatures of a set of records, and the NSEC records that prove what is not there, of a signed zone. */
export class Proofs {
  readonly #chain: readonly { readonly labels: readonly string[]; readonly node: Node }[]

  constructor(nodes: ReadonlyMap<string, Node>) {
    this.#chain = [...nodes]
      .filter(([, node]) => node.has(Type.NSEC))
      .map(([owner, node]) => ({ labels: canonicalLabels(owner), node }))
      .sort((a, b) => compareLabels(a.labels, b.labels))
  }

  /** The NSEC (with signature) whose interval holds the name (RFC 4034 §4.1.1). */
  covering(name: string): readonly ResourceRecord[] {
    const labels = canonicalLabels(name)
    let low = 0
    let high = this.#chain.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareLabels(this.#chain[middle]?.labels ?? [], labels) <= 0) low = middle + 1
      else high = middle
    }
    const node = this.#chain.at(low - 1)?.node
    return node === undefined ? [] : signed(node, node.get(Type.NSEC) ?? [])
  }
}

/** Records of one type with their signatures; both under `owner` if given (wildcards). */
export function signed(node: Node, records: readonly ResourceRecord[], owner?: string): ResourceRecord[] {
  const type = records[0]?.type
  const signatures = (node.get(Type.RRSIG) ?? []).filter((record) => typeCovered(record) === type)
  const all = [...records, ...signatures]
  return owner === undefined ? all : all.map((record) => ({ ...record, name: owner }))
}

function typeCovered(record: ResourceRecord): number | undefined {
  if (record.kind !== 'raw' || record.rdata.length < 2) return undefined
  return ((record.rdata[0] ?? 0) << 8) | (record.rdata[1] ?? 0)
}

/** True for records of DNSSEC that answer nobody who did not ask for them. */
export function isDnssecType(type: number): boolean {
  return type === Type.RRSIG || type === Type.NSEC || type === Type.NSEC3
}
