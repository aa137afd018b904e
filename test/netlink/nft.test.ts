import test from 'ava'
import {
  concat,
  type NftElement,
  NftTransaction,
  nft,
  packHostU32,
  packIfname,
  packIPv4,
  packIPv6,
  packMac,
  packPort,
  packProto,
} from '../../netlink/index.ts'
import { base, listing, open, T, tcp } from './support/nft-table.ts'

test('sets and maps read in nft as they were meant, and come back the same from a dump', (t) => {
  const { namespace, socket } = open(t, 'sets')
  const tx = base()
  tx.addChain({ ...T, name: 'lb-2' })
  tx.addSet({
    ...T,
    name: 'ips',
    key: ['ipv4_addr', 'inet_proto', 'inet_service'],
    data: 'verdict',
    comment: 'Services',
  })
  tx.addSet({
    ...T,
    name: 'eps',
    key: ['ipv4_addr', 'inet_proto', 'inet_service', 'mark'],
    data: ['ipv4_addr', 'inet_service'],
  })
  tx.addSet({ ...T, name: 'six', key: ['ipv6_addr'] })
  tx.addSet({ ...T, name: 'names', key: ['ifname'] })
  tx.addSet({ ...T, name: 'macs', key: ['ether_addr'] })
  tx.addSet({ ...T, name: 'marks', key: ['mark'], data: ['mark'] })
  tx.addSet({
    ...T,
    name: 'aff',
    key: ['ipv4_addr', 'mark'],
    flags: ['dynamic', 'timeout'],
    timeoutMs: 10_800_000,
    size: 1000,
  })
  const ips: NftElement[] = [
    {
      key: tcp('10.96.0.1', 443),
      data: { verdict: 'goto', chain: 'lb-2' },
      comment: 'default/kubernetes:https',
    },
    { key: tcp('10.96.0.2', 80), data: { verdict: 'drop' } },
  ]
  const eps: NftElement[] = [0, 1].map((slot) => ({
    key: concat(packIPv4('10.96.0.1'), packProto('tcp'), packPort(443), packHostU32(slot)),
    data: concat(packIPv4(`10.244.0.${slot + 1}`), packPort(6443)),
  }))
  tx.addElements({ ...T, set: 'ips' }, ips)
  tx.addElements({ ...T, set: 'eps' }, eps)
  tx.addElements({ ...T, set: 'six' }, [{ key: packIPv6('fd00::1') }])
  tx.addElements({ ...T, set: 'names' }, [{ key: packIfname('eth0') }])
  tx.addElements({ ...T, set: 'macs' }, [{ key: packMac('02:00:00:00:00:01') }])
  tx.addElements({ ...T, set: 'marks' }, [{ key: packHostU32(1), data: packHostU32(2) }])
  tx.addElements({ ...T, set: 'aff' }, [
    { key: concat(packIPv4('10.0.0.1'), packHostU32(7)), timeoutMs: 60_000 },
  ])
  socket.commit(tx)
  const text = listing(namespace).join('\n')
  for (const expected of [
    'comment "for a test"',
    'type ipv4_addr . inet_proto . inet_service : verdict\ncomment "Services"',
    '10.96.0.1 . tcp . 443 comment "default/kubernetes:https" : goto lb-2',
    '10.96.0.2 . tcp . 80 : drop',
    '10.96.0.1 . tcp . 443 . 0x00000001 : 10.244.0.2 . 6443',
    'elements = { fd00::1 }',
    'elements = { "eth0" }',
    'elements = { 02:00:00:00:00:01 }',
    'elements = { 0x00000001 : 0x00000002 }',
    'size 1000\nflags dynamic,timeout\ntimeout 3h',
    '10.0.0.1 . 0x00000007 timeout 1m',
  ]) {
    t.true(text.includes(expected), `${expected}\nin\n${text}`)
  }
  const sort = (list: readonly NftElement[]): NftElement[] =>
    [...list]
      .map(({ key, data, ...rest }) => ({ key: Uint8Array.from(key), ...(data && { data }), ...rest }))
      .sort((a, b) => Buffer.compare(a.key, b.key))
  t.deepEqual(sort(socket.elements('ip', 't', 'ips')), sort(ips))
  t.deepEqual(sort(socket.elements('ip', 't', 'eps')), sort(eps))
  t.like(socket.elements('ip', 't', 'aff')[0], { timeoutMs: 60_000 })
  const sets = new Map(socket.sets('ip', 't').map((set) => [set.name, set]))
  t.like(sets.get('ips'), {
    key: ['ipv4_addr', 'inet_proto', 'inet_service'],
    data: 'verdict',
    comment: 'Services',
  })
  t.like(sets.get('eps'), { data: ['ipv4_addr', 'inet_service'], keyLength: 16, dataLength: 8 })
  t.like(sets.get('aff'), {
    flags: ['timeout', 'dynamic'],
    timeoutMs: 10_800_000,
    size: 1000,
    data: undefined,
  })
})

