import { type Fields, formatAddress, parseAddress, parseCniArgs, parseSubnet, subnetContains } from '#ipam'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall, Plugin } from '../protocol/plugin.ts'
import {
  type CniResult,
  type CniRoute,
  decodeResult,
  familyOf,
  readDns,
  readRoute,
} from '../protocol/result.ts'
import { compareVersions } from '../protocol/version.ts'

interface StaticAddress {
  /** CIDR. */
  readonly address: string
  readonly gateway?: string | undefined
}

/** Type `static`: address management with addresses that the configuration, or the runtime, spells out. */
export const staticPlugin: Plugin = {
  async add(call: CniCall): Promise<CniResult> {
    const ipam = ipamOf(call)
    return {
      interfaces: [],
      ips: addressesOf(call, ipam),
      routes: (ipam.objects('routes') ?? []).map(readRoute) satisfies CniRoute[],
      dns: readDns(ipam.object('dns')),
    }
  },

  async del(): Promise<void> {},

  async check(call: CniCall): Promise<void> {
    const raw = call.conf.fields.raw('prevResult')
    if (raw === undefined) throw invalid('Required prevResult missing')
    const { ips } = decodeResult(raw, call.conf.cniVersion)
    for (const { address } of addressesOf(call, ipamOf(call))) {
      if (ips.some((ip) => ip.address === address)) continue
      throw invalid(`static: Failed to find address ${address.split('/')[0]} in prevResult`)
    }
  },
}

function ipamOf({ conf }: CniCall): Fields {
  const ipam = conf.fields.object('ipam')
  if (ipam === undefined) throw invalid("IPAM config missing 'ipam' key")
  return ipam
}

/** runtimeConfig.ips beat args.cni.ips, and both take the place of the configuration's; CNI_ARGS IP adds to those. */
function addressesOf(call: CniCall, ipam: Fields): StaticAddress[] {
  const { fields, cniVersion } = call.conf
  const args = parseCniArgs(call.args, ['IP', 'GATEWAY'])
  const named = (list: readonly string[] | undefined): StaticAddress[] | undefined =>
    list === undefined || list.length === 0
      ? undefined
      : list.map((text) => ({ address: cidr(text, 'address') }))
  const configured = (ipam.objects('addresses') ?? []).map((entry) => ({
    address: cidr(entry.string('address') ?? '', 'address'),
    gateway: entry.string('gateway') || undefined,
  }))
  const asked = split(args.get('IP')).map((text) => ({ address: cidr(text, 'ip') }))
  const addresses = withGateways(
    named(fields.object('runtimeConfig')?.strings('ips')) ??
      named(fields.object('args')?.object('cni')?.strings('ips')) ?? [...configured, ...asked],
    split(args.get('GATEWAY')),
  )
  if (addresses.length === 0) {
    throw invalid('no IP addresses: set ipam.addresses, or have the runtime pass the ips capability')
  }
  if (compareVersions(cniVersion, '0.3.0') < 0) {
    for (const family of [4, 6] as const) {
      if (addresses.filter(({ address }) => familyOf(address) === family).length < 2) continue
      throw invalid(`CNI version ${cniVersion} does not support more than 1 address per family`)
    }
  }
  return addresses
}

/** A gateway of CNI_ARGS goes to the addresses in whose network it lies. */
function withGateways(addresses: readonly StaticAddress[], gateways: readonly string[]): StaticAddress[] {
  return addresses.map((entry) => {
    const subnet = parseSubnet(entry.address)
    let { gateway } = entry
    for (const text of gateways) {
      const address = parseAddress(text)
      if (address === undefined)
        throw invalid(`the 'gateway' field is expected to be a valid IP address, got: '${text}'`)
      if (subnet !== undefined && subnetContains(subnet, address)) gateway = formatAddress(address)
    }
    return { ...entry, gateway }
  })
}

function split(list: string | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function cidr(text: string, field: string): string {
  if (parseSubnet(text) !== undefined) return text
  throw invalid(`the '${field}' field is expected to be in CIDR notation, got: '${text}'`)
}

function invalid(message: string): CniError {
  return new CniError(cniCodes.internal, message)
}
