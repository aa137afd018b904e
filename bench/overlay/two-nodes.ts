// Two nodes in network namespaces, each with a pod behind a bridge, and an underlay between them.
import { spawnSync } from 'node:child_process'
import { createNetns, deleteNetns } from '#netlink'

let counter = 0

function run(argv: readonly string[], input = ''): void {
  const [program = '', ...args] = argv
  const result = spawnSync(program, args, { encoding: 'utf8', input })
  if (result.status !== 0) throw new Error(`${argv.join(' ')}: ${result.stderr}`)
}

export interface Machine {
  /** Path of the node's namespace, and of its pod's. */
  readonly node: string
  readonly pod: string
  readonly address: string
  readonly podAddress: string
  readonly subnet: string
  /** Runs a command line in the node. */
  run(line: string): void
  /** The same, with `input` as stdin. */
  feed(line: string, input: string): void
}

export interface TwoNodes {
  readonly machines: readonly [Machine, Machine]
  remove(): void
}

/** `mtu` is that of the pods. */
export function twoNodes(mtu: number): TwoNodes {
  counter += 1
  const prefix = `/run/netns/plxt-${process.pid}-o${counter}`
  const made: string[] = []
  const machine = (n: 1 | 2): Machine => {
    const node = `${prefix}n${n}`
    const pod = `${prefix}p${n}`
    for (const path of [node, pod]) {
      createNetns(path)
      made.push(path)
    }
    const inside = (path: string) => (line: string, input?: string) =>
      run(['nsenter', `--net=${path}`, ...line.split(' ')], input)
    const inNode = inside(node)
    const inPod = inside(pod)
    inNode('ip link set lo up')
    inNode(`ip link add cni0 mtu ${mtu} type bridge`)
    inNode(`ip addr add 10.244.${n}.1/24 dev cni0`)
    inNode('ip link set cni0 up')
    inNode(
      `ip link add pod0 mtu ${mtu} master cni0 type veth peer name eth0 mtu ${mtu} netns ${pod.slice(11)}`,
    )
    inNode('ip link set pod0 up')
    inPod(`ip addr add 10.244.${n}.5/24 dev eth0`)
    inPod('ip link set eth0 up')
    inPod(`ip route add default via 10.244.${n}.1`)
    inNode('sysctl -qw net.ipv4.ip_forward=1')
    return {
      node,
      pod,
      address: `198.18.0.1${n}`,
      podAddress: `10.244.${n}.5`,
      subnet: `10.244.${n}.0`,
      run: inNode,
      feed: inNode,
    }
  }
  const machines = [machine(1), machine(2)] as const
  const [a, b] = machines
  a.run(`ip link add under0 type veth peer name under0 netns ${b.node.slice(11)}`)
  for (const each of machines) {
    each.run(`ip addr add ${each.address}/24 dev under0`)
    each.run('ip link set under0 up')
  }
  return {
    machines,
    remove() {
      for (const path of made) deleteNetns(path)
    },
  }
}
