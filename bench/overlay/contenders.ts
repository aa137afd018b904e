// The networks compared: by hand with flannel's commands, the same with flannel's rules, and ours.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endServer } from '../support/process.ts'
import { type Machine, type TwoNodes, twoNodes } from './two-nodes.ts'

const root = join(import.meta.dirname, '..', '..')

export interface Contender {
  readonly name: string
  readonly nodes: TwoNodes
  stop(): Promise<void>
}

/** Kernel VXLAN made with ip(8) and bridge(8), without any rules or with flannel's (its nftables mode). */
export function vxlanByHand(rules: 'none' | 'flannel'): Contender {
  const nodes = twoNodes(1450)
  const [a, b] = nodes.machines
  const mac = (machine: Machine): string => `02:00:00:00:00:0${machine === a ? 1 : 2}`
  for (const [own, peer] of [
    [a, b],
    [b, a],
  ] as const) {
    own.run(
      `ip link add flannel.1 address ${mac(own)} mtu 1450 type vxlan id 1 dev under0 local ${own.address} dstport 8472 nolearning`,
    )
    own.run(`ip addr add ${own.subnet}/32 dev flannel.1`)
    own.run('ip link set flannel.1 up')
    own.run(`ip neigh replace ${peer.subnet} lladdr ${mac(peer)} dev flannel.1 nud permanent`)
    own.run(`bridge fdb replace ${mac(peer)} dev flannel.1 dst ${peer.address} self permanent`)
    own.run(`ip route replace ${peer.subnet}/24 via ${peer.subnet} dev flannel.1 onlink`)
    if (rules === 'flannel') own.feed('/usr/sbin/nft -f -', flannelRules(own.subnet))
  }
  const name = rules === 'none' ? 'kernel VXLAN by hand' : "kernel VXLAN by hand, flannel's rules"
  return { name, nodes, stop: async () => nodes.remove() }
}

/** pkg/trafficmngr/nftables with --ip-masq. */
function flannelRules(subnet: string): string {
  return `table ip flannel-ipv4 {
    chain postrtg { type nat hook postrouting priority srcnat;
      meta mark 0x4000 return
      ip saddr ${subnet}/24 ip daddr 10.244.0.0/16 return
      ip saddr 10.244.0.0/16 ip daddr ${subnet}/24 return
      ip saddr != ${subnet}/24 ip daddr 10.244.0.0/16 return
      ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
      ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade fully-random
    }
    chain forward { type filter hook forward priority filter;
      ip saddr 10.244.0.0/16 accept
      ip daddr 10.244.0.0/16 accept
    }
  }`
}

export function routesByHand(): Contender {
  const nodes = twoNodes(1500)
  const [a, b] = nodes.machines
  a.run(`ip route add ${b.subnet}/24 via ${b.address}`)
  b.run(`ip route add ${a.subnet}/24 via ${a.address}`)
  return { name: 'routes by hand', nodes, stop: async () => nodes.remove() }
}

/** Ours on both nodes, with rules as always. */
export async function plexus(name: string, backend: object, mtu: number): Promise<Contender> {
  const nodes = twoNodes(mtu)
  const folder = mkdtempSync(join(tmpdir(), 'plexus-bench-overlay-'))
  mkdirSync(join(folder, 'manifests'))
  const items = nodes.machines.map(({ address, subnet }, i) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node${i + 1}` },
    spec: { podCIDR: `${subnet}/24`, podCIDRs: [`${subnet}/24`] },
    status: { addresses: [{ type: 'InternalIP', address }] },
  }))
  writeFileSync(
    join(folder, 'manifests/nodes.json'),
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  )
  const netConf = join(folder, 'net-conf.json')
  writeFileSync(netConf, JSON.stringify({ Network: '10.244.0.0/16', Backend: backend }))
  const children: ChildProcess[] = []
  for (const [i, machine] of nodes.machines.entries()) {
    const ready = join(folder, `ready${i}`)
    // biome-ignore format: one command line
    const args = [`--net=${machine.node}`, join(root, 'bin/plexus'), 'overlay', '--manifests', join(folder, 'manifests'),
      '--node-name', `node${i + 1}`, '--net-conf', netConf, '--subnet-file', join(folder, `subnet${i}.env`), '--ready-file', ready]
    children.push(spawn('nsenter', args, { stdio: 'ignore' }))
    for (let tries = 0; !existsSync(ready); tries += 1) {
      if (tries > 600) throw new Error('the overlay was not ready after 30 s')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  return {
    name,
    nodes,
    async stop() {
      await Promise.all(children.map(endServer))
      nodes.remove()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
