import { readFileSync } from 'node:fs'
import test from 'ava'
import { Cluster, node1, node2, passes } from './cluster.ts'

const ipv6 = { EnableIPv6: true, IPv6Network: 'fd00:244::/48' }
const dual1 = {
  ...node1,
  podCIDRs: ['10.244.1.0/24', 'fd00:244:0:1::/64'],
  addresses: ['198.18.0.11', 'fd00:18::11'],
}
const dual2 = {
  ...node2,
  podCIDRs: ['10.244.2.0/24', 'fd00:244:0:2::/64'],
  addresses: ['198.18.0.12', 'fd00:18::12'],
}

test('both families: a device each, and an MTU that fits the larger header', async (t) => {
  const cluster = new Cluster(t, { Network: '10.244.0.0/16', ...ipv6, Backend: { Type: 'vxlan' } })
  const { a, b } = cluster
  cluster.writeNodes(dual1, dual2)
  await Promise.all([a.start(), b.start()])
  t.is(
    readFileSync(a.subnetFile, 'utf8'),
    'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_IPV6_NETWORK=fd00:244::/48\n' +
      'FLANNEL_IPV6_SUBNET=fd00:244:0:1::1/64\nFLANNEL_MTU=1430\nFLANNEL_IPMASQ=true\n',
  )
  const pod1 = a.addPod(t, 'fd00:244:0:1::5', 'fd00:244:0:1::1', 1430)
  const pod2 = b.addPod(t, 'fd00:244:0:2::5', 'fd00:244:0:2::1', 1430)
  // Neighbour discovery waits for the bridges' own link-local addresses.
  await passes(pod1, 'fd00:244:0:2::5')
  await passes(pod2, 'fd00:244:0:1::5', '-M', 'do', '-s', `${1430 - 48}`)
  const [link] = a.namespace.json('ip', '-j', '-d', 'link', 'show', 'flannel-v6.1')
  t.like(link, { mtu: 1430 })
  await a.stop()
  const routes = (): string => a.namespace.run('ip', '-6', 'route', 'show', 'root', 'fd00:244::/48')
  const before = routes()
  t.regex(before, /fd00:244:0:2::\/64 via fd00:244:0:2:: dev flannel-v6\.1/)
  await a.start()
  t.is(routes(), before)
})

test('host-gw: plain routes, the full MTU, and a peer on another link is a problem of its own', async (t) => {
  const cluster = new Cluster(t, { Network: '10.244.0.0/16', Backend: { Type: 'host-gw' } })
  const { a, b } = cluster
  const far = { name: 'node3', podCIDRs: ['10.244.3.0/24'], addresses: ['192.0.2.3'] }
  cluster.writeNodes(node1, node2, far)
  await Promise.all([a.start(), b.start()])
  t.like(a.namespace.json('ip', '-j', 'route', 'show', '10.244.2.0/24')[0], {
    gateway: '198.18.0.12',
    dev: 'under0',
  })
  t.is(a.namespace.run('ip', 'route', 'show', '10.244.3.0/24'), '')
  await a.says(/192\.0\.2\.3 is not on the same link/)
  t.regex(readFileSync(a.subnetFile, 'utf8'), /FLANNEL_MTU=1500/)
  const pod1 = a.addPod(t, '10.244.1.5', '10.244.1.1', 1500)
  b.addPod(t, '10.244.2.5', '10.244.2.1', 1500)
  await passes(pod1, '10.244.2.5', '-M', 'do', '-s', `${1500 - 28}`)
})

test('DirectRouting: routes for nodes on the link, the tunnel for the rest', async (t) => {
  const backend = { Type: 'vxlan', DirectRouting: true }
  const cluster = new Cluster(t, { Network: '10.244.0.0/16', Backend: backend })
  const { a } = cluster
  const far = { name: 'node3', podCIDRs: ['10.244.3.0/24'], addresses: ['192.0.2.3'] }
  a.namespace.run('ip', 'route', 'add', 'default', 'via', '198.18.0.1')
  cluster.writeNodes(node1, node2, far)
  await a.start()
  t.like(a.namespace.json('ip', '-j', 'route', 'show', '10.244.2.0/24')[0], {
    gateway: '198.18.0.12',
    dev: 'under0',
  })
  t.like(a.namespace.json('ip', '-j', 'route', 'show', '10.244.3.0/24')[0], {
    gateway: '10.244.3.0',
    dev: 'flannel.1',
  })
  const fdb = a.namespace.json<{ dst: string }[]>('bridge', '-j', 'fdb', 'show', 'dev', 'flannel.1')
  t.deepEqual(
    fdb.map(({ dst }) => dst),
    ['192.0.2.3'],
  )
})
