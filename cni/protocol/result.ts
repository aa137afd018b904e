import { type DnsSettings, Fields, parseSubnet } from '#ipam'
import { CniError, cniCodes } from './errors.ts'
import { compareVersions, supportedVersions } from './version.ts'

/** A result in the shape of the newest specification; other shapes exist on the wire only. */
export interface CniResult {
  readonly interfaces: readonly CniInterface[]
  readonly ips: readonly CniIp[]
  readonly routes: readonly CniRoute[]
  readonly dns: DnsSettings
}

export interface CniInterface {
  readonly name: string
  readonly mac?: string | undefined
  readonly mtu?: number | undefined
  /** Path of the pod's namespace; absent for interfaces of the host. */
  readonly sandbox?: string | undefined
  readonly socketPath?: string | undefined
  readonly pciID?: string | undefined
}

export interface CniIp {
  /** CIDR: the address with its network's prefix length. */
  readonly address: string
  readonly gateway?: string | undefined
  /** Index into `interfaces`. */
  readonly interface?: number | undefined
}

export interface CniRoute {
  /** CIDR. */
  readonly dst: string
  readonly gw?: string | undefined
  readonly mtu?: number | undefined
  readonly advmss?: number | undefined
  readonly priority?: number | undefined
  readonly table?: number | undefined
  readonly scope?: number | undefined
}

export const emptyResult: CniResult = { interfaces: [], ips: [], routes: [], dns: {} }

export function familyOf(cidr: string): 4 | 6 {
  return cidr.includes(':') ? 6 : 4
}

/** The JSON text for stdout in the shape of `version` (pretty, no final newline, as the Go library prints). */
export function encodeResult(result: CniResult, version: string): string {
  return JSON.stringify(shapeResult(result, version), null, 4)
}

/** The result as an object of `version`'s shape; throws when that has no room for it (0.2.0 without addresses). */
export function shapeResult(
  { interfaces, ips, routes, dns }: CniResult,
  version: string,
): Record<string, unknown> {
  if (compareVersions(version, '0.3.0') < 0) return shapeOldResult({ interfaces, ips, routes, dns }, version)
  const modern = compareVersions(version, '1.0.0') >= 0
  return {
    cniVersion: version,
    ...(interfaces.length > 0 ? { interfaces: modern ? interfaces : interfaces.map(shapeOldInterface) } : {}),
    ...(ips.length > 0 ? { ips: ips.map((ip) => shapeIp(ip, { modern })) } : {}),
    ...(routes.length > 0 ? { routes } : {}),
    ...(modern && Object.keys(dns).length === 0 ? {} : { dns }),
  }
}

function shapeOldInterface({ name, mac, sandbox }: CniInterface): CniInterface {
  return { name, mac, sandbox }
}

function shapeIp({ interface: index, address, gateway }: CniIp, { modern }: { modern: boolean }): object {
  return { ...(modern ? {} : { version: String(familyOf(address)) }), interface: index, address, gateway }
}

/** 0.1.0 and 0.2.0: the first address of each family, with the routes of that family. */
function shapeOldResult({ ips, routes, dns }: CniResult, version: string): Record<string, unknown> {
  const shape = (family: 4 | 6): Record<string, unknown> | undefined => {
    const ip = ips.find(({ address }) => familyOf(address) === family)
    if (ip === undefined) return undefined
    const own = routes.filter(({ dst }) => familyOf(dst) === family).map(({ dst, gw }) => ({ dst, gw }))
    return { ip: ip.address, gateway: ip.gateway, ...(own.length > 0 ? { routes: own } : {}) }
  }
  if (ips.length === 0) throw new CniError(cniCodes.internal, 'cannot convert: no valid IP addresses')
  return { cniVersion: version, ip4: shape(4), ip6: shape(6), dns }
}

/** Reads a result of any version (a delegate's stdout, prevResult); without its own version it has the configuration's. */
export function decodeResult(value: unknown, configVersion: string): CniResult {
  const fields = new Fields(value, 'prevResult')
  const version = fields.string('cniVersion') || configVersion
  if (!supportedVersions.includes(version)) {
    throw new CniError(cniCodes.decodingFailure, `no converter for CNI result version ${version} to 1.1.0`)
  }
  const dns = readDns(fields.object('dns'))
  if (compareVersions(version, '0.3.0') < 0) return decodeOldResult(fields, dns)
  return {
    interfaces: (fields.objects('interfaces') ?? []).map((entry) => ({
      name: entry.string('name') ?? '',
      mac: entry.string('mac'),
      mtu: entry.integer('mtu'),
      sandbox: entry.string('sandbox'),
      socketPath: entry.string('socketPath'),
      pciID: entry.string('pciID'),
    })),
    ips: (fields.objects('ips') ?? []).map((entry) => ({
      interface: entry.integer('interface'),
      address: readCidr(entry, 'address'),
      gateway: entry.string('gateway'),
    })),
    routes: (fields.objects('routes') ?? []).map(readRoute),
    dns,
  }
}

function decodeOldResult(fields: Fields, dns: DnsSettings): CniResult {
  const parts = ['ip4', 'ip6'].map((name) => fields.object(name)).filter((part) => part !== undefined)
  return {
    interfaces: [],
    ips: parts.map((part) => ({ address: readCidr(part, 'ip'), gateway: part.string('gateway') })),
    routes: parts.flatMap((part) => (part.objects('routes') ?? []).map(readRoute)),
    dns,
  }
}

export function readRoute(entry: Fields): CniRoute {
  return {
    dst: readCidr(entry, 'dst'),
    gw: entry.string('gw'),
    mtu: entry.integer('mtu'),
    advmss: entry.integer('advmss'),
    priority: entry.integer('priority'),
    table: entry.integer('table'),
    scope: entry.integer('scope'),
  }
}

function readCidr(entry: Fields, name: string): string {
  const text = entry.string(name) ?? ''
  if (parseSubnet(text) === undefined) {
    throw new CniError(cniCodes.decodingFailure, `${entry.path}.${name}: invalid CIDR address: ${text}`)
  }
  return text
}

/** DNS settings of a configuration or result, without the fields that are not set. */
export function readDns(fields: Fields | undefined): DnsSettings {
  const dns: DnsSettings = {}
  const domain = fields?.string('domain')
  if (domain !== undefined && domain !== '') dns.domain = domain
  for (const name of ['nameservers', 'search', 'options'] as const) {
    const list = fields?.strings(name)
    if (list !== undefined && list.length > 0) dns[name] = list
  }
  return dns
}
