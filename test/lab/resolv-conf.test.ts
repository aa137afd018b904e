import test from 'ava'
import {
  type ClusterDns,
  formatResolvConf,
  parseResolvConf,
  podResolvConf,
} from '../../lab/kubelet/resolv-conf.ts'
import { podOf } from './support/pod.ts'

const dns: ClusterDns = {
  clusterDNS: ['10.96.0.10'],
  clusterDomain: 'cluster.local',
  node: { nameservers: ['198.18.0.100'], searches: ['example.test'], options: ['rotate'] },
}
const clusterSearches = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local']
const cluster = {
  nameservers: ['10.96.0.10'],
  searches: [...clusterSearches, 'example.test'],
  options: ['ndots:5'],
}

const policies = [
  ['no policy means ClusterFirst', {}, cluster],
  ['ClusterFirst', { dnsPolicy: 'ClusterFirst' }, cluster],
  [
    'ClusterFirst in the host network means Default',
    { dnsPolicy: 'ClusterFirst', hostNetwork: true },
    dns.node,
  ],
  ['ClusterFirstWithHostNet', { dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }, cluster],
  ['Default', { dnsPolicy: 'Default' }, dns.node],
  [
    'None',
    {
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['192.0.2.1'], searches: ['a.test'], options: [{ name: 'edns0' }] },
    },
    { nameservers: ['192.0.2.1'], searches: ['a.test'], options: ['edns0'] },
  ],
] as const

for (const [title, spec, expected] of policies) {
  test(`dnsPolicy: ${title}`, (t) => {
    const { conf, exceeded } = podResolvConf(podOf(spec), dns)
    t.deepEqual(conf, expected)
    t.deepEqual(exceeded, [])
  })
}

test('dnsConfig is appended to what the policy gives, without repeating anything', (t) => {
  const pod = podOf({
    dnsConfig: {
      nameservers: ['192.0.2.1', '10.96.0.10'],
      searches: ['cluster.local', 'corp.test'],
      options: [{ name: 'edns0' }],
    },
  })
  const { conf } = podResolvConf(pod, dns)
  t.deepEqual(conf.nameservers, ['10.96.0.10', '192.0.2.1'])
  t.deepEqual(conf.searches, [...clusterSearches, 'example.test', 'corp.test'])
  t.deepEqual(conf.options, ['ndots:5', 'edns0'])
})

test('an option of dnsConfig replaces the same option of the policy', (t) => {
  const pod = podOf({
    dnsConfig: {
      options: [
        { name: 'ndots', value: '2' },
        { name: 'timeout', value: '1' },
      ],
    },
  })
  t.deepEqual(podResolvConf(pod, dns).conf.options, ['ndots:2', 'timeout:1'])
})

test('no more than three name servers, and what is left out is said', (t) => {
  const pod = podOf({ dnsConfig: { nameservers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'] } })
  const { conf, exceeded } = podResolvConf(pod, dns)
  t.deepEqual(conf.nameservers, ['10.96.0.10', '192.0.2.1', '192.0.2.2'])
  t.is(exceeded.length, 1)
  t.regex(exceeded[0] ?? '', /192\.0\.2\.3/)
})

test('no more than 32 search domains', (t) => {
  const searches = Array.from({ length: 32 }, (_, index) => `d${index}.test`)
  const { conf, exceeded } = podResolvConf(podOf({ dnsConfig: { searches } }), dns)
  t.is(conf.searches.length, 32)
  t.deepEqual(conf.searches.slice(0, 4), cluster.searches)
  t.regex(exceeded.join(), /d28\.test, d29\.test, d30\.test, d31\.test/)
})

test('the search list ends before 2048 characters', (t) => {
  const searches = Array.from({ length: 12 }, (_, index) => `${'x'.repeat(180)}.d${index}.test`)
  const { conf, exceeded } = podResolvConf(podOf({ dnsConfig: { searches } }), dns)
  const line = conf.searches.join(' ')
  t.true(line.length <= 2048)
  t.true(line.length + 1 + (searches[conf.searches.length - cluster.searches.length] ?? '').length > 2048)
  t.is(exceeded.length, 1)
})

test('without a cluster DNS server pods get the resolv.conf of the node', (t) => {
  t.deepEqual(podResolvConf(podOf(), { ...dns, clusterDNS: [] }).conf, dns.node)
})

test('resolv.conf is read as resolv.conf(5) says', (t) => {
  const text = `# comment
domain old.test
search a.test b.test. .   ; the last search line counts
nameserver 192.0.2.1
nameserver 2001:db8::1 # second
options ndots:1 rotate
options ndots:3
`
  t.deepEqual(parseResolvConf(text), {
    nameservers: ['192.0.2.1', '2001:db8::1'],
    searches: ['a.test', 'b.test', '.'],
    options: ['ndots:3', 'rotate'],
  })
})

test('resolv.conf is written in the order of container runtimes, empty parts left out', (t) => {
  t.is(
    formatResolvConf(cluster),
    'search shop.svc.cluster.local svc.cluster.local cluster.local example.test\nnameserver 10.96.0.10\noptions ndots:5\n',
  )
  t.is(formatResolvConf({ nameservers: [], searches: [], options: [] }), '')
})
