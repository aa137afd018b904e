import test from 'ava'
import { waitUntil } from '../../support/index.ts'
import { Cluster, type Machine, type NodeSpec, node1, node2, passes } from './cluster.ts'
import { download, echoes, echoStream, serve } from './traffic.ts'

const mac = '02:f1:a2:b3:c4:d5'
const prefix = 'flannel.alpha.coreos.com'
/** A Node as flannel leaves it behind. */
const flannelled = (node: NodeSpec, vtep: string): NodeSpec => ({
  ...node,
  annotations: {
    [`${prefix}/kube-subnet-manager`]: 'true',
    [`${prefix}/backend-type`]: 'vxlan',
    [`${prefix}/backend-data`]: JSON.stringify({ VNI: 1, VtepMAC: vtep }),
    [`${prefix}/public-ip`]: node.addresses[0] ?? '',
  },
})
const flannelNode = flannelled(node2, mac)

/** One node of flannel's: 1 or 2, and the MAC address of its device. */
interface FlannelEnd {
  readonly n: 1 | 2
  readonly mac: string
}

/** The commands that flannel's netlink calls amount to (backend/vxlan, device.go and vxlan_network.go). */
function flannelCommands(machine: Machine, own: FlannelEnd, peer: FlannelEnd): void {
  const run = (line: string): string => machine.namespace.run(...line.split(' '))
  const outer = `id 1 dev under0 local 198.18.0.1${own.n} dstport 8472 nolearning`
  run(`ip link add flannel.1 address ${own.mac} type vxlan ${outer}`)
  run('ip link set flannel.1 mtu 1450')
  run(`ip addr add 10.244.${own.n}.0/32 dev flannel.1`)
  run('ip link set flannel.1 up')
  run(`ip neigh replace 10.244.${peer.n}.0 lladdr ${peer.mac} dev flannel.1 nud permanent`)
  run(`bridge fdb replace ${peer.mac} dev flannel.1 dst 198.18.0.1${peer.n} self permanent`)
  run(`ip route replace 10.244.${peer.n}.0/24 via 10.244.${peer.n}.0 dev flannel.1 onlink`)
  run('sysctl -qw net.ipv4.ip_forward=1')
}

/** flannel's rules in nftables (pkg/trafficmngr/nftables) with --ip-masq. */
function flannelRules(machine: Machine, n: 1 | 2): void {
  machine.namespace.runWith(
    {
      input: `table ip flannel-ipv4 {
        chain postrtg { type nat hook postrouting priority srcnat;
          meta mark 0x4000 return
          ip saddr 10.244.${n}.0/24 ip daddr 10.244.0.0/16 return
          ip saddr 10.244.0.0/16 ip daddr 10.244.${n}.0/24 return
          ip saddr != 10.244.${n}.0/24 ip daddr 10.244.0.0/16 return
          ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
          ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade fully-random
        }
        chain forward { type filter hook forward priority filter;
          ip saddr 10.244.0.0/16 accept
          ip daddr 10.244.0.0/16 accept
        }
      }`,
    },
    '/usr/sbin/nft',
    '-f',
    '-',
  )
}

test.serial("flannel's exact commands on the other side: everything passes, both ways", async (t) => {
  const cluster = new Cluster(t, { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } })
  const { a, b } = cluster
  cluster.writeNodes(node1, flannelNode)
  await a.start('--ip-masq', '--kube-subnet-mgr')
  flannelCommands(b, { n: 2, mac }, { n: 1, mac: a.device('flannel.1')?.address ?? '' })
  const pod1 = a.addPod(t, '10.244.1.5', '10.244.1.1')
  const pod2 = b.addPod(t, '10.244.2.5', '10.244.2.1')
  await Promise.all([serve(pod1), serve(pod2)])
  for (const [from, to] of [
    [pod1, '10.244.2.5'],
    [pod2, '10.244.1.5'],
    [a.namespace, '10.244.2.5'],
    [b.namespace, '10.244.1.5'],
  ] as const) {
    await passes(from, to)
    // The largest packet.
    await passes(from, to, '-M', 'do', '-s', '1422')
    t.true(echoes(from, to, 20_000))
    t.is(download(from, to, 1_000_000), 1_000_000)
  }
})

test.serial('a node taken over from flannel keeps device, MAC and entries', async (t) => {
  const cluster = new Cluster(t, { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } })
  const { a, b } = cluster
  cluster.writeNodes(node1, flannelNode)
  await a.start()
  flannelCommands(b, { n: 2, mac }, { n: 1, mac: a.device('flannel.1')?.address ?? '' })
  const before = b.device('flannel.1')
  const paths = (): string =>
    b.namespace.run('ip', 'route', 'show', 'dev', 'flannel.1') +
    b.namespace.run('bridge', 'fdb', 'show', 'dev', 'flannel.1') +
    b.namespace.run('ip', 'neigh', 'show', 'dev', 'flannel.1', 'nud', 'permanent')
  const pathsBefore = paths()
  await b.start('--kube-subnet-mgr', '--ip-masq')
  t.is(b.device('flannel.1')?.ifindex, before?.ifindex)
  t.is(b.device('flannel.1')?.address, mac)
  t.is(paths(), pathsBefore)
  await b.reached('10.244.1.0')
})

