import { formatAddress, type IpAddress, parseAddress, sameAddress } from './address.ts'
import type { IpamConfig } from './config.ts'
import { IpamError } from './errors.ts'
import { currentBootID, type LeaseOwner } from './owner.ts'
import type { OwnerRecord } from './owner-index.ts'
import { candidates, capacityOf, formatRangeSet, type RangeSet, rangeFor } from './range.ts'
import { type DnsSettings, readResolvConf } from './resolv-conf.ts'
import { diedWithReboot, LeaseStore, type LockedLeases } from './store.ts'

export interface Allocation {
  readonly ips: readonly { readonly address: string; readonly gateway: string }[]
  readonly routes: readonly Readonly<Record<string, unknown>>[]
  readonly dns: DnsSettings
}

export interface AllocateOptions {
  /** Kept beside the lease, see LeaseEvidence.detail. */
  readonly detail?: Readonly<Record<string, string>> | undefined
  /** Says that an owner cannot live any more; asked when a pool is exhausted or the same owner comes twice. */
  readonly isDead?: ((record: OwnerRecord) => boolean) | undefined
}

/** Collisions in a row after which the directory is listed once instead. */
const triesBeforeListing = 32

/** Takes one address of each set for `owner`, all or none. */
export async function allocate(
  config: IpamConfig,
  owner: LeaseOwner,
  options: AllocateOptions = {},
): Promise<Allocation> {
  const dns = config.resolvConf === undefined ? {} : readResolvConf(config.resolvConf)
  const isDead = (record: OwnerRecord): boolean =>
    diedWithReboot(record) || (options.isDead?.(record) ?? false)
  const record: OwnerRecord = {
    containerID: owner.containerID,
    ifname: owner.ifname,
    addresses: [],
    evidence: { bootID: currentBootID(), detail: options.detail },
  }
  const ips = await storeOf(config).locked((leases) => {
    const before = leases.recordOf(owner)
    if (before !== undefined && isDead(before)) leases.release(owner)
    const held = new Set(leases.recordOf(owner)?.addresses ?? [])
    try {
      return takeFromEachSet(config, leases, record, { held, isDead })
    } catch (error) {
      // What this call took goes back; what the owner held before stays.
      const gained = (leases.recordOf(owner)?.addresses ?? []).filter((address) => !held.has(address))
      if (gained.length > 0 && held.size === 0) leases.release(owner)
      else for (const address of gained) leases.releaseOne(owner, address)
      throw error
    }
  })
  return { ips, routes: config.routes, dns }
}

/** Gives back everything `owner` holds. Knows nothing of ranges, so it works when the configuration has changed. */
export function release(
  store: { dataDirectory: string; network: string },
  owner: LeaseOwner,
): Promise<readonly string[]> {
  return new LeaseStore(store).locked((leases) => leases.release(owner))
}

/** The addresses `owner` holds, [] if none. */
export function leasesOf(
  store: { dataDirectory: string; network: string },
  owner: LeaseOwner,
): Promise<readonly string[]> {
  return new LeaseStore(store).locked((leases) => leases.recordOf(owner)?.addresses ?? [])
}

/** The reference plugin's CHECK: the owner holds some address; `expected` addresses must be among them. */
export async function checkLease(
  config: IpamConfig,
  owner: LeaseOwner,
  expected: readonly string[] = [],
): Promise<void> {
  const held = await leasesOf(config, owner)
  if (held.length === 0) {
    throw new IpamError(
      'IPAM_NOT_FOUND',
      `host-local: Failed to find address added by container ${owner.containerID}`,
    )
  }
  const lost = expected.find((address) => !held.includes(address))
  if (lost !== undefined) {
    throw new IpamError(
      'IPAM_NOT_FOUND',
      `host-local: ${lost} is not reserved for container ${owner.containerID}`,
    )
  }
}

/** Throws IPAM_EXHAUSTED when the next ADD could not get an address. */
export function checkCapacity(config: IpamConfig): Promise<void> {
  return storeOf(config).locked((leases) => {
    const used = leases.addresses().length
    for (const [index, set] of config.sets.entries()) {
      if (capacityOf(set) > BigInt(used)) continue
      leases.preloadTaken()
      for (const { address } of candidates(set, undefined)) {
        if (leases.isFree(formatAddress(address))) return
      }
      throw exhausted(index, set)
    }
  })
}

