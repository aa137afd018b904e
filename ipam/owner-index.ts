import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, unlinkSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { overwrite } from './overwrite.ts'
import {
  currentBootID,
  type LeaseEvidence,
  type LeaseOwner,
  leaseText,
  ownerKey,
  parseLeaseText,
} from './owner.ts'

/** One owner's leases as the index knows them. */
export interface OwnerRecord extends LeaseOwner {
  readonly addresses: readonly string[]
  /** For each address the identity of its lease file (inode and time): evidence is about these very files. */
  readonly marks?: readonly string[] | undefined
  readonly evidence?: LeaseEvidence | undefined
}

/**
 * Owner -> addresses, one small file per owner outside the lease directory, so that no operation reads every lease.
 *
 * The lease files alone are the truth. Whether the index still tells it is seen by one stat: after each of our
 * changes the lease directory gets a modification time of our choosing (now, with random microseconds), which is
 * noted in `stamp`. Any change by another program, or by one of ours that died half-way, leaves another time
 * there, and the index is built anew from the lease files. All calls are made under the store's lock; what is set and
 * deleted goes to disk with `seal`, or when all is asked for.
 */
export class OwnerIndex {
  readonly #leases: string
  readonly #directory: string
  readonly #stamp: string
  readonly #known = new Map<string, OwnerRecord | undefined>()
  readonly #changed = new Set<string>()

  constructor(leases: string, directory: string) {
    this.#leases = leases
    this.#directory = directory
    this.#stamp = join(directory, 'stamp')
  }

  /** Makes the index agree with the lease directory; reads lease files only if somebody else has changed it. */
  refresh(leases: { list(): Iterable<{ address: string; owner: LeaseOwner }> }): 'current' | 'rebuilt' {
    if (this.#isCurrent()) return 'current'
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    const found = new Map<string, { owner: LeaseOwner; addresses: string[] }>()
    for (const { address, owner } of leases.list()) {
      const key = ownerKey(owner)
      const entry = found.get(key)
      if (entry === undefined) found.set(key, { owner, addresses: [address] })
      else entry.addresses.push(address)
    }
    for (const key of this.#keys()) if (!found.has(key)) this.#remove(key)
    for (const [key, { owner, addresses }] of found) {
      addresses.sort()
      const marks = addresses.map((address) => this.#mark(address))
      const known = this.#read(key)
      const same = known?.addresses.join() === addresses.join() && known.marks?.join() === marks.join()
      if (!same) this.#write(key, { ...owner, addresses, marks })
    }
    return 'rebuilt'
  }

  /** Notes that the index and the lease directory agree now. Every change of leases ends with this. */
  seal(): void {
    this.#flush()
    const now = Date.now() / 1000
    utimesSync(this.#leases, now, now - Math.random())
    overwrite(this.#stamp, this.#expected())
  }

  get(owner: LeaseOwner): OwnerRecord | undefined {
    const key = ownerKey(owner)
    if (!this.#known.has(key)) this.#known.set(key, this.#read(key))
    return this.#known.get(key)
  }

  set(record: OwnerRecord): void {
    const key = ownerKey(record)
    this.#known.set(key, { ...record, addresses: [...record.addresses].sort() })
    this.#changed.add(key)
  }

  delete(owner: LeaseOwner): void {
    const key = ownerKey(owner)
    this.#known.set(key, undefined)
    this.#changed.add(key)
  }

  /** All owners; reads the whole index. */
  *all(): Generator<OwnerRecord> {
    this.#flush()
    for (const key of this.#keys()) {
      const record = this.#read(key)
      if (record !== undefined) yield record
    }
  }

  #flush(): void {
    for (const key of this.#changed) {
      const record = this.#known.get(key)
      if (record === undefined) this.#remove(key)
      else this.#write(key, { ...record, marks: record.addresses.map((address) => this.#mark(address)) })
    }
    this.#changed.clear()
  }

  #isCurrent(): boolean {
    try {
      return readFileSync(this.#stamp, 'utf8') === this.#expected()
    } catch {
      return false
    }
  }

  /** With the boot id, because a power failure may have kept the stamp and lost a record. */
  #expected(): string {
    return `${statSync(this.#leases, { bigint: true }).mtimeNs} ${currentBootID()}`
  }

  #mark(address: string): string {
    const { ino, mtimeNs } = statSync(join(this.#leases, address), { bigint: true })
    return `${ino}.${mtimeNs}`
  }

  #keys(): string[] {
    return readdirSync(this.#directory).filter((name) => /^[0-9a-f]{32}$/.test(name))
  }

  /** A record is the lease text, a line of addresses and a line of evidence; a torn one counts as absent. */
  #read(key: string): OwnerRecord | undefined {
    const path = join(this.#directory, key)
    // Most owners that are asked for are new: an exception for each would cost more than the look.
    if (!existsSync(path)) return undefined
    try {
      const [head = '', rest = ''] = splitOnce(readFileSync(path, 'utf8'), '\n\n')
      const owner = parseLeaseText(head)
      if (owner === undefined) return undefined
      const parsed = JSON.parse(rest) as Omit<OwnerRecord, keyof LeaseOwner>
      return { ...owner, addresses: parsed.addresses, marks: parsed.marks, evidence: parsed.evidence }
    } catch {
      return undefined
    }
  }

  #write(key: string, { addresses, marks, evidence, ...owner }: OwnerRecord): void {
    const text = `${leaseText(owner)}\n\n${JSON.stringify({ addresses, marks, evidence })}\n`
    overwrite(join(this.#directory, key), text)
  }

  #remove(key: string): void {
    try {
      unlinkSync(join(this.#directory, key))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const index = text.indexOf(separator)
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + separator.length)]
}
