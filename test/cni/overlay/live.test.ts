import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { waitUntil } from '../../support/index.ts'
import { Cluster, node1, node2, passes } from './cluster.ts'

const PLEXUS = join(import.meta.dirname, '../../../bin/plexus')
const Network = '10.244.0.0/16'
const vxlan = (more: object = {}) => ({ Network, Backend: { Type: 'vxlan', ...more } })

test.serial("the underlay's MTU changes: device, bridge and subnet.env follow, down and up", async (t) => {
  const cluster = new Cluster(t, vxlan())
  const { a, b } = cluster
  cluster.writeNodes(node1, node2)
  await Promise.all([a.start(), b.start()])
  const pod1 = a.addPod(t, '10.244.1.5', '10.244.1.1')
  b.addPod(t, '10.244.2.5', '10.244.2.1')
  const before = a.device('flannel.1')
  a.namespace.run('ip', 'link', 'set', 'under0', 'mtu', '1400')
  await waitUntil(() => a.device('flannel.1')?.mtu === 1350, { what: 'MTU of the device' })
  await waitUntil(() => a.device('cni0')?.mtu === 1350, { what: 'MTU of the bridge' })
  await a.subnetSays(/FLANNEL_MTU=1350/)
  await passes(pod1, '10.244.2.5', '-s', '1000')
  // Path MTU discovery tells the pod, whose own MTU is that of before.
  await waitUntil(
    () => {
      const { stdout, stderr } = pod1.try('ping', '-c1', '-W1', '-M', 'do', '-s', '1400', '10.244.2.5')
      return /mtu ?= ?1350/.test(stdout + stderr)
    },
    { what: 'path MTU discovery' },
  )
  a.namespace.run('ip', 'link', 'set', 'under0', 'mtu', '9000')
  b.namespace.run('ip', 'link', 'set', 'under0', 'mtu', '9000')
  await waitUntil(() => a.device('flannel.1')?.mtu === 8950, { what: 'MTU of the device' })
  await a.subnetSays(/FLANNEL_MTU=8950/)
  t.is(a.device('flannel.1')?.ifindex, before?.ifindex)
  t.is(a.device('cni0')?.mtu, 1350, 'there is a smaller pod')
  for (const { ifname } of a.namespace.json<{ ifname: string }[]>(
    'ip',
    '-j',
    'link',
    'show',
    'master',
    'cni0',
  )) {
    a.namespace.run('ip', 'link', 'set', ifname, 'mtu', '8950')
  }
  pod1.run('ip', 'link', 'set', 'eth0', 'mtu', '8950')
  await waitUntil(() => a.device('cni0')?.mtu === 8950, { what: 'the larger bridge' })
})

test.serial('an interface that comes later, and an address that comes later, are waited for', async (t) => {
  const cluster = new Cluster(t, vxlan())
  const { a, b } = cluster
  cluster.writeNodes(node1, node2)
  a.namespace.run('ip', 'addr', 'del', '198.18.0.11/24', 'dev', 'under0')
  await a.start('--iface', 'later0')
  await b.start()
  await a.says(/iface 'later0' is neither an interface nor an address of one/)
  t.is(a.device('flannel.1'), undefined)
  a.namespace.run('ip', 'link', 'set', 'under0', 'down')
  a.namespace.run('ip', 'link', 'set', 'under0', 'name', 'later0')
  a.namespace.run('ip', 'link', 'set', 'later0', 'up')
  await a.says(/interface later0 has no IPv4 address/)
  a.namespace.run('ip', 'addr', 'add', '198.18.0.11/24', 'dev', 'later0')
  await a.reached('10.244.2.0')
  t.is(a.device('flannel.1')?.linkinfo.info_data.link, 'later0')
})

test.serial('peers of host-gw and DirectRouting that come to the link, and leave it', async (t) => {
  const cluster = new Cluster(t, vxlan({ DirectRouting: true }))
  const { a } = cluster
  a.namespace.run('ip', 'route', 'add', 'default', 'via', '198.18.0.1')
  cluster.writeNodes(node1, node2)
  await a.start()
  const by = (): string | undefined => a.route('10.244.2.0/24')?.dev
  t.is(by(), 'under0')
  cluster.writeNodes(node1, { ...node2, addresses: ['192.0.2.12'] })
  await waitUntil(() => by() === 'flannel.1', { what: 'the tunnel' })
  t.is(a.route('10.244.2.0/24')?.gateway, '10.244.2.0')
  cluster.writeNodes(node1, node2)
  await waitUntil(() => by() === 'under0', { what: 'the direct route' })
  t.is(a.namespace.run('bridge', 'fdb', 'show', 'dev', 'flannel.1').trim(), '')
})

