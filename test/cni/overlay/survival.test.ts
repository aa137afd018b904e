import test from 'ava'
import fc from 'fast-check'
import { joinNamespaces, sleep, waitUntil } from '../../support/index.ts'
import { Cluster, node1, node2, passes, pings } from './cluster.ts'
import { download, echoes, echoStream, serve } from './traffic.ts'

const netConf = { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } }

for (const [backend, mtu] of [
  [{ Type: 'vxlan' }, 1450],
  [{ Type: 'host-gw' }, 1500],
  [{ Type: 'vxlan', DirectRouting: true }, 1450],
] as const) {
  test.serial(`TCP, UDP and large DF packets between pods: ${JSON.stringify(backend)}`, async (t) => {
    const cluster = new Cluster(t, { ...netConf, Backend: backend })
    const { a, b } = cluster
    cluster.writeNodes(node1, node2)
    await Promise.all([a.start(), b.start()])
    const pod1 = a.addPod(t, '10.244.1.5', '10.244.1.1', mtu)
    const pod2 = b.addPod(t, '10.244.2.5', '10.244.2.1', mtu)
    await serve(pod2)
    t.is(download(pod1, '10.244.2.5', 5_000_000), 5_000_000)
    t.true(echoes(pod1, '10.244.2.5', 100))
    t.true(echoes(pod1, '10.244.2.5', 20_000), 'fragments')
    await passes(pod1, '10.244.2.5', '-M', 'do', '-s', `${mtu - 28}`)
    t.false(pings(pod1, '10.244.2.5', '-M', 'do', '-s', `${mtu - 27}`))
  })
}

test.serial('kill -9, restart, stop and peer churn lose no packet of a running UDP echo', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a, b } = cluster
  const others = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => ({
      name: `other${from + i}`,
      podCIDRs: [`10.244.${from + i}.0/24`],
      addresses: [`198.18.0.${from + i}`],
    }))
  cluster.writeNodes(node1, node2, ...others(50, 60))
  await Promise.all([a.start(), b.start()])
  const pod1 = a.addPod(t, '10.244.1.5', '10.244.1.1')
  const pod2 = b.addPod(t, '10.244.2.5', '10.244.2.1')
  await serve(pod2)
  await passes(pod1, '10.244.2.5')
  const end = await echoStream(pod1, '10.244.2.5')
  const device = a.device('flannel.1')
  await a.kill()
  await sleep(300)
  await a.start()
  await b.kill()
  await b.start()
  await a.stop()
  await a.start()
  for (let round = 0; round < 5; round += 1) {
    cluster.writeNodes(node1, node2, ...others(60 + round, 90 + round))
    await waitUntil(() => a.route(`10.244.${89 + round}.0/24`), { what: `peers of round ${round}` })
  }
  t.is(a.route('10.244.50.0/24'), undefined)
  const { sent, lost } = await end()
  t.true(sent > 100, `${sent} datagrams sent`)
  t.is(lost, 0, `of ${sent}`)
  t.is(a.device('flannel.1')?.ifindex, device?.ifindex, 'the device was kept')
  t.is(a.device('flannel.1')?.address, device?.address)
})

test.serial('the underlay flaps, and all is well again', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a, b } = cluster
  cluster.writeNodes(node1, node2)
  await Promise.all([a.start(), b.start()])
  await a.reached('10.244.2.0')
  a.namespace.run('ip', 'link', 'set', 'under0', 'down')
  t.false(a.reaches('10.244.2.0'))
  a.namespace.run('ip', 'link', 'set', 'under0', 'up')
  await waitUntil(() => a.reaches('10.244.2.0'), { what: 'the way after the flap' })
})

