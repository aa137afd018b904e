import test from 'ava'
import {
  concat,
  NetlinkValueError,
  type NftElement,
  NftError,
  NftTransaction,
  nft,
  packHostU32,
  packIPv4,
  packPort,
  packProto,
  storedComment,
} from '../../netlink/index.ts'
import { base, listing, open, T, tcp } from './support/nft-table.ts'

test('a refused batch changes nothing and names every culprit', (t) => {
  const { namespace, socket } = open(t, 'errors')
  const tx = base()
  tx.addChain({ ...T, name: 'lb' })
  tx.addSet({ ...T, name: 'ips', key: ['ipv4_addr'], data: 'verdict' })
  tx.addSet({ ...T, name: 'plain', key: ['ipv4_addr'] })
  tx.addSet({ ...T, name: 'nets', key: ['ipv4_addr'], flags: ['interval'] })
  socket.commit(tx)
  const before = namespace.nft('list', 'ruleset')
  const bad = new NftTransaction()
  const elements: NftElement[] = [1, 2, 3].map((i) => ({
    key: packIPv4(`10.96.0.${i}`),
    data: { verdict: 'goto', chain: i === 2 ? 'missing' : 'lb' },
  }))
  bad.addElements({ ...T, set: 'ips' }, elements, 'Service shop/catalog:http')
  bad.addElements({ ...T, set: 'plain' }, [{ key: packIPv4('10.0.0.1') }], 'Service shop/good')
  bad.addRule({ ...T, chain: 'nowhere', expressions: [nft.drop()], subject: 'the rule' })
  bad.deleteElements({ ...T, set: 'plain' }, [{ key: packIPv4('9.9.9.9') }], 'Service shop/gone')
  bad.deleteElements(
    { ...T, set: 'nets' },
    [{ key: packIPv4('10.0.0.0'), keyEnd: packIPv4('10.0.0.255') }],
    'a range',
  )
  const error = t.throws(() => socket.commit(bad), { instanceOf: NftError })
  t.deepEqual(
    error.failures.map(({ subject, code }) => [subject, code]),
    [
      ['Service shop/catalog:http', 'ENOENT'],
      ['the rule', 'ENOENT'],
      ['Service shop/gone', 'ENOENT'],
      ['a range', 'ENOENT'],
    ],
  )
  t.is(error.failures[0]?.element, elements[1], 'the very element')
  t.regex(
    error.message,
    /Service shop\/catalog:http: add element ip t ips \{ 0x0a600002 : goto missing \}: ENOENT.*and 3 more/,
  )
  t.is(error.code, 'ENOENT')
  t.regex(error.failures[1]?.message ?? '', /add rule ip t nowhere drop: ENOENT.*NFTA_RULE_CHAIN/)
  t.is(namespace.nft('list', 'ruleset'), before)
  // An element further down a list that was split over many messages.
  const many = Array.from(
    { length: 5000 },
    (_, i): NftElement => ({ key: Uint8Array.of(10, 1, i >> 8, i & 255) }),
  )
  const add = new NftTransaction()
  add.addElements({ ...T, set: 'plain' }, many)
  socket.commit(add)
  const remove = new NftTransaction()
  const stray: NftElement = { key: packIPv4('172.16.0.1') }
  remove.deleteElements({ ...T, set: 'plain' }, [...many.slice(0, 4000), stray, ...many.slice(4000)])
  const strayError = t.throws(() => socket.commit(remove), { instanceOf: NftError })
  t.is(strayError.failures[0]?.element, stray)
  t.is(socket.elements('ip', 't', 'plain').length, 5000)
})

