import test from 'ava'
import { joinNamespaces, type TestNamespace, testNamespace, waitUntil } from '../../support/index.ts'
import { Cluster, node1, node2 } from './cluster.ts'

const netConf = { Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } }

function table(namespace: TestNamespace): string {
  const result = namespace.try('/usr/sbin/nft', 'list', 'table', 'ip', 'plexus-overlay')
  return result.stdout.replaceAll(/\s+/g, ' ')
}

test('rules read in nft as flannel means them, and come back when somebody removes them', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { namespace } = cluster.a
  cluster.writeNodes(node1, node2)
  await cluster.a.start()
  const text = table(namespace)
  const expected = [
    'type nat hook postrouting priority srcnat; policy accept;',
    'meta mark & 0x00004000 == 0x00004000 return',
    'ip saddr 10.244.1.0/24 ip daddr 10.244.0.0/16 return',
    'ip saddr 10.244.0.0/16 ip daddr 10.244.1.0/24 return',
    'ip saddr != 10.244.0.0/16 ip daddr 10.244.1.0/24 return',
    'ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random',
    'ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade fully-random',
    'type filter hook forward priority filter; policy accept;',
    'ip saddr 10.244.0.0/16 accept',
    'ip daddr 10.244.0.0/16 accept',
  ]
  let from = 0
  for (const rule of expected) {
    const at = text.indexOf(rule, from)
    t.true(at >= from, `${rule} in ${text}`)
    from = at
  }
  t.notThrows(() => JSON.parse(namespace.nft('-j', 'list', 'ruleset')))
  const handles = (): string => namespace.nft('-a', 'list', 'table', 'ip', 'plexus-overlay')
  const before = handles()
  namespace.nft('flush', 'table', 'ip', 'plexus-overlay')
  // Rules are looked after every second; new ones have new handles.
  await waitUntil(() => table(namespace) === text && handles() !== before, { what: 'rules written again' })
})

test('the same for IPv6, in a table of its own', async (t) => {
  const families = { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00:244::/48' }
  const cluster = new Cluster(t, { ...families, Backend: { Type: 'vxlan' } })
  const { namespace } = cluster.a
  cluster.writeNodes({ name: 'node1', podCIDRs: ['fd00:244:0:1::/64'], addresses: ['fd00:18::11'] })
  await cluster.a.start()
  const rules = namespace
    .nft('list', 'table', 'ip6', 'plexus-overlay')
    .split('\n')
    .map((line) => line.trim().replace(/ comment ".*"$/, ''))
    .filter((line) => /^(meta|ip6) /.test(line))
  t.deepEqual(rules, [
    'meta mark & 0x00004000 == 0x00004000 return',
    'ip6 saddr fd00:244:0:1::/64 ip6 daddr fd00:244::/48 return',
    'ip6 saddr fd00:244::/48 ip6 daddr fd00:244:0:1::/64 return',
    'ip6 saddr != fd00:244::/48 ip6 daddr fd00:244:0:1::/64 return',
    'ip6 saddr fd00:244::/48 ip6 daddr != ff00::/8 masquerade fully-random',
    'ip6 saddr != fd00:244::/48 ip6 daddr fd00:244::/48 masquerade fully-random',
    'ip6 saddr fd00:244::/48 accept',
    'ip6 daddr fd00:244::/48 accept',
  ])
  t.notRegex(namespace.nft('list', 'tables'), /ip plexus-overlay/)
})

test('pods reach the outside masqueraded; what comes in from outside keeps its address', async (t) => {
  const cluster = new Cluster(t, netConf)
  const { a } = cluster
  cluster.writeNodes(node1, node2)
  const outside = testNamespace(t, 'out')
  joinNamespaces(
    { namespace: outside, name: 'eth0', addresses: ['203.0.113.2/24'] },
    { namespace: a.namespace, name: 'wan0', addresses: ['203.0.113.1/24'] },
  )
  outside.run('ip', 'route', 'add', '10.244.0.0/16', 'via', '203.0.113.1')
  await a.start()
  t.is(a.namespace.run('cat', '/proc/sys/net/ipv4/ip_forward').trim(), '1')
  const pod = a.addPod(t, '10.244.1.5', '10.244.1.1')
  outside.start(['python3', '-u', '-c', ECHO])
  pod.start(['python3', '-u', '-c', ECHO])
  await waitUntil(
    () => outside.run('ss', '-Hlun').includes(':9000') && pod.run('ss', '-Hlun').includes(':9000'),
  )
  t.is(seenAs(pod, '203.0.113.2'), '203.0.113.1')
  t.is(seenAs(outside, '10.244.1.5'), '203.0.113.2')
})

/** A UDP server that answers with the address it sees. */
const ECHO = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 9000))
while True:
  _, peer = s.recvfrom(100); s.sendto(peer[0].encode(), peer)
`

function seenAs(from: TestNamespace, to: string): string {
  const script = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20); s.sendto(b'?', ('${to}', 9000)); print(s.recv(100).decode())`
  return from.run('python3', '-c', script).trim()
}
