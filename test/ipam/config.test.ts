import test from 'ava'
import { Fields, formatAddress, IpamError, loadIpamConfig, parseCniArgs, parseResolvConf } from '#ipam'

function load(ipam: unknown, more: Record<string, unknown> = {}, cniArgs = '') {
  return loadIpamConfig({
    conf: new Fields({ cniVersion: '1.1.0', name: 'net', ipam, ...more }, ''),
    cniArgs,
  })
}

const messages: readonly [title: string, ipam: unknown, message: string][] = [
  ['no ranges', { type: 'host-local' }, 'no IP ranges specified'],
  [
    'host bits',
    { subnet: '10.1.2.3/24' },
    'invalid range set 0: Network has host bits set. For a subnet mask of length 24 the network address is 10.1.2.0',
  ],
  ['/31', { subnet: '10.1.2.0/31' }, 'invalid range set 0: Network 10.1.2.0/31 too small to allocate from'],
  ['/127', { subnet: 'fd00::/127' }, 'invalid range set 0: Network fd00::/127 too small to allocate from'],
  [
    'start outside',
    { subnet: '10.1.2.0/24', rangeStart: '10.1.3.1' },
    'invalid range set 0: RangeStart 10.1.3.1 not in network 10.1.2.0/24',
  ],
  [
    'end outside',
    { subnet: '10.1.2.0/24', rangeEnd: '10.1.3.1' },
    'invalid range set 0: RangeEnd 10.1.3.1 not in network 10.1.2.0/24',
  ],
  [
    'end before start',
    { subnet: '10.1.2.0/24', rangeStart: '10.1.2.9', rangeEnd: '10.1.2.8' },
    'invalid range set 0: RangeEnd 10.1.2.8 not in network 10.1.2.0/24',
  ],
  [
    'mixed families',
    { ranges: [[{ subnet: '10.1.2.0/24' }, { subnet: 'fd00::/64' }]] },
    'invalid range set 0: mixed address families',
  ],
  ['empty set', { ranges: [[]] }, 'invalid range set 0: empty range set'],
  [
    'overlap in a set',
    { ranges: [[{ subnet: '10.1.2.0/24' }, { subnet: '10.1.0.0/16' }]] },
    'invalid range set 0: subnets 10.1.2.1-10.1.2.254 and 10.1.0.1-10.1.255.254 overlap',
  ],
  [
    'overlapping sets',
    { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: '10.1.2.0/25' }]] },
    'range set 0 overlaps with 1',
  ],
]

for (const [title, ipam, message] of messages) {
  test(`reference text: ${title}`, (t) => {
    t.throws(() => load(ipam), { instanceOf: IpamError, message })
  })
}

test('a configuration without ipam, or with two v4 sets before 0.3.0, is refused', (t) => {
  t.throws(() => load(undefined), { message: "IPAM config missing 'ipam' key" })
  const two = { ranges: [[{ subnet: '10.1.2.0/24' }], [{ subnet: '10.1.3.0/24' }]] }
  t.throws(() => load(two, { cniVersion: '0.2.0' }), {
    message: 'CNI version 0.2.0 does not support more than 1 address per family',
  })
  t.is(load(two).sets.length, 2)
})

test('runtime ranges come first, then the single subnet, then ranges; keys match in any case', (t) => {
  const config = load(
    {
      SUBNET: '10.1.1.0/24',
      RangeStart: '10.1.1.20',
      Ranges: [[{ Subnet: '10.1.2.0/24', GATEWAY: '10.1.2.9' }]],
    },
    { RuntimeConfig: { ipRanges: [[{ subnet: '10.1.0.0/24' }]] } },
  )
  t.deepEqual(
    config.sets.map((set) => set.map(({ start, gateway }) => [formatAddress(start), formatAddress(gateway)])),
    [[['10.1.0.1', '10.1.0.1']], [['10.1.1.20', '10.1.1.1']], [['10.1.2.1', '10.1.2.9']]],
  )
})

test('requested addresses are collected from CNI_ARGS, args and runtimeConfig, a prefix length being ignored', (t) => {
  const config = load(
    { subnet: '10.1.2.0/24' },
    { args: { cni: { ips: ['10.1.2.4/24'] } }, runtimeConfig: { ips: ['10.1.2.5'] } },
    'IgnoreUnknown=1;IP=10.1.2.3;K8S_POD_NAME=x',
  )
  t.deepEqual(config.requested.map(formatAddress), ['10.1.2.3', '10.1.2.4', '10.1.2.5'])
})

test('CNI_ARGS errors have the texts of the Go library', (t) => {
  t.throws(() => parseCniArgs('FOO', []), { message: 'ARGS: invalid pair "FOO"' })
  t.throws(() => parseCniArgs('A=1=2', []), { message: 'ARGS: invalid pair "A=1=2"' })
  t.throws(() => parseCniArgs('A=1;B=2', ['B']), { message: 'ARGS: unknown args ["A=1"]' })
  t.is(parseCniArgs('IgnoreUnknown=true;A=1', []).get('A'), '1')
})

test('default ranges serve only a configuration that names none', (t) => {
  const defaultRanges = () => [[{ subnet: '10.9.0.0/24' }]]
  const conf = (ipam: unknown) => new Fields({ name: 'net', ipam }, '')
  t.is(
    formatAddress(
      loadIpamConfig({ conf: conf({}), cniArgs: '', defaultRanges }).sets[0]?.[0]?.start as never,
    ),
    '10.9.0.1',
  )
  const own = loadIpamConfig({ conf: conf({ subnet: '10.1.0.0/24' }), cniArgs: '', defaultRanges })
  t.is(own.sets.length, 1)
})

test('resolv.conf: comments are skipped, all four keywords read', (t) => {
  t.deepEqual(
    parseResolvConf(
      '# x\n; y\nnameserver 192.0.2.0\nnameserver 192.0.2.1\ndomain example.com\nsearch a.com b.com\noptions ndots:5 rotate\nsortlist\n',
    ),
    {
      nameservers: ['192.0.2.0', '192.0.2.1'],
      domain: 'example.com',
      search: ['a.com', 'b.com'],
      options: ['ndots:5', 'rotate'],
    },
  )
})
