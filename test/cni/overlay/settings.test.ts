import { readFileSync } from 'node:fs'
import test from 'ava'
import { type OffloadVerdict, probePeer } from '../../../cni/overlay/checksum-offload.ts'
import { chooseExternalInterface, type ExternalChoice } from '../../../cni/overlay/external-interface.ts'
import { RouteSocket, runInNetns } from '../../../netlink/index.ts'
import { joinNamespaces, testNamespace, waitUntil } from '../../support/index.ts'
import { Cluster, node1, node2, passes } from './cluster.ts'

const netConf = { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } }

test.serial('the external interface is chosen as flannel does', (t) => {
  const namespace = testNamespace(t, 'iface')
  for (const [name, ...addresses] of [
    ['eth0', '198.18.0.1/24', 'fd00:18::1/64'],
    ['eth1', '198.19.0.1/24', '198.19.0.2/24'],
  ] as const) {
    namespace.run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`)
    for (const address of addresses) {
      namespace.run('ip', 'addr', 'add', address, 'dev', name, ...(address.includes(':') ? ['nodad'] : []))
    }
    namespace.run('ip', 'link', 'set', name, 'up')
    namespace.run('ip', 'link', 'set', `${name}p`, 'up')
  }
  namespace.run('ip', 'route', 'add', 'default', 'via', '198.18.0.254')
  namespace.run('ip', 'route', 'add', '192.0.2.0/24', 'via', '198.19.0.254')
  using socket = new RouteSocket({ netns: namespace.path })
  const choose = (choice: ExternalChoice, family: 4 | 6 = 4): string => {
    const { name, address } = chooseExternalInterface(socket, family, choice)
    return `${name} ${address}`
  }
  t.is(choose({}), 'eth0 198.18.0.1', 'the default route')
  t.is(choose({ internalIp: '198.19.0.1' }), 'eth1 198.19.0.1')
  t.is(choose({ publicIp: '198.19.0.2', internalIp: '198.18.0.1' }), 'eth1 198.19.0.2')
  t.is(choose({ ifaces: ['none0', 'eth1', 'eth0'] }), 'eth1 198.19.0.1', 'the first that exists')
  t.is(choose({ ifaces: ['198.19.0.2'] }), 'eth1 198.19.0.2')
  t.is(choose({ ifaces: ['198.18.0.1'] }, 6), 'eth0 fd00:18::1', 'named by an address of the other family')
  t.is(choose({ ifaceRegex: ['^none', '^198\\.19\\.'] }), 'eth1 198.19.0.1', 'by address')
  t.is(choose({ ifaceRegex: ['th1$'] }), 'eth1 198.19.0.1', 'by name')
  t.is(choose({ ifaces: ['none0'], ifaceRegex: ['^eth1'] }), 'eth1 198.19.0.1')
  t.is(choose({ ifaceCanReach: '192.0.2.7' }), 'eth1 198.19.0.1')
  t.throws(() => choose({ ifaces: ['none0'], ifaceRegex: ['^wlan'] }), {
    code: 'OVERLAY_WAITING',
    message: /iface 'none0' is neither .*; iface-regex '\^wlan' matches no interface/,
  })
  t.throws(() => choose({ ifaces: ['eth1'] }, 6), { message: /interface eth1 has no IPv6 address/ })
})

test.serial('masquerading, forward rules, blackhole route and probes as the flags say', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a } = cluster
  cluster.writeNodes({ ...node1, podCIDRs: [] }, node2)
  // biome-ignore format: one command line
  await a.start('--ip-masq=false', '--iptables-forward-rules=false', '--ip-blackhole-route', '--healthz-ip=127.0.0.1', '--healthz-port=8081')
  const status = (path: string): string =>
    a.namespace.run('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', `http://127.0.0.1:8081${path}`)
  t.is(status('/healthz'), '200')
  t.is(status('/readyz'), '503', 'there is no podCIDR yet')
  t.regex(a.namespace.run('curl', '-s', 'http://127.0.0.1:8081/readyz'), /waits for Node node1/)
  cluster.writeNodes(node1, node2)
  await waitUntil(() => status('/readyz') === '200', { what: 'readyz' })
  t.regex(readFileSync(a.subnetFile, 'utf8'), /FLANNEL_IPMASQ=false/)
  t.notRegex(a.namespace.nft('list', 'tables'), /plexus-overlay/)
  t.is(a.route('10.244.0.0/16')?.type, 'blackhole')
  await a.stop()
  await a.start('--ip-masq-fully-random-disable')
  const rules = a.namespace.nft('list', 'table', 'ip', 'plexus-overlay')
  t.regex(rules, /masquerade comment/)
  t.notRegex(rules, /fully-random/)
  t.regex(rules, /hook forward/)
  t.is(a.route('10.244.0.0/16'), undefined)
  t.regex(readFileSync(a.subnetFile, 'utf8'), /FLANNEL_IPMASQ=true/)
})

test.serial(
  'checksum offload: off as told; automatically only when a peer hears nothing but packets without',
  async (t) => {
    const cluster = new Cluster(t, netConf)
    const { a, b } = cluster
    cluster.writeNodes(node1, node2)
    const offload = (): string | undefined =>
      /tx-checksum-ip-generic: (\w+)/.exec(a.namespace.run('ethtool', '-k', 'flannel.1'))?.[1]
    await b.start()
    await a.start()
    t.is(offload(), 'on')
    cluster.writeNetConf({ ...netConf, Backend: { Type: 'vxlan', ChecksumOffload: 'off' } })
    await waitUntil(() => offload() === 'off', { what: 'off' })
    cluster.writeNetConf({ ...netConf, Backend: { Type: 'vxlan', ChecksumOffload: 'on' } })
    await waitUntil(() => offload() === 'on', { what: 'on' })
    await a.stop()
    // What a card that computes wrong checksums looks like from the other side.
    b.namespace.nft('add', 'table', 'ip', 'broken')
    b.namespace.nft('add', 'chain', 'ip', 'broken', 'in', '{ type filter hook input priority 0; }')
    b.namespace.nft(
      'add',
      'rule',
      'ip',
      'broken',
      'in',
      'iifname',
      'flannel.1',
      'udp',
      'checksum',
      '!=',
      '0',
      'drop',
    )
    cluster.writeNetConf(netConf)
    await a.start()
    // Two rounds with a pause, perhaps more than once: a knock that is too slow for the busy machine decides nothing.
    await waitUntil(() => offload() === 'off', { what: 'the probe', timeoutMs: 90_000 })
    await a.says(/packets with offloaded checksums do not arrive at any peer/)
  },
)

test.serial('the checksum probe: good is good, and silence is no proof of a broken checksum', async (t) => {
  const [a, b] = [testNamespace(t, 'knocks'), testNamespace(t, 'hears')]
  joinNamespaces(
    { namespace: a, name: 'eth0', addresses: ['198.18.0.1/24'] },
    { namespace: b, name: 'eth0', addresses: ['198.18.0.2/24'] },
  )
  // A probe does not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  // The sockets are made at once, in the namespace.
  const probe = (signal = new AbortController().signal): Promise<OffloadVerdict> =>
    runInNetns(a.path, () => ({ verdict: probePeer('198.18.0.2', signal) })).verdict
  await passes(a, '198.18.0.2')
  await waitUntil(async () => (await probe()) === 'good', { what: 'an answer in time' })
  b.nft('add', 'table', 'ip', 'silent')
  b.nft('add', 'chain', 'ip', 'silent', 'in', '{ type filter hook input priority 0; }')
  b.nft('add', 'rule', 'ip', 'silent', 'in', 'ip', 'protocol', 'udp', 'drop')
  t.is(await probe(), 'unknown', 'a firewall')
  b.run('ip', 'link', 'set', 'eth0', 'down')
  t.is(await probe(), 'unknown', 'a dead peer')
  const stop = new AbortController()
  const stopped = probe(stop.signal)
  stop.abort()
  await t.throwsAsync(stopped, { name: 'AbortError' })
})

test.serial('a change of one of 250 peers touches that one only', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a } = cluster
  const peers = Array.from({ length: 250 }, (_, i) => ({
    name: `peer${i}`,
    podCIDRs: [`10.244.${i + 3}.0/24`],
    addresses: [`198.18.1.${i}`],
  }))
  cluster.writeNodes(node1, ...peers)
  await a.start()
  const changes = (): { reason: string; changes: number }[] =>
    a.output
      .split('\n')
      .filter((line) => line.includes('"overlay changed"'))
      .map((line) => JSON.parse(line) as { reason: string; changes: number })
  await waitUntil(() => (changes()[0]?.changes ?? 0) > 750, { what: 'the first report' })
  const before = changes().length
  cluster.writeNodes(node1, ...peers.slice(0, -1))
  await waitUntil(() => changes().length > before, { what: 'one peer less' })
  t.like(changes().at(-1), { reason: 'nodes', changes: 3 })
  cluster.writeNodes(node1, ...peers)
  await waitUntil(() => changes().length > before + 1, { what: 'one peer more' })
  t.like(changes().at(-1), { reason: 'nodes', changes: 3 })
})
