import { type DnsSettings, type Fields, knownCniArgs, parseCniArgs } from '#ipam'
import {
  type MasqueradeSources,
  type PortMapping,
  readMasqueradeSources,
  readPortMappings,
} from '../nat/port-mapping.ts'
import { CniError, cniCodes } from '../protocol/errors.ts'
import type { CniCall } from '../protocol/plugin.ts'
import { readDns } from '../protocol/result.ts'
import { type BandwidthLimits, readBandwidth } from '../shaping/limits.ts'
import { type NodeSubnet, readSubnetFile } from '../subnet-file.ts'
import { readVlans, type VlanSettings } from './vlan.ts'

/** The keys of the reference bridge plugin, and ours: subnetFile, portMappings without a chained plugin. */
export interface BridgeConfiguration {
  readonly bridge: string
  readonly isGateway: boolean
  readonly isDefaultGateway: boolean
  readonly forceAddress: boolean
  readonly ipMasq: boolean
  /** 0: the kernel's default. */
  readonly mtu: number
  readonly hairpinMode: boolean
  readonly promiscMode: boolean
  readonly portIsolation: boolean
  readonly enableDad: boolean
  readonly vlans?: VlanSettings | undefined
  /** Drop what the pod sends under another MAC address than its own. */
  readonly macSpoofCheck: boolean
  readonly disableContainerInterface: boolean
  readonly mac?: string | undefined
  readonly dns: DnsSettings
  readonly portMappings: readonly PortMapping[]
  readonly masqueradeSources: MasqueradeSources
  readonly bandwidth?: BandwidthLimits | undefined
  /** Networks besides the pod's own that are reached without masquerading. */
  readonly clusterNetworks: readonly string[]
  readonly nodeSubnet?: NodeSubnet | undefined
  /** Bring the pod's loopback up as well; a runtime that uses `bridge` has a plugin of its own for that. */
  readonly loopback: boolean
}

/** Reads the configuration of types `bridge` and `plexus`. */
export function readBridgeConfiguration(
  call: CniCall,
  { isPlexus }: { isPlexus: boolean },
): BridgeConfiguration {
  const { fields } = call.conf
  const hairpinMode = fields.boolean('hairpinMode') ?? false
  const promiscMode = fields.boolean('promiscMode') ?? false
  if (hairpinMode && promiscMode) {
    throw new CniError(cniCodes.internal, 'cannot set hairpin mode and promiscuous mode at the same time')
  }
  const hasIpam = (fields.object('ipam')?.string('type') ?? '') !== ''
  const disableContainerInterface = fields.boolean('disableContainerInterface') ?? false
  if (hasIpam && disableContainerInterface) {
    throw new CniError(cniCodes.internal, 'cannot use IPAM when DisableContainerInterface flag is set')
  }
  const isDefaultGateway = fields.boolean('isDefaultGateway') ?? false
  const nodeSubnet = isPlexus
    ? readNodeSubnet(fields, { needed: hasIpam && !namesRanges(fields) })
    : undefined
  checkMasqueradeBackend(fields.string('ipMasqBackend'))
  return {
    bridge: fields.string('bridge') || 'cni0',
    isGateway: isDefaultGateway || (fields.boolean('isGateway') ?? false),
    isDefaultGateway,
    forceAddress: fields.boolean('forceAddress') ?? false,
    ipMasq: fields.boolean('ipMasq') ?? (nodeSubnet !== undefined && !nodeSubnet.masqueraded),
    mtu: fields.integer('mtu') || (nodeSubnet?.mtu ?? 0),
    hairpinMode,
    promiscMode,
    portIsolation: fields.boolean('portIsolation') ?? false,
    vlans: readVlans(fields),
    macSpoofCheck: fields.boolean('macspoofchk') ?? false,
    enableDad: fields.boolean('enabledad') ?? false,
    disableContainerInterface,
    mac: readMac(fields, call.args),
    dns: readDns(fields.object('dns')),
    portMappings: isPlexus ? readPortMappings(fields) : [],
    masqueradeSources: isPlexus ? readMasqueradeSources(fields) : 'local',
    bandwidth: isPlexus ? readBandwidth(fields) : undefined,
    clusterNetworks: nodeSubnet?.clusterNetworks ?? [],
    nodeSubnet,
    loopback: isPlexus,
  }
}

/** The reference knows both and keeps rules in either; ours are always in nftables, one place for all. */
function checkMasqueradeBackend(backend: string | undefined): void {
  if (backend === undefined || ['', 'iptables', 'nftables'].includes(backend)) return
  throw new CniError(cniCodes.internal, `unknown ipmasq backend "${backend}"`)
}

function namesRanges(fields: Fields): boolean {
  const ipam = fields.object('ipam')
  const runtimeRanges = fields.object('runtimeConfig')?.list('ipRanges') ?? []
  if (ipam?.string('type') !== 'host-local') return true
  return (
    ipam.string('subnet') !== undefined || (ipam.list('ranges') ?? []).length > 0 || runtimeRanges.length > 0
  )
}

/** The subnet file tells ranges and MTU; with ranges of the configuration's own it is looked at if it is there. */
function readNodeSubnet(fields: Fields, { needed }: { needed: boolean }): NodeSubnet | undefined {
  const path = fields.string('subnetFile')
  if (path === undefined || path === '') return undefined
  try {
    return readSubnetFile(path)
  } catch (error) {
    if (needed) throw error
    return undefined
  }
}

/** runtimeConfig beats args beats CNI_ARGS. */
export function readMac(fields: Fields, cniArgs: string): string | undefined {
  const mac =
    fields.object('runtimeConfig')?.string('mac') ||
    fields.object('args')?.object('cni')?.string('mac') ||
    parseCniArgs(cniArgs, knownCniArgs).get('MAC') ||
    undefined
  if (mac !== undefined && !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) {
    throw new CniError(cniCodes.invalidConfig, `invalid MAC address ${mac}`)
  }
  return mac
}