test.serial('a cluster of flannel is taken over node by node, and given back, without loss', async (t) => {
  const cluster = new Cluster(t, { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } })
  const { a, b } = cluster
  const ends = [
    { n: 1, mac: '02:f1:00:00:00:01' },
    { n: 2, mac: '02:f1:00:00:00:02' },
  ] as const
  cluster.writeNodes(flannelled(node1, ends[0].mac), flannelled(node2, ends[1].mac))
  flannelCommands(a, ends[0], ends[1])
  flannelCommands(b, ends[1], ends[0])
  flannelRules(a, 1)
  flannelRules(b, 2)
  const pod1 = a.addPod(t, '10.244.1.5', '10.244.1.1')
  const pod2 = b.addPod(t, '10.244.2.5', '10.244.2.1')
  await serve(pod2)
  await passes(pod1, '10.244.2.5')
  const devices = () => [a, b].map((machine) => machine.device('flannel.1')?.ifindex)
  const before = devices()
  const end = await echoStream(pod1, '10.244.2.5')
  await a.start('--ip-masq', '--kube-subnet-mgr')
  a.namespace.nft('delete', 'table', 'ip', 'flannel-ipv4')
  await b.start('--ip-masq', '--kube-subnet-mgr')
  b.namespace.nft('delete', 'table', 'ip', 'flannel-ipv4')
  t.is(download(pod1, '10.244.2.5', 1_000_000), 1_000_000)
  // And back: flannel finds a device that fits, and replaces what is there by the same.
  await a.stop()
  flannelRules(a, 1)
  a.namespace.nft('delete', 'table', 'ip', 'plexus-overlay')
  t.is(download(pod1, '10.244.2.5', 1_000_000), 1_000_000)
  const { sent, lost } = await end()
  t.true(sent > 100, `${sent} datagrams sent`)
  t.is(lost, 0, `of ${sent}`)
  t.deepEqual(devices(), before)
})

test.serial('dual stack: a peer that moves in one family only is followed', async (t) => {
  const netConf = { Network: '10.244.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:244::/48' }
  const cluster = new Cluster(t, { ...netConf, Backend: { Type: 'vxlan' } })
  const { a } = cluster
  const dual = (node: typeof node1, n: number, v4: string) => ({
    ...node,
    podCIDRs: [`10.244.${n}.0/24`, `fd00:244:0:${n}::/64`],
    addresses: [v4, `fd00:18::1${n}`],
  })
  const first = dual(node1, 1, '198.18.0.11')
  cluster.writeNodes(first, dual(node2, 2, '198.18.0.12'))
  await a.start()
  const destinations = (device: string): string[] =>
    a.namespace.json<{ dst: string }[]>('bridge', '-j', 'fdb', 'show', 'dev', device).map(({ dst }) => dst)
  t.deepEqual(destinations('flannel.1'), ['198.18.0.12'])
  t.deepEqual(destinations('flannel-v6.1'), ['fd00:18::12'])
  t.like(a.device('flannel-v6.1'), { mtu: 1430 })
  cluster.writeNodes(first, dual(node2, 2, '198.18.0.77'))
  await waitUntil(() => destinations('flannel.1')[0] === '198.18.0.77', { what: 'the IPv4 address' })
  t.deepEqual(destinations('flannel-v6.1'), ['fd00:18::12'])
  cluster.writeNodes(first, { ...dual(node2, 2, '198.18.0.77'), addresses: ['198.18.0.77', 'fd00:18::77'] })
  await waitUntil(() => destinations('flannel-v6.1')[0] === 'fd00:18::77', { what: 'the IPv6 address' })
  // And one family is given up.
  cluster.writeNetConf({ Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } })
  await waitUntil(() => a.device('flannel-v6.1') === undefined, { what: 'no IPv6 device' })
  t.notRegex(a.namespace.nft('list', 'tables'), /ip6 plexus-overlay/)
  t.truthy(a.device('flannel.1'))
})

test.serial(
  'IPv6 alone, over an IPv6 underlay: 70 bytes less, TCP and the largest packet pass',
  async (t) => {
    const cluster = new Cluster(t, {
      EnableIPv4: false,
      EnableIPv6: true,
      IPv6Network: 'fd00:244::/48',
      Backend: { Type: 'vxlan' },
    })
    const { a, b } = cluster
    cluster.writeNodes(
      { name: 'node1', podCIDRs: ['fd00:244:0:1::/64'], addresses: ['fd00:18::11'] },
      { name: 'node2', podCIDRs: ['fd00:244:0:2::/64'], addresses: ['fd00:18::12'] },
    )
    await Promise.all([a.start(), b.start()])
    const pod1 = a.addPod(t, 'fd00:244:0:1::5', 'fd00:244:0:1::1', 1430)
    const pod2 = b.addPod(t, 'fd00:244:0:2::5', 'fd00:244:0:2::1', 1430)
    await serve(pod2)
    await passes(pod1, 'fd00:244:0:2::5')
    await passes(pod1, 'fd00:244:0:2::5', '-M', 'do', '-s', `${1430 - 48}`)
    t.is(download(pod1, 'fd00:244:0:2::5', 1_000_000), 1_000_000)
    t.true(echoes(pod1, 'fd00:244:0:2::5', 100))
  },
)
