import { createNetns, RouteSocket } from '#netlink'
import { namespaceName, netnsPath } from './names.ts'
import type { LabNode } from './state.ts'
import { claimUnderlay, HOST_PORT, type Underlay } from './underlay.ts'

/** The bridge in the fabric namespace: the switch all machines of the lab are plugged into. */
const SWITCH = 'br0'
const LOOPBACK_INDEX = 1

/** A machine on the underlay. */
interface Machine {
  readonly part: string
  readonly address: string
}

/** Creates the namespace of the switch and takes a subnet for the lab. The rest follows once the nodes are known. */
export function createFabric(lab: string): Underlay {
  const fabric = netnsPath(namespaceName(lab, 'fabric'))
  createNetns(fabric)
  withSocket(fabric, (socket) => {
    socket.setLink(LOOPBACK_INDEX, { up: true })
    socket.addLink({ name: SWITCH, kind: 'bridge', up: true })
  })
  const underlay = claimUnderlay(lab)
  plugIn(fabric, HOST_PORT)
  withSocket(undefined, (socket) => {
    const index = indexOf(socket, underlay.hostLink)
    socket.replaceAddress({ index, address: `${underlay.host}/24` })
    socket.setLink(index, { up: true })
  })
  return underlay
}

/**
 * Creates the namespaces of the nodes and of the outside client, each with eth0 on the switch. The nodes' default route
 * leads outside; outside and the visitor's machine reach load balancer addresses through a node, as a cloud's router
 * would send them there.
 */
export function connectMachines(
  lab: string,
  underlay: Underlay,
  cluster: { nodes: readonly LabNode[]; loadBalancers: readonly string[] },
): void {
  const { nodes, loadBalancers } = cluster
  const machines: Machine[] = [
    { part: 'outside', address: underlay.outside },
    ...nodes.map(({ name, address }) => ({ part: name, address })),
  ]
  for (const machine of machines) connect(lab, machine)
  for (const { name } of nodes) {
    withSocket(netnsPath(namespaceName(lab, name)), (socket) =>
      socket.replaceRoute({ destination: 'default', gateway: underlay.outside }),
    )
  }
  const [first, last] = [nodes[0], nodes.at(-1)]
  if (first === undefined || last === undefined) return
  for (const address of loadBalancers) {
    const destination = `${address}/32`
    withSocket(netnsPath(namespaceName(lab, 'outside')), (socket) =>
      socket.replaceRoute({ destination, gateway: first.address }),
    )
    withSocket(undefined, (socket) => socket.replaceRoute({ destination, gateway: last.address }))
  }
}

function connect(lab: string, machine: Machine): void {
  const fabric = netnsPath(namespaceName(lab, 'fabric'))
  const own = netnsPath(namespaceName(lab, machine.part))
  createNetns(own)
  withSocket(own, (socket) => {
    socket.setLink(LOOPBACK_INDEX, { up: true })
    socket.addLink({
      name: 'eth0',
      kind: 'veth',
      veth: { peerName: portName(machine.part), peerNetns: fabric },
    })
    const index = indexOf(socket, 'eth0')
    socket.replaceAddress({ index, address: `${machine.address}/24` })
    socket.setLink(index, { up: true })
  })
  plugIn(fabric, portName(machine.part))
}

/** IFNAMSIZ leaves 15 characters. */
function portName(part: string): string {
  return part.slice(0, 15)
}

function plugIn(fabric: string, port: string): void {
  withSocket(fabric, (socket) => {
    const index = indexOf(socket, port)
    socket.setLink(index, { master: indexOf(socket, SWITCH) })
    socket.setLink(index, { up: true })
  })
}

function indexOf(socket: RouteSocket, name: string): number {
  const link = socket.link(name)
  if (link === undefined) throw new Error(`link ${name} is not there right after it was created`)
  return link.index
}

function withSocket<T>(netns: string | undefined, use: (socket: RouteSocket) => T): T {
  using socket = netns === undefined ? new RouteSocket() : new RouteSocket({ netns })
  return use(socket)
}