test('existing, missing and repeated things', (t) => {
  const { socket } = open(t, 'verbs')
  const commit = (fill: (tx: NftTransaction) => void): void => {
    const tx = new NftTransaction()
    fill(tx)
    socket.commit(tx)
  }
  commit((tx) => {
    tx.destroyTable({ family: 'ip', name: 't' })
    tx.addTable({ family: 'ip', name: 't' })
    tx.addSet({ ...T, name: 'm', key: ['mark'], data: ['mark'] })
    tx.addElements({ ...T, set: 'm' }, [{ key: packHostU32(1), data: packHostU32(1) }])
  })
  t.notThrows(() => commit((tx) => tx.addTable({ family: 'ip', name: 't' })), 'add is idempotent')
  const one = { key: packHostU32(1) }
  t.notThrows(() => commit((tx) => tx.addElements({ ...T, set: 'm' }, [{ ...one, data: packHostU32(1) }])))
  const clash = t.throws(() =>
    commit((tx) => tx.addElements({ ...T, set: 'm' }, [{ ...one, data: packHostU32(2) }], 's')),
  )
  t.like(clash, { code: 'EEXIST' })
  commit((tx) => {
    tx.deleteElements({ ...T, set: 'm' }, [one])
    tx.addElements({ ...T, set: 'm' }, [{ ...one, data: packHostU32(2) }])
  })
  t.deepEqual(socket.elements('ip', 't', 'm')[0]?.data, packHostU32(2))
  commit((tx) => tx.destroyElements({ ...T, set: 'm' }, [one, { key: packHostU32(9) }]))
  t.deepEqual(socket.elements('ip', 't', 'm'), [])
  t.notThrows(() => commit((tx) => tx.destroySet({ ...T, set: 'never' })))
  t.notThrows(() => commit((tx) => tx.destroyChain({ ...T, name: 'never' })))
  t.notThrows(() => commit((tx) => tx.deleteElements({ ...T, set: 'm' }, [])), 'nothing is not "all"')
  t.throws(() => commit((tx) => tx.deleteChain({ ...T, name: 'never' })), { code: 'ENOENT' })
  t.throws(() => socket.elements('ip', 't', 'never'), { code: 'ENOENT' })
  t.deepEqual(socket.sets('ip', 'never'), [])
  t.deepEqual(socket.chains('ip', 'never'), [])
  t.deepEqual(socket.rules('ip', 'never'), [])
  t.is(socket.set({ ...T, set: 'never' }), undefined)
  commit((tx) => {
    tx.flushSet({ ...T, set: 'm' })
    tx.deleteSet({ ...T, set: 'm' })
    tx.deleteTable({ family: 'ip', name: 't' })
  })
  t.deepEqual(socket.tables(), [])
})

test('the generation tells of changes and guards commits', (t) => {
  const { namespace, socket } = open(t, 'generation')
  const before = socket.generation()
  namespace.nft('add', 'table', 'ip', 'theirs')
  const after = socket.generation()
  t.true(after > before)
  const tx = base()
  t.throws(() => socket.commit(tx, { generation: before }), { code: 'ERESTART' })
  t.deepEqual(
    socket.tables().map(({ name }) => name),
    ['theirs'],
  )
  socket.commit(tx, { generation: after })
  t.is(socket.tables().length, 2)
})

test('mistakes stick to the transaction and nothing is sent', (t) => {
  const { socket } = open(t, 'sticky')
  const tx = base()
  tx.addChain({ ...T, name: 'x'.repeat(256) })
  tx.addSet({ ...T, name: '', key: ['mark'] })
  const error = t.throws(() => socket.commit(tx), { instanceOf: NetlinkValueError })
  t.true(error === tx.error)
  t.is(error.field, 'chain')
  t.deepEqual(socket.tables(), [])
  const hooks = new NftTransaction()
  hooks.addChain({ ...T, name: 'c', hook: { name: 'egress', priority: 0, type: 'filter' } })
  t.regex(hooks.error?.message ?? '', /family ip has no hook 'egress'/)
  t.notThrows(() => socket.commit(new NftTransaction()), 'an empty one is nothing')
})

test('a transaction prints as nft would read it', (t) => {
  const { namespace } = open(t, 'text')
  const tx = base()
  tx.addSet({ ...T, name: 'ips', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: 'verdict' })
  tx.addSet({ ...T, name: 'nets', key: ['ipv4_addr'], flags: ['interval'] })
  tx.addChain({
    ...T,
    name: 'post',
    hook: { name: 'postrouting', priority: 100, type: 'nat' },
    policy: 'accept',
  })
  tx.addChain({ ...T, name: 'lb', comment: 'shared' })
  tx.addRule({
    ...T,
    chain: 'post',
    expressions: [nft.matchSaddr('10.0.0.0/8'), nft.masquerade()],
    comment: 'out',
  })
  tx.addElements({ ...T, set: 'ips' }, [
    { key: tcp('10.96.0.1', 443), data: { verdict: 'goto', chain: 'lb' } },
  ])
  tx.addElements({ ...T, set: 'nets' }, [{ key: packIPv4('10.0.0.0'), keyEnd: packIPv4('10.0.0.9') }])
  t.deepEqual(String(tx).split('\n'), [
    'add table ip t { comment "for a test"; }',
    'add map ip t ips { type ipv4_addr . inet_proto . inet_service : verdict; }',
    'add set ip t nets { type ipv4_addr; flags interval; }',
    'add chain ip t post { type nat hook postrouting priority 100; policy accept; }',
    'add chain ip t lb { comment "shared"; }',
    'add rule ip t post ip saddr 10.0.0.0/8 masquerade comment "out"',
    'add element ip t ips { 10.96.0.1 . tcp . 443 : goto lb }',
    'add element ip t nets { 10.0.0.0-10.0.0.9 }',
    '',
  ])
  t.notThrows(() => namespace.runWith({ input: String(tx) }, '/usr/sbin/nft', '-f', '-'), 'nft takes it')
})