/** Releases the leases of every owner for which `isValid` is false; returns what was released. */
export function collectLeases(
  store: { dataDirectory: string; network: string },
  isValid: (owner: LeaseOwner) => boolean,
): Promise<readonly OwnerRecord[]> {
  return new LeaseStore(store).locked((leases) => {
    const stale = [...leases.owners()].filter((owner) => !isValid(owner))
    for (const owner of stale) leases.release(owner)
    leases.removeTorn()
    return stale
  })
}

function storeOf(config: IpamConfig): LeaseStore {
  return new LeaseStore(config)
}

interface Circumstances {
  readonly held: ReadonlySet<string>
  readonly isDead: (record: OwnerRecord) => boolean
}

function takeFromEachSet(
  config: IpamConfig,
  leases: LockedLeases,
  record: OwnerRecord,
  circumstances: Circumstances,
): { address: string; gateway: string }[] {
  const wanted = [...config.requested]
  const ips = config.sets.map((set, index) => {
    const position = wanted.findIndex((address) => rangeFor(set, address) !== undefined)
    const [requested] = position < 0 ? [] : wanted.splice(position, 1)
    try {
      return requested === undefined
        ? takeNext(leases, set, index, record, circumstances)
        : takeRequested(leases, set, index, record, requested)
    } catch (error) {
      if (!(error instanceof IpamError)) throw error
      throw new IpamError(error.code, `failed to allocate for range ${index}: ${error.message}`, {
        cause: error,
      })
    }
  })
  if (wanted.length > 0) {
    const list = wanted.map(formatAddress).join(' ')
    throw new IpamError('IPAM_UNAVAILABLE', `failed to allocate all requested IPs: ${list}`)
  }
  return ips
}

function takeRequested(
  leases: LockedLeases,
  set: RangeSet,
  index: number,
  record: OwnerRecord,
  requested: IpAddress,
): { address: string; gateway: string } {
  const range = rangeFor(set, requested)
  const text = formatAddress(requested)
  if (range === undefined)
    throw new IpamError('IPAM_UNAVAILABLE', `${text} not in range set ${formatRangeSet(set)}`)
  if (sameAddress(range.gateway, requested)) {
    throw new IpamError('IPAM_UNAVAILABLE', `requested ip ${text} is subnet's gateway`)
  }
  if (!leases.reserve(text, record)) {
    throw new IpamError(
      'IPAM_UNAVAILABLE',
      `requested IP address ${text} is not available in range set ${formatRangeSet(set)}`,
    )
  }
  leases.setLastReserved(index, text)
  return { address: `${text}/${range.subnet.prefix}`, gateway: formatAddress(range.gateway) }
}

function takeNext(
  leases: LockedLeases,
  set: RangeSet,
  index: number,
  record: OwnerRecord,
  { held, isDead }: Circumstances,
): { address: string; gateway: string } {
  const duplicate = [...held].find((address) => holds(set, address))
  if (duplicate !== undefined) {
    throw new IpamError(
      'IPAM_DUPLICATE',
      `${duplicate} has been allocated to ${record.containerID}, duplicate allocation is not allowed`,
    )
  }
  for (const attempt of ['free', 'reclaim'] as const) {
    if (attempt === 'reclaim') {
      const dead = [...leases.owners()].filter(isDead)
      if (dead.length === 0) break
      for (const owner of dead) leases.release(owner)
    }
    let tries = 0
    for (const { address, range } of candidates(set, leases.lastReserved(index))) {
      if (tries++ === triesBeforeListing) leases.preloadTaken()
      const text = formatAddress(address)
      if (!leases.reserve(text, record)) continue
      leases.setLastReserved(index, text)
      return { address: `${text}/${range.subnet.prefix}`, gateway: formatAddress(range.gateway) }
    }
  }
  throw exhausted(index, set, { bare: true })
}

function holds(set: RangeSet, text: string): boolean {
  const address = parseAddress(text)
  return address !== undefined && rangeFor(set, address) !== undefined
}

function exhausted(index: number, set: RangeSet, { bare = false } = {}): IpamError {
  const text = `no IP addresses available in range set: ${formatRangeSet(set)}`
  return new IpamError('IPAM_EXHAUSTED', bare ? text : `range ${index}: ${text}`)
}