test('ranges: plain ones as pairs, concatenated ones with key ends', (t) => {
  const { namespace, socket } = open(t, 'ranges')
  const tx = base()
  tx.addSet({ ...T, name: 'nets', key: ['ipv4_addr'], flags: ['interval'] })
  tx.addSet({
    ...T,
    name: 'sources',
    key: ['ipv4_addr', 'inet_proto', 'inet_service', 'ipv4_addr'],
    flags: ['interval'],
  })
  const nets: NftElement[] = [
    { key: packIPv4('1.1.1.1'), keyEnd: packIPv4('1.1.1.1') },
    { key: packIPv4('10.0.0.0'), keyEnd: packIPv4('10.0.0.255') },
    { key: packIPv4('10.0.1.0'), keyEnd: packIPv4('10.0.1.9') },
    { key: packIPv4('255.0.0.0'), keyEnd: packIPv4('255.255.255.255') },
  ]
  const sources: NftElement[] = [
    {
      key: concat(tcp('10.96.0.1', 80), packIPv4('192.0.2.0')),
      keyEnd: concat(tcp('10.96.0.1', 80), packIPv4('192.0.2.255')),
    },
  ]
  tx.addElements({ ...T, set: 'nets' }, nets)
  tx.addElements({ ...T, set: 'sources' }, sources)
  socket.commit(tx)
  const text = listing(namespace).join(' ')
  t.true(text.includes('elements = { 1.1.1.1, 10.0.0.0/24, 10.0.1.0-10.0.1.9, 255.0.0.0/8 }'), text)
  t.true(text.includes('elements = { 10.96.0.1 . tcp . 80 . 192.0.2.0/24 }'), text)
  const plain = (list: readonly NftElement[]) =>
    list.map(({ key, keyEnd }) => [[...key], [...(keyEnd ?? [])]])
  t.deepEqual(plain(socket.elements('ip', 't', 'nets')), plain(nets))
  t.deepEqual(plain(socket.elements('ip', 't', 'sources')), plain(sources))
  // Of sets declared earlier the kernel is asked which form they have.
  const remove = new NftTransaction()
  remove.deleteElements({ ...T, set: 'nets' }, nets.slice(1, 3))
  remove.deleteElements({ ...T, set: 'sources' }, sources)
  socket.commit(remove)
  t.deepEqual(
    plain(socket.elements('ip', 't', 'nets')),
    plain([nets[0], nets[3]].filter((net) => net !== undefined)),
  )
  t.deepEqual(socket.elements('ip', 't', 'sources'), [])
})

