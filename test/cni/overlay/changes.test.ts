import test from 'ava'
import { waitUntil } from '../../support/index.ts'
import { Cluster, node1, node2 } from './cluster.ts'

const Network = '10.244.0.0/16'
const vxlan = (more: object = {}) => ({ Network, Backend: { Type: 'vxlan', ...more } })

test.serial('VNI, port and backend change under way, and nothing of before is left', async (t) => {
  const cluster = new Cluster(t, vxlan())
  const { a, b } = cluster
  cluster.writeNodes(node1, node2)
  await Promise.all([a.start(), b.start()])
  await a.reached('10.244.2.0')
  const works = (what: string) => waitUntil(() => a.reaches('10.244.2.0'), { what })
  cluster.writeNetConf(vxlan({ VNI: 7 }))
  await waitUntil(() => [a, b].every((m) => m.device('flannel.7') && !m.device('flannel.1')), {
    what: 'VNI 7',
  })
  await works('VNI 7')
  cluster.writeNetConf(vxlan({ VNI: 7, Port: 4789 }))
  const port = () => a.device('flannel.7')?.linkinfo.info_data.port
  await waitUntil(() => port() === 4789, { what: 'port' })
  await works('port 4789')
  cluster.writeNetConf(vxlan({ VNI: 7, Port: 4789, GBP: true }))
  await waitUntil(() => [a, b].every((m) => m.device('flannel.7')?.linkinfo.info_data.gbp), { what: 'GBP' })
  await works('GBP')
  cluster.writeNetConf({ Network, Backend: { Type: 'host-gw' } })
  await waitUntil(() => a.route('10.244.2.0/24')?.dev === 'under0', { what: 'host-gw' })
  await waitUntil(() => a.device('flannel.7') === undefined, { what: 'no device' })
  await a.subnetSays(/FLANNEL_MTU=1500/)
  cluster.writeNetConf(vxlan())
  await waitUntil(() => a.route('10.244.2.0/24')?.dev === 'flannel.1', { what: 'back to vxlan' })
  await works('VXLAN again')
  t.truthy(a.device('flannel.1'))
})

test.serial("a device of somebody else's is left alone", async (t) => {
  const cluster = new Cluster(t, vxlan())
  const { a } = cluster
  cluster.writeNodes(node1, node2)
  // biome-ignore format: one command line
  a.namespace.run('ip', 'link', 'add', 'flannel.99', 'type', 'vxlan', 'id', '99', 'dstport', '4799', 'dev', 'under0')
  await a.start()
  cluster.writeNetConf(vxlan({ VNI: 3 }))
  await waitUntil(() => a.device('flannel.3') && !a.device('flannel.1'))
  t.truthy(a.device('flannel.99'))
})

test.serial('MTU and learning change on the living device; bridge and subnet.env follow', async (t) => {
  const cluster = new Cluster(t, vxlan())
  const { a } = cluster
  cluster.writeNodes(node1, node2)
  await a.start()
  a.addPod(t, '10.244.1.5', '10.244.1.1')
  const before = a.device('flannel.1')
  cluster.writeNetConf(vxlan({ MTU: 1400, Learning: true }))
  await waitUntil(() => a.device('flannel.1')?.mtu === 1350, { what: 'MTU' })
  await a.subnetSays(/FLANNEL_MTU=1350/)
  await waitUntil(() => a.device('cni0')?.mtu === 1350, { what: 'MTU of the bridge' })
  t.is(a.device('flannel.1')?.ifindex, before?.ifindex)
  t.true(a.device('flannel.1')?.linkinfo.info_data.learning)
  await a.says(/pods made before have a larger MTU than the tunnel/)
})

test.serial(
  "the node's address changes: the device sends from the new one, and keeps its entries",
  async (t) => {
    const cluster = new Cluster(t, vxlan())
    const { a, b } = cluster
    cluster.writeNodes(node1, node2)
    await Promise.all([a.start(), b.start()])
    const before = a.device('flannel.1')
    a.namespace.run('ip', 'addr', 'add', '198.18.0.21/24', 'dev', 'under0')
    a.namespace.run('ip', 'addr', 'del', '198.18.0.11/24', 'dev', 'under0')
    // The other address may have gone with the first one, whose secondary it was.
    a.namespace.try('ip', 'addr', 'add', '198.18.0.21/24', 'dev', 'under0')
    cluster.writeNodes({ ...node1, addresses: ['198.18.0.21'] }, node2)
    await waitUntil(() => a.device('flannel.1')?.linkinfo.info_data.local === '198.18.0.21', {
      what: 'local address',
    })
    t.is(a.device('flannel.1')?.ifindex, before?.ifindex)
    await waitUntil(() => a.reaches('10.244.2.0'), { what: 'the way with the new address' })
  },
)

test.serial('a broken net-conf.json does not take the overlay down', async (t) => {
  const cluster = new Cluster(t, vxlan())
  const { a } = cluster
  cluster.writeNodes(node1)
  await a.start()
  cluster.writeNetConf({ Network: 'nonsense' })
  await a.says(/the last good one stays/)
  cluster.writeNodes(node1, node2)
  await waitUntil(() => a.route('10.244.2.0/24'), { what: 'a peer after the mistake' })
  t.pass()
})

test.serial(
  'addresses of before inside the pod network are taken from the device, others are not',
  async (t) => {
    const cluster = new Cluster(t, vxlan())
    const { a } = cluster
    cluster.writeNodes(node1, node2)
    await a.start()
    await a.stop()
    a.namespace.run('ip', 'addr', 'add', '10.244.9.0/32', 'dev', 'flannel.1')
    a.namespace.run('ip', 'addr', 'add', '172.30.0.1/32', 'dev', 'flannel.1')
    await a.start()
    const shown = a.namespace.run('ip', '-4', 'addr', 'show', 'flannel.1')
    t.regex(shown, /10\.244\.1\.0\/32/)
    t.regex(shown, /172\.30\.0\.1\/32/)
    t.notRegex(shown, /10\.244\.9\.0/)
  },
)

test.serial('host-gw on another interface: the routes of before go', async (t) => {
  const cluster = new Cluster(t, { Network, Backend: { Type: 'host-gw' } })
  const { a } = cluster
  a.namespace.run('ip', 'link', 'add', 'other0', 'type', 'veth', 'peer', 'name', 'other1')
  a.namespace.run('ip', 'addr', 'add', '198.19.0.11/24', 'dev', 'other0')
  a.namespace.run('ip', 'link', 'set', 'other0', 'up')
  a.namespace.run('ip', 'link', 'set', 'other1', 'up')
  const node3 = { name: 'node3', podCIDRs: ['10.244.3.0/24'], addresses: ['198.19.0.13'] }
  cluster.writeNodes(node1, node2, node3)
  await a.start()
  t.is(a.route('10.244.2.0/24')?.dev, 'under0')
  await a.stop()
  await a.start('--iface', 'other0')
  t.is(a.route('10.244.3.0/24')?.dev, 'other0')
  t.is(a.route('10.244.2.0/24'), undefined)
})

test.serial('a podCIDR outside the pod network is an error that names both', async (t) => {
  const cluster = new Cluster(t, vxlan())
  const { a } = cluster
  cluster.writeNodes({ ...node1, podCIDRs: ['10.250.1.0/24'] }, node2)
  await a.start()
  await a.says(/podCIDR 10\.250\.1\.0\/24 is outside the pod network 10\.244\.0\.0\/16/)
  t.is(a.device('flannel.1'), undefined)
  cluster.writeNodes(node1, node2)
  await waitUntil(() => a.route('10.244.2.0/24'), { what: 'the right podCIDR' })
})
