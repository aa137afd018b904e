import { existsSync, readFileSync } from 'node:fs'
import test from 'ava'
import { derivedMac } from '../../../cni/overlay/peers.ts'
import { type TestNamespace, waitUntil } from '../../support/index.ts'
import { Cluster, node1, node2, passes, pings } from './cluster.ts'

const netConf = { network: '10.244.0.0/16', Backend: { type: 'vxlan' } }

interface IpLink {
  ifindex: number
  address: string
  mtu: number
  linkinfo: { info_data: { id: number; local: string; port: number; learning: boolean; link: string } }
}

function device(namespace: TestNamespace): IpLink | undefined {
  const result = namespace.try('ip', '-j', '-d', 'link', 'show', 'flannel.1')
  return result.status === 0 ? (JSON.parse(result.stdout) as IpLink[])[0] : undefined
}

/** Everything the overlay keeps in the kernel, to see that nothing is touched without need. */
function state(namespace: TestNamespace): string {
  return [
    namespace.run('ip', '-d', 'link', 'show', 'flannel.1'),
    namespace.run('ip', 'neigh', 'show', 'dev', 'flannel.1', 'nud', 'permanent'),
    namespace.run('bridge', 'fdb', 'show', 'dev', 'flannel.1'),
    namespace.run('ip', 'route', 'show'),
  ].join('\n')
}

test('pods of two nodes reach each other across VXLAN, as flannel wires it', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a, b } = cluster
  cluster.writeNodes(node1, node2)
  await Promise.all([a.start(), b.start()])
  const link = device(a.namespace)
  t.is(link?.mtu, 1450)
  t.is(link?.address, derivedMac('node1'))
  t.like(link?.linkinfo.info_data, {
    id: 1,
    local: '198.18.0.11',
    port: 8472,
    learning: false,
    link: 'under0',
  })
  t.like(a.namespace.json('ip', '-j', 'route', 'show', '10.244.2.0/24')[0], {
    gateway: '10.244.2.0',
    dev: 'flannel.1',
    flags: ['onlink'],
  })
  t.like(a.namespace.json('ip', '-j', '-4', 'addr', 'show', 'flannel.1')[0], {
    addr_info: [{ local: '10.244.1.0', prefixlen: 32 }],
  })
  t.like(a.namespace.json('ip', '-j', 'neigh', 'show', 'dev', 'flannel.1', 'nud', 'permanent')[0], {
    dst: '10.244.2.0',
    lladdr: derivedMac('node2'),
  })
  t.like(a.namespace.json('bridge', '-j', 'fdb', 'show', 'dev', 'flannel.1')[0], {
    mac: derivedMac('node2'),
    dst: '198.18.0.12',
  })
  t.is(
    readFileSync(a.subnetFile, 'utf8'),
    'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
  )
  const pod1 = a.addPod(t, '10.244.1.5', '10.244.1.1')
  const pod2 = b.addPod(t, '10.244.2.5', '10.244.2.1')
  await passes(pod1, '10.244.2.5')
  await passes(pod2, '10.244.1.5')
  // The largest packet fits, and no larger one.
  await passes(pod1, '10.244.2.5', '-M', 'do', '-s', `${1450 - 28}`)
  t.false(pings(pod1, '10.244.2.5', '-M', 'do', '-s', `${1451 - 28}`))
  // The host reaches remote pods, as 10.244.1.0; a socket bound to the underlay address is masqueraded to that.
  const server = pod2.start(['python3', '-u', '-c', SERVER])
  await waitUntil(() => pod2.run('ss', '-Hltn').includes(':8080'), { what: 'TCP server' })
  t.teardown(() => server.kill())
  t.is(askPeer(pod1, '10.244.2.5', '0.0.0.0'), '10.244.1.5', 'pods see the addresses of pods')
  t.is(askPeer(a.namespace, '10.244.2.5', '0.0.0.0'), '10.244.1.0')
  t.is(askPeer(a.namespace, '10.244.2.5', '198.18.0.11'), '10.244.1.0')
})

const SERVER = `
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('', 8080)); s.listen()
while True:
  c, peer = s.accept(); c.sendall(peer[0].encode()); c.close()
`

/** The address by which a TCP server sees a client. */
function askPeer(from: TestNamespace, to: string, source: string): string {
  const script = `
import socket
s = socket.socket(); s.settimeout(20); s.bind(('${source}', 0)); s.connect(('${to}', 8080)); print(s.recv(100).decode())`
  return from.run('python3', '-c', script).trim()
}

test('a restart changes nothing in the kernel, and removes a peer that went meanwhile', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a } = cluster
  cluster.writeNodes(node1, node2)
  await a.start()
  const before = state(a.namespace)
  t.true(before.includes('10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink'))
  await a.stop()
  t.is(state(a.namespace), before, 'stopping leaves everything in place')
  await a.start()
  t.is(state(a.namespace), before)
  await a.stop()
  cluster.writeNodes(node1)
  await a.start()
  t.is(a.namespace.run('ip', 'route', 'show', 'dev', 'flannel.1'), '')
  t.is(a.namespace.run('bridge', 'fdb', 'show', 'dev', 'flannel.1'), '')
  t.is(a.namespace.run('ip', 'neigh', 'show', 'dev', 'flannel.1', 'nud', 'permanent'), '')
})

