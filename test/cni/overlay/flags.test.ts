import test from 'ava'
import { OverlayFlagError, parseOverlayFlags } from '../../../cni/overlay/flags.ts'
import { checkOverlaySettings, OverlaySettingError } from '../../../cni/overlay/settings.ts'

test("nothing given: flannel's paths, and masquerading is on", (t) => {
  t.deepEqual(parseOverlayFlags([], {}), {
    nodeName: undefined,
    pod: undefined,
    netConf: '/etc/kube-flannel/net-conf.json',
    subnetFile: '/run/flannel/subnet.env',
    kubeconfig: undefined,
    apiServer: undefined,
    settings: {
      iface: [],
      ifaceRegex: [],
      ifaceCanReach: undefined,
      publicIp: undefined,
      publicIpv6: undefined,
      ipMasq: true,
      ipMasqFullyRandom: true,
      forwardRules: true,
      blackholeRoute: false,
      annotationPrefix: undefined,
      setNodeNetworkUnavailable: true,
      healthz: undefined,
    },
    warnings: [],
  })
})

test("flannel's own command line, in Go's syntax", (t) => {
  // biome-ignore format: one command line
  const flags = parseOverlayFlags(['--ip-masq', '--kube-subnet-mgr', '-iface=eth0', '--iface', '10.0.0.7', '-iface-regex', '^10\\.',
    '--iface-can-reach=192.0.2.1', '--public-ip=198.51.100.1', '--public-ipv6', '2001:db8::1', '--ip-masq-fully-random-disable',
    '--iptables-forward-rules=false', '--ip-blackhole-route', '--healthz-ip=127.0.0.1', '--healthz-port=8081',
    '--kube-annotation-prefix=example.org/net2', '--net-config-path=/n.json', '--subnet-file', '/s.env', '--kubeconfig-file=/k', '--kube-api-url=https://192.0.2.9:6443',
    '--set-node-network-unavailable=false', '--iptables-resync=5', '-v', '2'],
    { NODE_NAME: 'node7', POD_NAMESPACE: 'kube-flannel', POD_NAME: 'kube-flannel-ds-x' })
  t.deepEqual(flags, {
    nodeName: 'node7',
    pod: { namespace: 'kube-flannel', name: 'kube-flannel-ds-x' },
    netConf: '/n.json',
    subnetFile: '/s.env',
    kubeconfig: '/k',
    apiServer: 'https://192.0.2.9:6443',
    settings: {
      iface: ['eth0', '10.0.0.7'],
      ifaceRegex: ['^10\\.'],
      ifaceCanReach: '192.0.2.1',
      publicIp: '198.51.100.1',
      publicIpv6: '2001:db8::1',
      ipMasq: true,
      ipMasqFullyRandom: false,
      forwardRules: false,
      blackholeRoute: true,
      annotationPrefix: 'example.org/net2',
      setNodeNetworkUnavailable: false,
      healthz: { host: '127.0.0.1', port: 8081 },
    },
    warnings: ['--iptables-resync has no effect here', '--v has no effect here'],
  })
})

test('the environment counts where the command line is silent', (t) => {
  const env = { FLANNELD_IFACE: 'eth1, eth2', FLANNELD_IP_MASQ: 'false', FLANNELD_HEALTHZ_PORT: '9000' }
  t.like(parseOverlayFlags([], env).settings, { ipMasq: false, healthz: { host: '0.0.0.0', port: 9000 } })
  t.deepEqual(parseOverlayFlags([], env).settings.iface, ['eth1', 'eth2'])
  t.deepEqual(parseOverlayFlags(['--iface=eth0', '--ip-masq'], env).settings.iface, ['eth0'])
  t.true(parseOverlayFlags(['--ip-masq'], env).settings.ipMasq)
})

for (const [args, words] of [
  [['--ip-masq=perhaps'], /^--ip-masq: must be true or false, is 'perhaps'$/],
  [['--public-ip=fd00::1'], /^--public-ip: must be an IPv4 address, is 'fd00::1'$/],
  [['--iface-can-reach=there'], /must be an IP address, is 'there'/],
  [['--iface-regex=('], /^--iface-regex: Invalid regular expression/],
  [['--healthz-port=70000'], /must be a port number/],
  [['--iface'], /^--iface: needs a value$/],
  [['--no-such-flag'], /^--no-such-flag: is no flag of the overlay/],
  [['eth0'], /^'eth0': is no flag$/],
  [['--etcd-endpoints=http://x'], /etcd is not supported: the subnets are the Nodes' podCIDRs/],
  [['--kube-subnet-mgr=false'], /cannot be off/],
  [['--kube-api-url=x:6443'], /must be a URL such as https:\/\/10\.0\.0\.1:6443, is 'x:6443'/],
  [['--kube-annotation-prefix=a/b/c'], /'a\/b\/c' is none/],
] as const) {
  test(`refused, naming the flag: ${args.join(' ')}`, (t) => {
    t.throws(() => parseOverlayFlags(args, {}), { instanceOf: OverlayFlagError, message: words })
  })
}

for (const [settings, words] of [
  [{ ifaceRegex: ['^eth', '('] }, /^overlay\.ifaceRegex: Invalid regular expression/],
  [{ annotationPrefix: 'a/b/c' }, /^overlay\.annotationPrefix: .*'a\/b\/c' is none/],
  [{ publicIp: 'here' }, /^overlay\.publicIp: must be an IP address, is 'here'$/],
  [{ publicIpv6: '192.0.2.1' }, /^overlay\.publicIpv6: must be an IPv6 address, is '192\.0\.2\.1'$/],
  [{ ifaceCanReach: '192.0.2.0/24' }, /^overlay\.ifaceCanReach: must be an IP address/],
] as const) {
  test(`refused in the agent's configuration, naming the key: ${JSON.stringify(settings)}`, (t) => {
    t.throws(() => checkOverlaySettings(settings), { instanceOf: OverlaySettingError, message: words })
  })
}

test('settings that can be used pass', (t) => {
  const publicIp = '192.0.2.1'
  const settings = { publicIp, publicIpv6: 'fd00::1', ifaceCanReach: 'fd00::2', ifaceRegex: ['^eth'] }
  t.notThrows(() => checkOverlaySettings({ ...settings, annotationPrefix: 'example.org' }))
})
