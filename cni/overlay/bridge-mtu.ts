import type { RouteSocket } from '#netlink'
import { firstAddress } from './prefix.ts'

/**
 * The bridge that holds the pod network's first address (cni0) must not have a larger MTU than the tunnel; a smaller
 * one is somebody's choice. Pods keep what they were made with, so their host ends are counted for a warning.
 */
export function lowerBridgeMtu(
  socket: RouteSocket,
  spec: { subnet: string; family: 4 | 6; mtu: number },
): { changes: string[]; oversized: number; bridge?: string | undefined } {
  const gateway = firstAddress(spec.subnet)
  const [text] = gateway.split('/')
  const index = socket.addresses({ family: spec.family }).find(({ address }) => address === text)?.index
  const bridge = index === undefined ? undefined : socket.link(index)
  if (bridge?.kind !== 'bridge') return { changes: [], oversized: 0 }
  const oversized = socket
    .links()
    .filter(({ master, mtu }) => master === bridge.index && mtu > spec.mtu).length
  if (bridge.mtu <= spec.mtu) return { changes: [], oversized, bridge: bridge.name }
  socket.setLink(bridge.index, { mtu: spec.mtu })
  return { changes: [`set ${bridge.name} mtu ${spec.mtu}`], oversized, bridge: bridge.name }
}