test('peers come, move and go with their Node objects', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a } = cluster
  cluster.writeNodes(node1)
  await a.start()
  const route = (cidr: string): unknown[] => a.namespace.json('ip', '-j', 'route', 'show', cidr)
  t.deepEqual(route('10.244.2.0/24'), [])
  cluster.writeNodes(node1, node2)
  await waitUntil(() => route('10.244.2.0/24').length === 1, { what: 'route to node2' })
  // flannel on node2: its annotations win over InternalIP and derived MAC.
  const data = JSON.stringify({ VNI: 1, VtepMAC: '02:aa:bb:cc:dd:ee' })
  const prefix = 'flannel.alpha.coreos.com'
  cluster.writeNodes(node1, {
    ...node2,
    annotations: { [`${prefix}/public-ip`]: '198.18.0.99', [`${prefix}/backend-data`]: data },
  })
  await waitUntil(() => {
    const fdb = a.namespace.json<{ mac: string; dst: string }[]>(
      'bridge',
      '-j',
      'fdb',
      'show',
      'dev',
      'flannel.1',
    )
    return fdb.length === 1 && fdb[0]?.mac === '02:aa:bb:cc:dd:ee' && fdb[0].dst === '198.18.0.99'
  })
  cluster.writeNodes(node1, { ...node2, podCIDRs: ['10.244.7.0/24'] })
  await waitUntil(() => route('10.244.7.0/24').length === 1 && route('10.244.2.0/24').length === 0)
  // A Node that claims our own network is refused, and said so.
  cluster.writeNodes(node1, { ...node2, podCIDRs: ['10.244.1.0/24'] })
  await waitUntil(() => route('10.244.7.0/24').length === 0)
  await a.says(/overlaps this node's own 10\.244\.1\.0\/24/)
  t.false(a.namespace.run('ip', 'route').includes('10.244.1.0/24'))
})

test('a deleted or flapped device and deleted routes are repaired', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a, b } = cluster
  cluster.writeNodes(node1, node2)
  await Promise.all([a.start(), b.start()])
  const works = (): boolean => pings(a.namespace, '10.244.2.0')
  await a.reached('10.244.2.0')
  const first = device(a.namespace)
  a.namespace.run('ip', 'link', 'del', 'flannel.1')
  await waitUntil(works, { what: 'repair of a deleted device' })
  t.not(device(a.namespace)?.ifindex, first?.ifindex)
  t.is(device(a.namespace)?.address, first?.address)
  a.namespace.run('ip', 'link', 'set', 'flannel.1', 'down')
  await waitUntil(works, { what: 'repair of a device set down' })
  a.namespace.run('ip', 'route', 'del', '10.244.2.0/24')
  await waitUntil(works, { what: 'repair of a deleted route' })
  a.namespace.run('ip', 'neigh', 'del', '10.244.2.0', 'dev', 'flannel.1')
  await waitUntil(works, { what: 'repair of a deleted neighbour' })
  a.namespace.run('ip', 'link', 'set', 'flannel.1', 'mtu', '1000', 'address', '02:00:00:00:00:07')
  await waitUntil(() => device(a.namespace)?.mtu === 1450 && device(a.namespace)?.address === first?.address)
  await a.reached('10.244.2.0')
})

test('a device made for other settings is replaced', async (t) => {
  const cluster = new Cluster(t, { ...netConf, Backend: { Type: 'VXLAN', vni: 7, Port: 4789, MTU: 1400 } })
  const { a } = cluster
  cluster.writeNodes(node1, node2)
  a.namespace.run(
    'ip',
    'link',
    'add',
    'flannel.7',
    'type',
    'vxlan',
    'id',
    '7',
    'dstport',
    '9999',
    'dev',
    'under0',
  )
  await a.start()
  const [link] = a.namespace.json<IpLink[]>('ip', '-j', '-d', 'link', 'show', 'flannel.7')
  t.is(link?.mtu, 1350)
  t.like(link?.linkinfo.info_data, { id: 7, port: 4789, local: '198.18.0.11' })
})

test('it waits for a podCIDR and says so', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a } = cluster
  cluster.writeNodes({ ...node1, podCIDRs: [] }, node2)
  await a.start()
  await a.says(/waits for Node node1: spec\.podCIDRs has no IPv4 network yet/)
  t.false(existsSync(a.subnetFile))
  cluster.writeNodes(node1, node2)
  await waitUntil(() => existsSync(a.subnetFile), { what: 'subnet.env' })
  t.truthy(device(a.namespace))
})