test('rules read in nft as nft itself writes them', (t) => {
  const { namespace, socket } = open(t, 'rules')
  const tx = base()
  tx.addSet({ ...T, name: 'ips', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: 'verdict' })
  tx.addSet({
    ...T,
    name: 'eps',
    key: ['ipv4_addr', 'inet_proto', 'inet_service', 'mark'],
    data: ['ipv4_addr', 'inet_service'],
  })
  tx.addSet({ ...T, name: 'hairpin', key: ['ipv4_addr', 'ipv4_addr'] })
  tx.addSet({ ...T, name: 'aff', key: ['ipv4_addr', 'mark'], flags: ['dynamic', 'timeout'] })
  tx.addChain({
    ...T,
    name: 'pre',
    hook: { name: 'prerouting', priority: -100, type: 'nat' },
    comment: 'first',
  })
  tx.addChain({ ...T, name: 'post', hook: { name: 'postrouting', priority: 100, type: 'nat' } })
  tx.addChain({ ...T, name: 'fwd', hook: { name: 'forward', priority: 0, type: 'filter' }, policy: 'drop' })
  tx.addChain({ ...T, name: 'other' })
  tx.addChain({ ...T, name: 'lb-2' })
  const expected: [
    chain: string,
    text: string,
    ...Parameters<NftTransaction['addRule']>[0]['expressions'][],
  ][] = [
    [
      'pre',
      'ip daddr . meta l4proto . th dport vmap @ips',
      [nft.vmapTuple(4, ['daddr', 'l4proto', 'dport'], 'ips')],
    ],
    [
      'pre',
      'fib daddr type local tcp dport 8080 dnat to 10.244.1.5:80',
      [nft.matchLocal('daddr'), nft.matchDport('tcp', 8080), nft.dnatTo('10.244.1.5', 80)],
    ],
    ['pre', 'udp sport 53 dnat to 10.244.1.6', [nft.matchSport('udp', 53), nft.dnatTo('10.244.1.6')]],
    [
      'lb-2',
      'dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @eps',
      [
        nft.loadTuple(4, ['daddr', 'l4proto', 'dport']),
        nft.numgen({ modulus: 2, register: 11 }),
        nft.lookup({ set: 'eps', into: 1 }),
        nft.nat({ type: 'dnat', family: 'ip', address: 1, port: 9 }),
      ],
    ],
    [
      'post',
      'ip saddr . ip daddr @hairpin masquerade',
      [nft.matchTuple(4, ['saddr', 'daddr'], 'hairpin'), nft.masquerade()],
    ],
    [
      'post',
      'meta mark & 0x00004000 == 0x00004000 meta mark set meta mark ^ 0x00004000 masquerade fully-random',
      [
        nft.matchMark({ value: 0x4000, mask: 0x4000 }),
        nft.xorMark(0x4000),
        nft.masquerade({ fullyRandom: true }),
      ],
    ],
    [
      'post',
      'ip saddr 10.0.0.0/8 ip daddr != 10.1.2.0/23 ip daddr 10.9.9.9 return',
      [
        nft.matchSaddr('10.0.0.0/8'),
        nft.matchDaddr('10.1.2.0/23', { not: true }),
        nft.matchDaddr('10.9.9.9'),
        nft.return(),
      ],
    ],
    [
      'fwd',
      'ct state established,related accept',
      [nft.matchCtState(['established', 'related']), nft.accept()],
    ],
    ['fwd', 'ct status dnat accept', [nft.matchCtStatus(['dnat']), nft.accept()]],
    [
      'fwd',
      'iifname "veth*" oifname != "eth0" meta mark set meta mark | 0x00004000 jump other',
      [
        nft.matchIifname('veth*'),
        nft.matchOifname('eth0', { not: true }),
        nft.orMark(0x4000),
        nft.jump('other'),
      ],
    ],
    [
      'fwd',
      'tcp dport 80 reject with tcp reset',
      [nft.matchDport('tcp', 80), nft.reject({ type: 'tcp-reset' })],
    ],
    [
      'fwd',
      'udp dport 30000-32767 reject',
      [nft.matchDport('udp', [30000, 32767]), nft.reject({ type: 'icmp-unreachable', code: 3 })],
    ],
    [
      'fwd',
      'udp sport != 1-2 limit rate 5/second drop',
      [nft.matchSport('udp', [1, 2], { not: true }), nft.limit({ packetsPerSecond: 5 }), nft.drop()],
    ],
    [
      'fwd',
      'meta l4proto sctp counter packets 0 bytes 0 goto other',
      [nft.matchL4proto('sctp'), nft.counter(), nft.goto('other')],
    ],
    [
      'fwd',
      'update @aff { ip saddr . 0x00000007 timeout 3s }',
      [
        nft.payload({ base: 'network', offset: 12, length: 4 }),
        nft.immediate({ value: packHostU32(7), register: 9 }),
        nft.dynset({ set: 'aff', op: 'update', key: 1, timeoutMs: 3000 }),
      ],
    ],
  ]
  for (const [chain, text, expressions] of expected) {
    tx.addRule({ ...T, chain, expressions: expressions ?? [], comment: `c ${text.length}` })
  }
  socket.commit(tx)
  const lines = listing(namespace)
  for (const [, text] of expected) {
    t.true(lines.includes(`${text} comment "c ${text.length}"`), `${text}\nin\n${lines.join('\n')}`)
  }
  t.true(lines.includes('type filter hook forward priority filter; policy drop;'))
  const rules = socket.rules('ip', 't', 'post')
  t.deepEqual(
    rules.map(({ comment }) => comment),
    expected.filter(([chain]) => chain === 'post').map(([, text]) => `c ${text.length}`),
  )
  t.is(socket.rules('ip', 't').length, expected.length)
  t.deepEqual(
    rules[0]?.expressions.map(({ name }) => name),
    ['payload', 'payload', 'lookup', 'masq'],
  )
  const chains = new Map(socket.chains('ip', 't').map((chain) => [chain.name, chain]))
  t.like(chains.get('pre'), {
    hook: { name: 'prerouting', priority: -100, type: 'nat' },
    policy: 'accept',
    comment: 'first',
  })
  t.like(chains.get('fwd'), { policy: 'drop' })
  t.like(chains.get('other'), { hook: undefined, policy: undefined, use: 2 })
  const change = new NftTransaction()
  change.deleteRule({ ...T, chain: 'post', handle: rules[1]?.handle ?? 0n })
  change.addRule({
    ...T,
    chain: 'post',
    expressions: [nft.return()],
    position: 'prepend',
    comment: 'now first',
  })
  change.flushChain({ ...T, name: 'fwd' })
  change.deleteChain({ ...T, name: 'fwd' })
  socket.commit(change)
  t.deepEqual(
    socket.rules('ip', 't', 'post').map(({ comment }) => comment),
    ['now first', rules[0]?.comment, rules[2]?.comment],
  )
  t.deepEqual(socket.rules('ip', 't', 'fwd'), [])
})

