import { isNotFound, type Link, type RouteSocket, setSysctl } from '#netlink'
import { OverlayWaitError } from './errors.ts'
import type { ExternalInterface } from './external-interface.ts'
import type { VxlanBackend } from './net-conf.ts'
import { contains } from './prefix.ts'

/** The kernel's default port (drivers/net/vxlan, before IANA's 4789). */
const DEFAULT_PORT = 8472

export interface VxlanDeviceSpec {
  family: 4 | 6
  backend: VxlanBackend
  external: ExternalInterface
  mac: string
  /** Address of the device: the own pod network's address. */
  address: string
  /** The cluster's pod network: other addresses in it are removed from the device. */
  network: string
  mtu: number
}

/** flannel's name of the device. */
export function vxlanDeviceName(backend: VxlanBackend, family: 4 | 6): string {
  return `${family === 4 ? 'flannel' : 'flannel-v6'}.${backend.vni}`
}

/**
 * Brings the device about, keeping an existing one where it can: what the kernel cannot change (VNI, underlay, port,
 * learning, GBP) makes it anew, MAC and MTU are corrected in place. Returns it with what was done.
 */
export function ensureVxlanDevice(
  socket: RouteSocket,
  spec: VxlanDeviceSpec,
): { device: Link; changes: string[] } {
  const name = vxlanDeviceName(spec.backend, spec.family)
  const changes: string[] = []
  let device = socket.link(name)
  if (device !== undefined && !matches(device, spec)) {
    socket.deleteLink(device.index)
    changes.push(`delete ${name} (made for other settings)`)
    device = undefined
  }
  if (device === undefined) {
    addDevice(socket, name, spec)
    changes.push(`create ${name}`)
    device = socket.link(name)
  }
  if (device === undefined) throw new OverlayWaitError(`${name} went away while it was set up`)
  if (device.mac !== spec.mac || device.mtu !== spec.mtu) {
    socket.setLink(device.index, { mac: spec.mac, mtu: spec.mtu })
    changes.push(`set ${name} mac ${spec.mac} mtu ${spec.mtu}`)
  }
  changes.push(...ensureAddress(socket, device, spec))
  if (!device.up) {
    // Routers advertise nothing in there (flannel sets this, too).
    ignoreMissing(() => setSysctl(`net/ipv6/conf/${name}/accept_ra`, '0'))
    socket.setLink(device.index, { up: true })
    changes.push(`up ${name}`)
  }
  return { device, changes }
}

function addDevice(socket: RouteSocket, name: string, spec: VxlanDeviceSpec): void {
  const { backend, external } = spec
  socket.addLink({
    name,
    kind: 'vxlan',
    mac: spec.mac,
    mtu: spec.mtu,
    vxlan: {
      id: backend.vni,
      link: external.index,
      local: external.address,
      port: backend.port ?? DEFAULT_PORT,
      learning: backend.learning,
      gbp: backend.gbp,
    },
  })
}

function matches(device: Link, { backend, external }: VxlanDeviceSpec): boolean {
  const { vxlan } = device
  return (
    vxlan !== undefined &&
    vxlan.id === backend.vni &&
    vxlan.link === external.index &&
    vxlan.local === external.address &&
    vxlan.group === undefined &&
    vxlan.port === (backend.port ?? DEFAULT_PORT) &&
    vxlan.learning === backend.learning &&
    vxlan.gbp === backend.gbp &&
    !vxlan.l2miss
  )
}

function ensureAddress(socket: RouteSocket, device: Link, spec: VxlanDeviceSpec): string[] {
  const changes: string[] = []
  const hostLength = spec.family === 4 ? 32 : 128
  let present = false
  for (const address of socket.addresses({ index: device.index, family: spec.family })) {
    if (address.address === spec.address && address.prefixLength === hostLength) present = true
    else if (contains(spec.network, address.address)) {
      const cidr = `${address.address}/${address.prefixLength}`
      socket.deleteAddress({ index: device.index, address: cidr })
      changes.push(`remove address ${cidr} from ${device.name}`)
    }
  }
  if (!present) {
    const cidr = `${spec.address}/${hostLength}`
    socket.replaceAddress({
      index: device.index,
      address: cidr,
      ...(spec.family === 6 ? { noDad: true } : {}),
    })
    changes.push(`add address ${cidr} to ${device.name}`)
  }
  return changes
}

/** Runs `body`; a setting or object that does not exist is fine. */
function ignoreMissing(body: () => void): void {
  try {
    body()
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (!missing && !isNotFound(error)) throw error
  }
}
