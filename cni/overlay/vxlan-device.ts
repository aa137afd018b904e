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

/** Alias (IFLA_IFALIAS) of our devices: tells them from others' when they are no longer wanted. */
export const DEVICE_ALIAS = 'plexus overlay'

/**
 * Brings the device about, keeping an existing one where it can (also flannel's own): what the kernel cannot change
 * (VNI, port, GBP) makes it anew; underlay, learning, MAC and MTU are corrected in place, so that its entries stay and
 * traffic goes on. Returns it with what was done.
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
  if (device.alias !== DEVICE_ALIAS) socket.setLink(device.index, { alias: DEVICE_ALIAS })
  const { external, backend } = spec
  if (!onUnderlay(device, spec)) {
    const { index: link, address: local } = external
    socket.setLink(device.index, { vxlan: { link, local, learning: backend.learning } })
    changes.push(`set ${name} local ${local} dev ${external.name}`)
  }
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

/** Is it a device that can be made what it should be? */
function matches(device: Link, { backend, family }: VxlanDeviceSpec): boolean {
  const { vxlan } = device
  return (
    vxlan !== undefined &&
    vxlan.id === backend.vni &&
    vxlan.group === undefined &&
    vxlan.port === (backend.port ?? DEFAULT_PORT) &&
    vxlan.gbp === backend.gbp &&
    !vxlan.l2miss &&
    // Without a local address its sockets are IPv4's, and the family cannot change.
    (vxlan.local === undefined ? family === 4 : vxlan.local.includes(':') === (family === 6))
  )
}

function onUnderlay(device: Link, { backend, external }: VxlanDeviceSpec): boolean {
  const { vxlan } = device
  return (
    vxlan?.link === external.index && vxlan.local === external.address && vxlan.learning === backend.learning
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
