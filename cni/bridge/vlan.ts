import type { Fields } from '#ipam'
import { addPortVlans, deletePortVlans, type PortVlan } from '#netlink'
import { CniError, cniCodes } from '../protocol/errors.ts'

/** VLANs of a pod's port. */
export interface VlanSettings {
  /** The VLAN of untagged frames; 0: none. */
  readonly vlan: number
  /** VLANs of tagged frames. */
  readonly trunk: readonly PortVlan[]
  /** Stay in VLAN 1, which every port of a bridge is born into. */
  readonly preserveDefault: boolean
}

const largest = 4094

/** Reads vlan, vlanTrunk and preserveDefaultVlan, with the reference plugin's texts; undefined when none is asked for. */
export function readVlans(fields: Fields): VlanSettings | undefined {
  const vlan = fields.integer('vlan') ?? 0
  if (vlan < 0 || vlan > largest) throw invalid(`invalid VLAN ID ${vlan} (must be between 0 and ${largest})`)
  const trunk = (fields.objects('vlanTrunk') ?? []).flatMap(readTrunk)
  const preserveDefault = fields.boolean('preserveDefaultVlan') ?? false
  return vlan === 0 && trunk.length === 0 ? undefined : { vlan, trunk, preserveDefault }
}

function readTrunk(entry: Fields): PortVlan[] {
  const first = entry.integer('minID')
  const last = entry.integer('maxID')
  const id = entry.integer('id')
  const vlans: PortVlan[] = []
  if (first !== undefined && last !== undefined) {
    if (first <= 0 || first > largest) throw invalid('incorrect trunk minID parameter')
    if (last <= 0 || last > largest) throw invalid('incorrect trunk maxID parameter')
    if (last < first) throw invalid('minID is greater than maxID in trunk parameter')
    vlans.push({ first, last })
  } else if (last !== undefined) {
    throw invalid('minID and maxID should be configured simultaneously, minID is missing')
  } else if (first !== undefined) {
    throw invalid('minID and maxID should be configured simultaneously, maxID is missing')
  }
  if (id !== undefined) {
    if (id <= 0 || id > largest) throw invalid('incorrect trunk id parameter')
    vlans.push({ first: id })
  }
  return vlans
}

/** What a port is made a member of, and taken out of. */
export function portVlans({ vlan, trunk, preserveDefault }: VlanSettings): {
  add: PortVlan[]
  remove: PortVlan[]
} {
  const own = vlan === 0 ? [] : [{ first: vlan, pvid: true, untagged: true }]
  const keepsDefault = preserveDefault || vlan === 1
  return { add: [...own, ...trunk], remove: keepsDefault ? [] : [{ first: 1 }] }
}

/** Sets the VLANs of a port of a bridge that filters them. */
export function setPortVlans(index: number, settings: VlanSettings): void {
  const { add, remove } = portVlans(settings)
  if (remove.length > 0) deletePortVlans(index, remove)
  addPortVlans(index, add)
}

/** The failure to make a bridge that filters VLANs, on a kernel that has none. */
export function vlansUnsupported({ vlan, trunk }: VlanSettings, cause: unknown): CniError {
  const field =
    vlan === 0
      ? `vlanTrunk=${JSON.stringify(trunk.map(({ first, last = first }) => [first, last]))}`
      : `vlan=${vlan}`
  return new CniError(
    cniCodes.unsupportedField,
    `unsupported field ${field}: this kernel's bridges cannot filter VLANs (CONFIG_BRIDGE_VLAN_FILTERING)`,
    { cause },
  )
}

function invalid(message: string): CniError {
  return new CniError(cniCodes.internal, message)
}
