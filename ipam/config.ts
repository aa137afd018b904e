import { type IpAddress, parseAddress, parseSubnet } from './address.ts'
import { parseCniArgs } from './cni-args.ts'
import { IpamError } from './errors.ts'
import { Fields } from './fields.ts'
import { type RangeSet, readRangeSet, setsOverlap } from './range.ts'

export const defaultDataDirectory = '/var/lib/cni/networks'

/** CNI_ARGS keys that plugins of this repository understand; a container runtime adds its K8S_ ones. */
export const knownCniArgs: readonly string[] = ['IP', 'MAC', 'GATEWAY']

/** A host-local configuration, read and checked. */
export interface IpamConfig {
  readonly network: string
  readonly dataDirectory: string
  readonly resolvConf?: string | undefined
  /** Routes of the configuration, handed on as they are. */
  readonly routes: readonly Readonly<Record<string, unknown>>[]
  readonly sets: readonly RangeSet[]
  /** Addresses asked for by CNI_ARGS, args.cni.ips and runtimeConfig.ips. */
  readonly requested: readonly IpAddress[]
}

export interface IpamConfigSource {
  /** The whole network configuration, not only its `ipam` part. */
  readonly conf: Fields
  readonly cniArgs: string
  /** Sets used when the configuration names none, e.g. the node's subnet from the overlay. */
  readonly defaultRanges?: (() => readonly (readonly { subnet: string }[])[]) | undefined
}

/** Reads host-local's configuration. Errors are IpamError with the reference plugin's texts. */
export function loadIpamConfig({ conf, cniArgs, defaultRanges }: IpamConfigSource): IpamConfig {
  const ipam = conf.object('ipam')
  if (ipam === undefined) throw invalid("IPAM config missing 'ipam' key")
  const runtime = conf.object('runtimeConfig')
  const requested = readRequested(conf, runtime, cniArgs)
  const lists: (readonly Fields[])[] = [
    ...readLists(runtime, 'ipRanges'),
    ...(ipam.string('subnet') === undefined ? [] : [[ipam]]),
    ...readLists(ipam, 'ranges'),
  ]
  if (lists.length === 0 && defaultRanges !== undefined) {
    lists.push(...defaultRanges().map((set) => set.map((range) => new Fields(range, 'subnetFile'))))
  }
  if (lists.length === 0) throw invalid('no IP ranges specified')
  const sets = lists.map((list, index) => {
    try {
      return readRangeSet(list)
    } catch (error) {
      if (!(error instanceof IpamError)) throw error
      throw new IpamError(error.code, `invalid range set ${index}: ${error.message}`, { cause: error })
    }
  })
  checkAddressesPerFamily(sets, conf.string('cniVersion') ?? '')
  for (const [index, set] of sets.entries()) {
    const other = sets.findIndex((later, position) => position > index && setsOverlap(set, later))
    if (other >= 0) throw invalid(`range set ${index} overlaps with ${other}`)
  }
  return {
    network: conf.string('name') ?? '',
    dataDirectory: dataDirectoryOf(ipam),
    resolvConf: ipam.string('resolvConf') || undefined,
    routes: (ipam.objects('routes') ?? []).map(readRoute),
    sets,
    requested,
  }
}

/** Where the leases of a configuration lie, found without looking at its ranges (DEL must work without them). */
export function dataDirectoryOf(ipam: Fields | undefined): string {
  return ipam?.string('dataDir') || defaultDataDirectory
}

function readLists(fields: Fields | undefined, name: string): (readonly Fields[])[] {
  return (fields?.list(name) ?? []).map((set, index) => {
    if (!Array.isArray(set))
      throw new IpamError('IPAM_DECODE', `field "${name}[${index}]": expected a list of ranges`)
    return set.map((range, position) => new Fields(range, `${name}[${index}][${position}]`))
  })
}

function readRequested(conf: Fields, runtime: Fields | undefined, cniArgs: string): IpAddress[] {
  const fromArgs = parseCniArgs(cniArgs, knownCniArgs).get('IP')
  const texts = [
    ...(fromArgs === undefined || fromArgs === '' ? [] : [fromArgs]),
    ...(conf.object('args')?.object('cni')?.strings('ips') ?? []),
    ...(runtime?.strings('ips') ?? []),
  ]
  return texts.map((text) => {
    const address = parseAddress(text) ?? parseSubnet(text)?.address
    if (address === undefined) throw invalid(`cannot understand ip: invalid IP address ${text}`)
    return address
  })
}

function readRoute(route: Fields): Record<string, unknown> {
  const dst = route.string('dst')
  if (dst === undefined || parseSubnet(dst) === undefined) throw invalid(`invalid CIDR address: ${dst ?? ''}`)
  const gw = route.string('gw')
  if (gw !== undefined && parseAddress(gw) === undefined) throw invalid(`invalid IP address: ${gw}`)
  const result: Record<string, unknown> = { dst }
  if (gw !== undefined) result['gw'] = gw
  for (const name of ['mtu', 'advmss', 'priority', 'table', 'scope']) {
    const value = route.integer(name)
    if (value !== undefined) result[name] = value
  }
  return result
}

/** CNI results up to 0.2.0 have room for one address of each family. */
function checkAddressesPerFamily(sets: readonly RangeSet[], cniVersion: string): void {
  const [major = 0, minor = 0] = cniVersion.split('.').map(Number)
  if (major > 0 || minor >= 3) return
  const v4 = sets.filter((set) => set[0]?.start.family === 4).length
  if (v4 > 1 || sets.length - v4 > 1) {
    throw invalid(`CNI version ${cniVersion} does not support more than 1 address per family`)
  }
}

function invalid(message: string): IpamError {
  return new IpamError('IPAM_INVALID_CONFIG', message)
}