/** What a process holds: files by what they are, and threads. */
function holdings(pid: number): { files: number; threads: number } {
  return { files: readdirSync(`/proc/${pid}/fd`).length, threads: readdirSync(`/proc/${pid}/task`).length }
}

test.serial(
  'many reloads and much churn leave nothing: no descriptors, threads, entries or tables',
  async (t) => {
    const cluster = new Cluster(t, vxlan())
    const { a } = cluster
    const peer = (n: number) => ({
      name: `peer${n}`,
      podCIDRs: [`10.244.${n}.0/24`],
      addresses: [`198.18.1.${n}`],
    })
    const some = (from: number) => Array.from({ length: 20 }, (_, i) => peer(from + i))
    cluster.writeNodes(node1, ...some(10))
    await a.start()
    const reloads = (): number => a.output.split('configuration reloaded').length - 1
    const reload = async (netConf: unknown): Promise<void> => {
      const before = reloads()
      cluster.writeNetConf(netConf)
      await waitUntil(() => reloads() > before, { what: 'a reload' })
    }
    await reload(vxlan({ MTU: 1450 }))
    const before = holdings(a.pid)
    for (let round = 0; round < 10; round += 1) {
      await reload(
        round % 2 === 0 ? { Network, Backend: { Type: 'host-gw' } } : vxlan({ VNI: 1 + (round % 3) }),
      )
      cluster.writeNodes(node1, ...some(10 + 20 * (round + 1)))
    }
    await reload(vxlan())
    cluster.writeNodes(node1, peer(250))
    await waitUntil(() => a.route('10.244.250.0/24') && !a.route('10.244.229.0/24'), {
      what: 'the last peers',
    })
    const now = holdings(a.pid)
    t.true(now.files <= before.files + 2, `${before.files} files before, ${now.files} now`)
    t.true(now.threads <= before.threads + 2, `${before.threads} threads before, ${now.threads} now`)
    const devices = a.namespace.json<{ ifname: string }[]>('ip', '-j', 'link', 'show', 'type', 'vxlan')
    t.deepEqual(
      devices.map(({ ifname }) => ifname),
      ['flannel.1'],
    )
    const inside = a.namespace.json<{ dst: string }[]>('ip', '-j', 'route', 'show', 'root', Network)
    t.deepEqual(
      inside.map(({ dst }) => dst),
      ['10.244.250.0/24'],
    )
    t.is(a.namespace.run('bridge', 'fdb', 'show', 'dev', 'flannel.1').trim().split('\n').length, 1)
    t.is(a.namespace.run('ip', 'neigh', 'show', 'nud', 'permanent').trim().split('\n').length, 1)
    t.is(a.namespace.nft('list', 'tables').trim(), 'table ip plexus-overlay')
    t.regex(readFileSync(a.subnetFile, 'utf8'), /FLANNEL_MTU=1450/)
    const left = readdirSync(cluster.directory).filter((name) => name.endsWith('.tmp'))
    t.deepEqual(left, [])
  },
)

test.serial('--cleanup takes away all of it, of each backend, and nothing else', async (t) => {
  const families = { Network, EnableIPv6: true, IPv6Network: 'fd00:244::/48' }
  const cluster = new Cluster(t, { ...families, Backend: { Type: 'vxlan' } })
  const { a } = cluster
  const dual = (node: typeof node1, n: number) => ({
    ...node,
    podCIDRs: [...node.podCIDRs, `fd00:244:0:${n}::/64`],
    addresses: [...node.addresses, `fd00:18::1${n}`],
  })
  cluster.writeNodes(dual(node1, 1), dual(node2, 2))
  a.namespace.nft('add', 'table', 'ip', 'theirs')
  a.namespace.run('ip', 'route', 'add', '10.250.0.0/24', 'via', '198.18.0.9')
  const state = (): string =>
    [
      a.namespace.run('ip', '-br', 'link'),
      a.namespace.run('ip', 'route'),
      a.namespace.run('ip', '-6', 'route', 'show', 'root', 'fd00:244::/48'),
      a.namespace.nft('list', 'ruleset'),
      readdirSync(cluster.directory)
        .filter((name) => name.startsWith('node1.env'))
        .join(),
    ].join('\n')
  const before = state()
  for (const backend of [{ Type: 'vxlan' }, { Type: 'host-gw' }, { Type: 'vxlan', DirectRouting: true }]) {
    cluster.writeNetConf({ ...families, Backend: backend })
    await a.start('--ip-blackhole-route')
    t.is(a.route('10.244.0.0/16')?.type, 'blackhole')
    await a.stop()
    t.not(state(), before)
    a.namespace.run(PLEXUS, 'overlay', '--cleanup', '--subnet-file', a.subnetFile)
    t.is(state(), before, JSON.stringify(backend))
  }
})