test('long comments are cut, not refused', (t) => {
  const { namespace, socket } = open(t, 'comments')
  const long = 'ü'.repeat(300)
  const tx = base()
  tx.addSet({ ...T, name: 's', key: ['mark'], comment: long })
  tx.addChain({ ...T, name: 'c', comment: long })
  tx.addRule({ ...T, chain: 'c', expressions: [nft.drop()], comment: long })
  tx.addElements({ ...T, set: 's' }, [{ key: packHostU32(1), comment: long }])
  socket.commit(tx)
  listing(namespace)
  t.is(storedComment(long), 'ü'.repeat(120))
  t.is(socket.rules('ip', 't', 'c')[0]?.comment, storedComment(long))
  t.is(socket.elements('ip', 't', 's')[0]?.comment, storedComment(long))
  t.is(socket.sets('ip', 't')[0]?.comment, storedComment(long))
  t.is(socket.chains('ip', 't')[0]?.comment, storedComment(long))
})

test('sixty thousand elements go in one batch', (t) => {
  const { namespace, socket } = open(t, 'big')
  const tx = base()
  tx.addSet({
    ...T,
    name: 'eps',
    key: ['ipv4_addr', 'inet_proto', 'inet_service', 'mark'],
    data: ['ipv4_addr', 'inet_service'],
  })
  const elements = Array.from(
    { length: 60_000 },
    (_, i): NftElement => ({
      key: concat(Uint8Array.of(10, 96, i >> 8, i & 255), packProto('tcp'), packPort(80), packHostU32(i % 5)),
      data: concat(Uint8Array.of(10, 244, i >> 8, i & 255), packPort(8080)),
    }),
  )
  const before = socket.generation()
  tx.addElements({ ...T, set: 'eps' }, elements)
  socket.commit(tx)
  t.is(socket.generation(), before + 1, 'one commit')
  const dumped = new Set(socket.elements('ip', 't', 'eps').map(({ key }) => Buffer.from(key).toString('hex')))
  t.is(dumped.size, 60_000)
  t.true(elements.every(({ key }) => dumped.has(Buffer.from(key).toString('hex'))))
  t.is(namespace.nft('-j', 'list', 'map', 'ip', 't', 'eps').match(/"concat"/g)?.length, 120_000)
})

test('the change that makes chains invalid is blamed, and not the good ones behind it', (t) => {
  const { socket } = open(t, 'blame')
  const tx = base()
  tx.addChain({ ...T, name: 'pre', hook: { name: 'prerouting', priority: -100, type: 'nat' } })
  tx.addChain({ ...T, name: 'good' })
  tx.addChain({ ...T, name: 'bad' })
  // Nowhere but after routing can be masqueraded.
  tx.addRule({ ...T, chain: 'bad', expressions: [nft.masquerade({})] })
  tx.addSet({ ...T, name: 'ips', key: ['ipv4_addr'], data: 'verdict' })
  tx.addSet({ ...T, name: 'data', key: ['ipv4_addr'] })
  tx.addRule({ ...T, chain: 'pre', expressions: [nft.vmapTuple(4, ['daddr'], 'ips')] })
  socket.commit(tx)
  const mixed = new NftTransaction()
  const to = (last: number, chain: string): NftElement[] => [
    { key: packIPv4(`10.96.0.${last}`), data: { verdict: 'goto', chain } },
  ]
  mixed.addElements({ ...T, set: 'ips' }, to(1, 'good'), 'first')
  mixed.addElements({ ...T, set: 'ips' }, to(2, 'bad'), 'culprit')
  mixed.addElements({ ...T, set: 'ips' }, to(3, 'good'), 'third')
  mixed.addElements({ ...T, set: 'data' }, [{ key: packIPv4('10.96.0.1') }], 'fourth')
  const error = t.throws(() => socket.commit(mixed), { instanceOf: NftError })
  t.deepEqual(
    error.failures.map(({ subject, code }) => [subject, code]),
    [['culprit', 'EOPNOTSUPP']],
  )
})
