import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type IpAddress, parseAddress } from './address.ts'
import { IpamError } from './errors.ts'
import { withFileLock } from './lock.ts'
import { overwrite } from './overwrite.ts'
import { currentBootID, type LeaseOwner, leaseText, parseLeaseText } from './owner.ts'
import { OwnerIndex, type OwnerRecord } from './owner-index.ts'

export interface StoreOptions {
  readonly dataDirectory: string
  readonly network: string
}

/**
 * The leases of one network on disk, in the reference plugin's layout and under its lock, so that both can work on
 * one directory: `<dataDirectory>/<network>/<address>` holds the owner, `last_reserved_ip.<set>` the round robin's
 * position. Our index lies beside it in `<dataDirectory>/.plexus/<network>` (a network name cannot start with a dot).
 */
export class LeaseStore {
  readonly directory: string
  readonly #side: string

  constructor({ dataDirectory, network }: StoreOptions) {
    this.directory = join(dataDirectory, network)
    this.#side = join(dataDirectory, '.plexus', network)
  }

  /** Runs `body` with the store locked against every other process, ours or the reference plugin's. */
  async locked<T>(body: (leases: LockedLeases) => T): Promise<T> {
    try {
      if (!existsSync(this.directory)) mkdirSync(this.directory, { recursive: true, mode: 0o755 })
      return await withFileLock(join(this.directory, 'lock'), () => {
        const leases = new LockedLeases(this.directory, this.#side)
        try {
          return body(leases)
        } finally {
          leases.finish()
        }
      })
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException
      if (error instanceof IpamError || syscall === undefined) throw error
      throw new IpamError('IPAM_STORE', `leases in ${this.directory}: ${code} in ${syscall}`, {
        cause: error,
      })
    }
  }
}

/** What can be done while the lock is held; valid inside `LeaseStore.locked` only. */
export class LockedLeases {
  readonly #directory: string
  readonly #pending: string
  readonly #index: OwnerIndex
  #changed: boolean
  #taken: Set<string> | undefined

  constructor(directory: string, side: string) {
    this.#directory = directory
    this.#pending = join(side, 'pending')
    this.#index = new OwnerIndex(directory, side)
    this.#changed = this.#index.refresh({ list: () => this.#leases() }) === 'rebuilt'
  }

  /** Called when the body is done, on every way out. */
  finish(): void {
    if (this.#changed) this.#index.seal()
  }

  /**
   * Takes `address` for `owner`; false if somebody holds it. The file appears with its whole content (rename(2) of a
   * finished one; everybody who makes leases holds the lock), so a crash at any point leaves no empty file behind; one
   * left by another program is taken over: its writer held the lock we hold now, hence died before its ADD could end.
   */
  reserve(address: string, record: OwnerRecord): boolean {
    if (this.#taken?.has(address)) return false
    const path = join(this.#directory, address)
    if (existsSync(path)) {
      // Nor is a free one what is no file at all.
      if (this.#ownerOf(address) !== undefined || !lstatSync(path).isFile()) return false
      rmSync(path, { force: true })
    }
    this.#changed = true
    this.#create(path, leaseText(record))
    const known = this.#index.get(record)?.addresses ?? []
    this.#index.set({ ...record, addresses: [...known.filter((other) => other !== address), address] })
    return true
  }

  /** After many collisions one listing is cheaper than trying on. Torn files are left out, they are free. */
  preloadTaken(): void {
    this.#taken ??= new Set(this.addresses().filter((address) => this.#ownerOf(address) !== undefined))
  }

  /** The last address given out of a set; undefined when unknown. */
  lastReserved(set: number): IpAddress | undefined {
    try {
      return parseAddress(readFileSync(join(this.#directory, `last_reserved_ip.${set}`), 'utf8').trim())
    } catch {
      return undefined
    }
  }

  setLastReserved(set: number, address: string): void {
    overwrite(join(this.#directory, `last_reserved_ip.${set}`), address)
  }

  /** What an owner holds, leases of ancient versions (container ID only) included. */
  recordOf(owner: LeaseOwner): OwnerRecord | undefined {
    const exact = this.#index.get(owner)
    const ancient = owner.ifname === '' ? undefined : this.#index.get({ ...owner, ifname: '' })
    if (exact === undefined || ancient === undefined) return exact ?? ancient
    return { ...exact, addresses: [...exact.addresses, ...ancient.addresses] }
  }

  /** Gives back what an owner holds and returns the addresses. Unknown owners are fine. */
  release(owner: LeaseOwner): readonly string[] {
    const exact = this.#index.get(owner)
    const record = exact ?? this.#index.get({ ...owner, ifname: '' })
    if (record === undefined) return []
    this.#changed = true
    for (const address of record.addresses) {
      try {
        unlinkSync(join(this.#directory, address))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
      this.#taken?.delete(address)
    }
    this.#index.delete(record)
    return record.addresses
  }

  /** Gives back one address of an owner who keeps others. */
  releaseOne(owner: LeaseOwner, address: string): void {
    const record = this.#index.get(owner)
    if (record === undefined) return
    this.#changed = true
    rmSync(join(this.#directory, address), { force: true })
    this.#taken?.delete(address)
    this.#index.set({ ...record, addresses: record.addresses.filter((other) => other !== address) })
  }

  isFree(address: string): boolean {
    this.preloadTaken()
    return this.#taken?.has(address) !== true
  }

  /** Removes empty lease files that a crashed program left: nobody owns them, so nobody would ever. */
  removeTorn(): void {
    for (const address of this.addresses()) {
      if (this.#ownerOf(address) !== undefined) continue
      this.#changed = true
      rmSync(join(this.#directory, address), { force: true })
    }
  }

  owners(): Iterable<OwnerRecord> {
    return this.#index.all()
  }

  /** Names of all lease files, torn ones included. */
  addresses(): string[] {
    return readdirSync(this.#directory).filter((name) => parseAddress(name) !== undefined)
  }

  *#leases(): Generator<{ address: string; owner: LeaseOwner }> {
    for (const address of this.addresses()) {
      const owner = this.#ownerOf(address)
      if (owner !== undefined) yield { address, owner }
    }
  }

  #ownerOf(address: string): LeaseOwner | undefined {
    try {
      return parseLeaseText(readFileSync(join(this.#directory, address), 'utf8'))
    } catch {
      return undefined
    }
  }

  #create(path: string, text: string): void {
    try {
      writeFileSync(this.#pending, text, { mode: 0o600 })
      renameSync(this.#pending, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
      // The directory is a mount of its own.
      rmSync(this.#pending, { force: true })
      writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
    }
  }
}

/** True if the owner certainly lived before the last boot. */
export function diedWithReboot(record: OwnerRecord): boolean {
  return record.evidence !== undefined && record.evidence.bootID !== currentBootID()
}