test.serial('host-gw: routes the flap took come back with the link', async (t) => {
  const cluster = new Cluster(t, { ...netConf, Backend: { Type: 'host-gw' } })
  const { a } = cluster
  cluster.writeNodes(node1, node2)
  await a.start()
  t.like(a.route('10.244.2.0/24'), { gateway: '198.18.0.12' })
  a.namespace.run('ip', 'link', 'set', 'under0', 'down')
  t.is(a.route('10.244.2.0/24'), undefined)
  a.namespace.run('ip', 'link', 'set', 'under0', 'up')
  await waitUntil(() => a.route('10.244.2.0/24')?.gateway === '198.18.0.12', { what: 'the route' })
  a.namespace.run('ip', 'route', 'replace', '10.244.2.0/24', 'via', '198.18.0.99')
  await waitUntil(() => a.route('10.244.2.0/24')?.gateway === '198.18.0.12', {
    what: 'a falsified route',
  })
})

test.serial('a forwarding entry that is deleted or led astray is put right', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a, b } = cluster
  cluster.writeNodes(node1, node2)
  await Promise.all([a.start(), b.start()])
  const entry = a.namespace.json<{ mac: string }[]>('bridge', '-j', 'fdb', 'show', 'dev', 'flannel.1')[0]
  a.namespace.run('bridge', 'fdb', 'del', `${entry?.mac}`, 'dev', 'flannel.1', 'dst', '198.18.0.12')
  await waitUntil(() => a.reaches('10.244.2.0'), { what: 'a deleted entry' })
  a.namespace.run('bridge', 'fdb', 'replace', `${entry?.mac}`, 'dev', 'flannel.1', 'dst', '198.18.0.99')
  await waitUntil(() => a.reaches('10.244.2.0'), { what: 'an entry led astray' })
  a.namespace.run('ip', 'neigh', 'replace', '10.244.2.0', 'lladdr', '02:00:00:00:00:99', 'dev', 'flannel.1')
  await waitUntil(() => a.reaches('10.244.2.0'), { what: 'a neighbour led astray' })
  t.pass()
})

test.serial('killed at random points of starts and changes, it ends with what the Nodes say', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a } = cluster
  const seed = Date.now() & 0x7fffffff
  t.log(`seed ${seed}`)
  const random = fc.sample(fc.record({ from: fc.integer({ min: 3, max: 200 }), ms: fc.nat(700) }), {
    seed,
    numRuns: 8,
  })
  const peers = (from: number) =>
    Array.from({ length: 50 }, (_, i) => ({
      name: `peer${from + i}`,
      podCIDRs: [`10.244.${from + i}.0/24`],
      addresses: [`198.18.${(from + i) % 3}.${from + i}`],
    }))
  for (const { from, ms } of random) {
    cluster.writeNodes(node1, ...peers(from))
    a.launch()
    await sleep(ms)
    await a.kill()
  }
  const last = peers(100)
  cluster.writeNodes(node1, ...last)
  await a.start()
  const list = (...argv: string[]) => a.namespace.json<{ dst: string; mac?: string }[]>(...argv)
  const routes = list('ip', '-j', 'route', 'show', 'root', '10.244.0.0/16').map(({ dst }) => dst)
  const fdb = list('bridge', '-j', 'fdb', 'show', 'dev', 'flannel.1').map(({ dst }) => dst)
  const neighbours = list('ip', '-j', 'neigh', 'show', 'dev', 'flannel.1', 'nud', 'permanent')
  t.deepEqual(routes.sort(), last.map(({ podCIDRs }) => podCIDRs[0] ?? '').sort())
  t.deepEqual(fdb.sort(), last.flatMap(({ addresses }) => addresses).sort())
  t.is(neighbours.length, last.length)
  await a.subnetSays(/FLANNEL_MTU=1450/)
})

test.serial('the underlay is deleted and made anew, and the tunnel with it', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a, b } = cluster
  cluster.writeNodes(node1, node2)
  await Promise.all([a.start(), b.start()])
  await a.reached('10.244.2.0')
  // The kernel deletes a VXLAN device with the device it stands on.
  a.namespace.run('ip', 'link', 'del', 'under0')
  joinNamespaces(
    { namespace: a.namespace, name: 'under0', addresses: ['198.18.0.11/24'] },
    { namespace: b.namespace, name: 'under0', addresses: ['198.18.0.12/24'] },
  )
  await a.reached('10.244.2.0')
  await b.reached('10.244.1.0')
  t.is(a.device('flannel.1')?.linkinfo.info_data.link, 'under0')
})