test('IPv6 and inet tables', (t) => {
  const { namespace, socket } = open(t, 'ip6')
  const tx = new NftTransaction()
  const six = { family: 'ip6', table: 't6' } as const
  tx.addTable({ family: 'ip6', name: 't6' })
  tx.addSet({ ...six, name: 'ips', key: ['ipv6_addr', 'inet_proto', 'inet_service'], data: 'verdict' })
  tx.addSet({
    ...six,
    name: 'eps',
    key: ['ipv6_addr', 'inet_proto', 'inet_service', 'mark'],
    data: ['ipv6_addr', 'inet_service'],
  })
  tx.addSet({ ...six, name: 'hairpin', key: ['ipv6_addr', 'ipv6_addr'] })
  tx.addChain({ ...six, name: 'pre', hook: { name: 'prerouting', priority: -100, type: 'nat' } })
  tx.addChain({ ...six, name: 'post', hook: { name: 'postrouting', priority: 100, type: 'nat' } })
  tx.addRule({ ...six, chain: 'pre', expressions: [nft.vmapTuple(6, ['daddr', 'l4proto', 'dport'], 'ips')] })
  tx.addRule({
    ...six,
    chain: 'pre',
    expressions: [
      nft.loadTuple(6, ['daddr', 'l4proto', 'dport']),
      nft.numgen({ modulus: 3, register: 14 }),
      nft.lookup({ set: 'eps', into: 1 }),
      nft.nat({ type: 'dnat', family: 'ip6', address: 1, port: 2 }),
    ],
  })
  tx.addRule({
    ...six,
    chain: 'post',
    expressions: [nft.matchTuple(6, ['saddr', 'daddr'], 'hairpin'), nft.masquerade()],
  })
  tx.addRule({
    ...six,
    chain: 'post',
    expressions: [nft.matchSaddr('fd00::/56'), nft.matchDaddr('ff00::/8', { not: true }), nft.masquerade()],
  })
  tx.addRule({ ...six, chain: 'pre', expressions: [nft.matchDport('tcp', 80), nft.dnatTo('fd00::5', 8080)] })
  tx.addTable({ family: 'inet', name: 'both' })
  tx.addChain({
    family: 'inet',
    table: 'both',
    name: 'in',
    hook: { name: 'input', priority: 0, type: 'filter' },
  })
  tx.addRule({
    family: 'inet',
    table: 'both',
    chain: 'in',
    expressions: [nft.matchNfproto(4), nft.matchSaddr('10.0.0.0/8'), nft.drop()],
  })
  socket.commit(tx)
  const text = listing(namespace).join('\n')
  for (const expected of [
    'ip6 daddr . meta l4proto . th dport vmap @ips',
    'dnat ip6 to ip6 daddr . meta l4proto . th dport . numgen random mod 3 map @eps',
    'ip6 saddr . ip6 daddr @hairpin masquerade',
    'ip6 saddr fd00::/56 ip6 daddr != ff00::/8 masquerade',
    'tcp dport 80 dnat to [fd00::5]:8080',
    'ip saddr 10.0.0.0/8 drop',
  ]) {
    t.true(text.includes(expected), `${expected}\nin\n${text}`)
  }
  t.deepEqual(
    socket.tables().map(({ family, name }) => `${family} ${name}`),
    ['ip6 t6', 'inet both'],
  )
})
