import test from 'ava'
import { DEFAULT_CONFIGURATION, KUBE_PROXY_LISTENERS, ProxyConfigurationError, parseProxyFlags } from '#proxy'
import { formatDuration, parseDuration } from '../../proxy/config/duration.ts'
import { conntrackSysctls } from '../../proxy/conntrack/sysctls.ts'

test("no flags mean kube-proxy's defaults, with its listeners", (t) => {
  t.deepEqual(parseProxyFlags([]).config, { ...DEFAULT_CONFIGURATION, ...KUBE_PROXY_LISTENERS })
})

test('flags in all of their spellings', (t) => {
  const flags = parseProxyFlags([
    ...['--cluster-cidr', '10.244.0.0/16,fd00:244::/56', '-masquerade-all', '--conntrack-max-per-core=0'],
    ...['--iptables-sync-period=1m', '--iptables_min_sync_period', '2s', '--hostname-override', 'n7'],
    ...[
      '--nodeport-addresses=10.0.0.0/8, primary',
      '--detect-local-mode=NodeCIDR',
      '--conntrack-tcp-be-liberal=true',
    ],
    ...[
      '--profiling=false',
      '--healthz-bind-address=',
      '--metrics-bind-address=[::1]:1',
      '--proxy-mode=nftables',
    ],
    ...['--kube-api-qps', '7', '-v=4', '--oom-score-adj', '-998'],
  ])
  t.like(flags.config, {
    clusterCIDR: ['10.244.0.0/16', 'fd00:244::/56'],
    nftables: { masqueradeBit: 14, masqueradeAll: true, syncPeriod: 60_000, minSyncPeriod: 2000 },
    hostnameOverride: 'n7',
    nodePortAddresses: ['10.0.0.0/8', 'primary'],
    detectLocalMode: 'NodeCIDR',
    healthzBindAddress: '',
    metricsBindAddress: '[::1]:1',
  })
  t.like(flags.config.conntrack, { maxPerCore: undefined, tcpBeLiberal: true })
  t.deepEqual(
    flags.warnings.map((text) => text.split(':')[0]),
    ['--kube-api-qps', '--v', '--oom-score-adj'],
  )
  t.false(flags.overruled.includes('--hostname-override'), 'it counts beside --config')
})

for (const [index, argv] of [
  ['--no-such-flag'],
  ['plain'],
  ['--cluster-cidr'],
  ['--cluster-cidr=10.0.0.0/8,11.0.0.0/8'],
  ['--masquerade-all=yes'],
  ['--conntrack-min=many'],
  ['--iptables-masquerade-bit=40'],
  ['--iptables-sync-period=30'],
  ['--detect-local-mode=BridgeInterface'],
].entries()) {
  test(`a bad flag is an error (${index}): ${argv.join(' ')}`, (t) => {
    t.throws(() => parseProxyFlags(argv), { instanceOf: ProxyConfigurationError })
  })
}

test('durations print as Go prints them, and read back', (t) => {
  const printed: [ms: number, text: string][] = [
    [0, '0s'],
    [500, '500ms'],
    [1500, '1.5s'],
    [90_000, '1m30s'],
    [86_400_000, '24h0m0s'],
  ]
  for (const [ms, text] of printed) {
    t.is(formatDuration(ms), text)
    t.is(parseDuration(text), ms)
  }
})

test('the size of the connection table grows with the cores, between its bounds', (t) => {
  const max = (maxPerCore: number | undefined, min: number | undefined, cores: number) =>
    conntrackSysctls({ ...DEFAULT_CONFIGURATION.conntrack, maxPerCore, min }, cores).get('max')
  t.is(max(32_768, 131_072, 2), 131_072)
  t.is(max(32_768, 131_072, 8), 262_144)
  t.is(max(32_768, 131_072, 64), 1_048_576)
  t.is(max(undefined, 131_072, 8), undefined)
  t.is(conntrackSysctls(DEFAULT_CONFIGURATION.conntrack, 1).get('tcp_timeout_close_wait'), 3600)
  t.false(conntrackSysctls(DEFAULT_CONFIGURATION.conntrack, 1).has('udp_timeout'))
})
