import { createHash } from 'node:crypto'
import type { Link, RouteSocket } from '#netlink'
import { CniError, cniCodes } from '../protocol/errors.ts'
import { setPortVlans } from './vlan.ts'

/**
 * The interface `<bridge>.<vlan>` that holds a VLAN's gateway address: one end of a veth pair whose other end is a port
 * of the bridge in that VLAN. All pods of the VLAN share it, so it stays.
 */
export function ensureVlanGateway(host: RouteSocket, bridge: Link, vlan: number): Link {
  const name = `${bridge.name}.${vlan}`
  const found = host.link(name)
  if (found !== undefined) return found
  if (name.length > 15) {
    throw new CniError(
      cniCodes.internal,
      `the name of the VLAN's gateway interface, ${name}, is too long: use a shorter bridge name`,
    )
  }
  const peerName = `veth${createHash('sha256').update(name).digest('hex').slice(0, 8)}`
  host.addLink({ name, kind: 'veth', up: true, veth: { peerName } })
  const port = host.link(peerName)
  if (port === undefined) throw new Error(`failed to create vlan gateway "${name}": it vanished at once`)
  host.setLink(port.index, { master: bridge.index, up: true })
  setPortVlans(port.index, { vlan, trunk: [], preserveDefault: false })
  return host.link(name) ?? port
}
