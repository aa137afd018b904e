import test, { type ExecutionContext } from 'ava'
import {
  isAlreadyExists,
  isNotFound,
  type Link,
  NetlinkError,
  NetlinkValueError,
  RouteSocket,
} from '../../netlink/index.ts'
import { type TestNamespace, testNamespace } from '../support/index.ts'

function open(t: ExecutionContext, namespace: TestNamespace): RouteSocket {
  const socket = new RouteSocket({ netns: namespace.path })
  t.teardown(() => socket.close())
  return socket
}

function linkOf(socket: RouteSocket, name: string): Link {
  const link = socket.link(name)
  if (link === undefined) throw new Error(`no link ${name}`)
  return link
}

test('a veth pair whose peer is born in another namespace, as a port of a bridge', (t) => {
  const host = testNamespace(t, 'host')
  const pod = testNamespace(t, 'pod')
  const socket = open(t, host)
  socket.addLink({ name: 'cni0', kind: 'bridge', mtu: 1450, mac: '02:00:00:00:00:01', up: true })
  const bridge = linkOf(socket, 'cni0')
  socket.addLink({
    name: 'veth7',
    kind: 'veth',
    mtu: 1450,
    mac: '02:00:00:00:00:02',
    group: 77,
    veth: {
      peerName: 'eth0',
      peerNetns: pod.path,
      peerMac: '02:00:00:00:00:03',
      peerMtu: 1400,
      peerUp: true,
    },
  })
  const { index } = linkOf(socket, 'veth7')
  socket.setLink(index, {
    master: bridge.index,
    up: true,
    hairpin: true,
    isolated: true,
    learning: false,
    alias: 'a pod',
  })
  const [shown] = host.json('ip', '-j', '-d', 'link', 'show', 'veth7')
  t.like(shown, { mtu: 1450, address: '02:00:00:00:00:02', master: 'cni0', ifalias: 'a pod', group: '77' })
  t.like(host.json('bridge', '-j', '-d', 'link', 'show', 'dev', 'veth7')[0], {
    hairpin: true,
    isolated: true,
    learning: false,
  })
  t.like(pod.json('ip', '-j', 'link', 'show', 'eth0')[0], {
    mtu: 1400,
    address: '02:00:00:00:00:03',
    operstate: 'UP',
  })
  t.like(linkOf(socket, 'veth7'), {
    kind: 'veth',
    up: true,
    running: true,
    master: bridge.index,
    group: 77,
    alias: 'a pod',
    operState: 'up',
    linkNetnsId: 0,
    bridgePort: { hairpin: true, isolated: true, learning: false, state: 3 },
  })
  t.is(linkOf(socket, 'veth7').peerIndex, linkOf(open(t, pod), 'eth0').index)
  socket.setLink(index, { master: 0, up: false, name: 'veth8', promiscuous: true })
  t.like(socket.link(index), { name: 'veth8', up: false, promiscuous: true, master: undefined })
  socket.setLink(index, { netns: pod.path })
  t.is(socket.link('veth8'), undefined)
  t.is(pod.json('ip', '-j', 'link', 'show', 'veth8').length, 1)
})

test('every kind of link, as ip(8) shows it', (t) => {
  const namespace = testNamespace(t, 'kinds')
  const socket = open(t, namespace)
  namespace.run('ip', 'link', 'add', 'under0', 'type', 'veth', 'peer', 'name', 'other0')
  namespace.run('ip', 'addr', 'add', '198.18.0.1/24', 'dev', 'under0')
  const under = linkOf(socket, 'under0')
  const vxlan = { id: 42, link: under.index, local: '198.18.0.1', port: 4789, gbp: true }
  socket.addLink({ name: 'flannel.42', kind: 'vxlan', mtu: 1450, mac: '02:00:00:00:00:05', vxlan })
  socket.addLink({
    name: 'vx6',
    kind: 'vxlan',
    vxlan: { id: 43, local: 'fd00::1', port: 4790, learning: true },
  })
  socket.addLink({ name: 'mac0', kind: 'macvlan', macvlan: { link: under.index, mode: 'private' } })
  socket.addLink({ name: 'ifb0', kind: 'ifb', txQueueLength: 32 })
  // Not every kernel is built with VLAN filtering: it must be refused to ip(8), then, too.
  const filtering =
    namespace.try('ip', 'link', 'add', 'br1', 'type', 'bridge', 'vlan_filtering', '1').status === 0
  socket.addLink({ name: 'br0', kind: 'bridge', bridge: { vlanFiltering: filtering } })
  const shown = new Map(
    namespace
      .json<{ ifname: string; linkinfo?: { info_kind: string; info_data?: unknown } }[]>(
        'ip',
        '-j',
        '-d',
        'link',
      )
      .map((link) => [link.ifname, link]),
  )
  t.like(shown.get('flannel.42')?.linkinfo, {
    info_kind: 'vxlan',
    info_data: { id: 42, local: '198.18.0.1', link: 'under0', port: 4789, learning: false, gbp: true },
  })
  t.like(shown.get('vx6')?.linkinfo, { info_data: { id: 43, local6: 'fd00::1', port: 4790, learning: true } })
  t.like(shown.get('mac0')?.linkinfo, { info_kind: 'macvlan', info_data: { mode: 'private' } })
  t.like(shown.get('ifb0'), { linkinfo: { info_kind: 'ifb' }, txqlen: 32 })
  t.like(shown.get('br0')?.linkinfo, { info_data: { vlan_filtering: filtering ? 1 : 0 } })
  t.deepEqual(linkOf(socket, 'flannel.42').vxlan, {
    id: 42,
    link: under.index,
    local: '198.18.0.1',
    group: undefined,
    port: 4789,
    learning: false,
    l2miss: false,
    l3miss: false,
    gbp: true,
  })
  t.is(linkOf(socket, 'br0').bridge?.vlanFiltering, filtering)
  t.deepEqual(new Set(socket.links().map(({ name }) => name)), new Set(shown.keys()))
  socket.deleteLink(linkOf(socket, 'mac0').index)
  t.is(socket.link('mac0'), undefined)
  socket.setLink(linkOf(socket, 'ifb0').index, { group: 5 })
  socket.setLink(linkOf(socket, 'br0').index, { group: 5 })
  socket.deleteLinkGroup(5)
  t.is(socket.link('ifb0') ?? socket.link('br0'), undefined)
})

test('addresses', (t) => {
  const namespace = testNamespace(t, 'addr')
  const socket = open(t, namespace)
  socket.addLink({ name: 'br0', kind: 'bridge', up: true })
  const { index } = linkOf(socket, 'br0')
  socket.replaceAddress({ index, address: '10.1.0.1/24', broadcast: '10.1.0.255' })
  socket.replaceAddress({ index, address: '10.1.0.1/24' })
  socket.replaceAddress({ index, address: '10.2.0.1', scope: 'link' })
  socket.replaceAddress({ index, address: 'fd00:1::1/64', noDad: true, noPrefixRoute: true })
  const [shown] = namespace.json<{ addr_info: Record<string, unknown>[] }[]>(
    'ip',
    '-j',
    'addr',
    'show',
    'br0',
  )
  const find = (local: string) => shown?.addr_info.find((info) => info['local'] === local)
  t.like(find('10.1.0.1'), { prefixlen: 24, scope: 'global' })
  t.like(find('10.2.0.1'), { prefixlen: 32, scope: 'link' })
  t.like(find('fd00:1::1'), { prefixlen: 64, nodad: true, noprefixroute: true })
  const found = socket.addresses({ index, family: 4 })
  t.deepEqual(found.map(({ address, prefixLength, scope }) => [address, prefixLength, scope]).sort(), [
    ['10.1.0.1', 24, 'global'],
    ['10.2.0.1', 32, 'link'],
  ])
  t.true(socket.addresses().some(({ address }) => address === '127.0.0.1'))
  t.like(socket.addresses({ index, family: 6 })[0], {
    address: 'fd00:1::1',
    permanent: true,
    tentative: false,
  })
  socket.deleteAddress({ index, address: '10.1.0.1/24' })
  t.is(socket.addresses({ index, family: 4 }).length, 1)
  t.true(isNotFound(t.throws(() => socket.deleteAddress({ index, address: '10.1.0.1/24' }))))
})

test('routes', (t) => {
  const namespace = testNamespace(t, 'route')
  const socket = open(t, namespace)
  socket.addLink({ name: 'br0', kind: 'bridge', up: true })
  const { index } = linkOf(socket, 'br0')
  socket.replaceAddress({ index, address: '10.1.0.1/24' })
  socket.replaceAddress({ index, address: 'fd00:1::1/64', noDad: true })
  socket.addRoute({ destination: 'default', gateway: '10.1.0.254' })
  socket.addRoute({
    destination: '10.7.0.0/16',
    gateway: '192.0.2.1',
    index,
    onlink: true,
    metric: 50,
    mtu: 1300,
  })
  socket.addRoute({ destination: '10.8.0.5/32', index, source: '10.1.0.1' })
  socket.addRoute({ destination: '10.9.0.0/24', index, table: 1000 })
  socket.addRoute({ destination: '10.10.0.0/16', type: 'blackhole' })
  socket.addRoute({ destination: 'fd00:7::/64', gateway: 'fd00:1::2' })
  socket.addRoute({ destination: 'default', family: 6, gateway: 'fd00:1::3', metric: 7 })
  const show = (...args: string[]) => namespace.json('ip', '-j', ...args)[0]
  t.like(show('route', 'show', 'default'), { gateway: '10.1.0.254', dev: 'br0' })
  t.like(show('route', 'show', '10.7.0.0/16'), { gateway: '192.0.2.1', flags: ['onlink'], metric: 50 })
  t.like(show('route', 'show', '10.8.0.5'), { dev: 'br0', scope: 'link', prefsrc: '10.1.0.1' })
  t.like(show('route', 'show', 'table', '1000'), { dst: '10.9.0.0/24' })
  t.like(show('-6', 'route', 'show', 'default'), { gateway: 'fd00:1::3', metric: 7 })
  const route = (destination: string) =>
    socket.routes().find((r) => r.destination === destination && r.table !== 255)
  t.like(route('0.0.0.0/0'), {
    family: 4,
    gateway: '10.1.0.254',
    index,
    table: 254,
    type: 'unicast',
    onlink: false,
  })
  t.like(route('10.7.0.0/16'), { gateway: '192.0.2.1', onlink: true, metric: 50, mtu: 1300 })
  t.like(route('10.8.0.5/32'), { scope: 'link', source: '10.1.0.1', gateway: undefined })
  t.like(route('10.10.0.0/16'), { type: 'blackhole' })
  t.like(route('::/0'), { family: 6, gateway: 'fd00:1::3', metric: 7 })
  t.deepEqual(
    socket.routes({ family: 4, table: 1000 }).map(({ destination }) => destination),
    ['10.9.0.0/24'],
  )
  t.deepEqual(socket.routes({ family: 4, table: 4711 }), [])
  t.true(isAlreadyExists(t.throws(() => socket.addRoute({ destination: 'default', gateway: '10.1.0.253' }))))
  socket.replaceRoute({ destination: 'default', gateway: '10.1.0.253' })
  t.like(show('route', 'show', 'default'), { gateway: '10.1.0.253' })
  t.like(socket.routeTo('8.8.8.8'), { gateway: '10.1.0.253', index, source: '10.1.0.1' })
  socket.deleteRoute({ destination: 'default' })
  t.is(socket.routeTo('8.8.8.8'), undefined)
  t.true(isNotFound(t.throws(() => socket.deleteRoute({ destination: 'default' }))))
  // An IPv4 route by way of an IPv6 neighbour.
  socket.addRoute({ destination: '10.20.0.0/16', gateway: 'fe80::1', index })
  t.like(show('route', 'show', '10.20.0.0/16'), { via: { family: 'inet6', host: 'fe80::1' } })
  t.like(route('10.20.0.0/16'), { gateway: 'fe80::1' })
  namespace.run(
    'ip',
    'route',
    'add',
    '10.30.0.0/16',
    'nexthop',
    'via',
    '10.1.0.7',
    'nexthop',
    'via',
    '10.1.0.8',
    'weight',
    '3',
  )
  t.deepEqual(route('10.30.0.0/16')?.nextHops, [
    { index, gateway: '10.1.0.7', onlink: false, weight: 1 },
    { index, gateway: '10.1.0.8', onlink: false, weight: 3 },
  ])
})

test('neighbours and forwarding entries', (t) => {
  const namespace = testNamespace(t, 'neigh')
  const socket = open(t, namespace)
  socket.addLink({ name: 'vx', kind: 'vxlan', up: true, vxlan: { id: 1, port: 8472 } })
  const { index } = linkOf(socket, 'vx')
  const mac = '02:00:00:00:00:09'
  socket.replaceNeighbour({ index, address: '10.244.2.0', mac })
  socket.replaceNeighbour({ index, address: 'fd00::2', mac, state: 'reachable' })
  socket.replaceFdb({ index, mac, destination: '198.18.0.2' })
  socket.replaceFdb({ index, mac, destination: '198.18.0.3' })
  const shown = namespace.json('ip', '-j', 'neigh', 'show', 'dev', 'vx', '10.244.2.0')
  t.deepEqual(shown, [{ dst: '10.244.2.0', lladdr: mac, state: ['PERMANENT'] }])
  t.like(namespace.json('ip', '-j', 'neigh', 'show', 'dev', 'vx', 'fd00::2')[0], {
    lladdr: mac,
    state: ['REACHABLE'],
  })
  const fdb = namespace.json('bridge', '-j', 'fdb', 'show', 'dev', 'vx')
  t.is(fdb.length, 1, 'replaced, not added')
  t.like(fdb[0], { mac, dst: '198.18.0.3', flags: ['self'], state: 'permanent' })
  t.deepEqual(socket.neighbours({ index, family: 4 }), [
    { index, family: 4, address: '10.244.2.0', mac, state: 'permanent', proxy: false },
  ])
  t.like(socket.fdb(index)[0], { index, mac, destination: '198.18.0.3', state: 'permanent', self: true })
  socket.deleteNeighbour({ index, address: '10.244.2.0' })
  socket.deleteFdb({ index, mac })
  t.deepEqual([...socket.neighbours({ index, family: 4 }), ...socket.fdb(index)], [])
  t.true(isNotFound(t.throws(() => socket.deleteFdb({ index, mac }))))
})

test("errors carry the kernel's words and the attribute", (t) => {
  const namespace = testNamespace(t, 'errors')
  const socket = open(t, namespace)
  const error = t.throws(() => socket.addLink({ name: 'x', kind: 'vxlan', vxlan: { id: 1 << 25 } }), {
    instanceOf: NetlinkError,
  })
  t.like(error, {
    code: 'ERANGE',
    errno: 34,
    request: 'RTM_NEWLINK x',
    attribute: 'IFLA_LINKINFO.IFLA_INFO_DATA.IFLA_VXLAN_ID',
  })
  t.regex(error.message, /^RTM_NEWLINK x: ERANGE: .+ \(attribute IFLA_LINKINFO/)
  t.is(error.detail === undefined, false)
  t.like(
    t.throws(() => socket.addRoute({ destination: '10.0.0.0/8', gateway: '99.9.9.9' })),
    {
      code: 'ENETUNREACH',
      detail: 'Nexthop has invalid gateway',
    },
  )
  t.is(socket.link('nothing'), undefined)
  t.is(socket.link(4711), undefined)
  t.true(isNotFound(t.throws(() => socket.deleteLink(4711))))
  for (const name of ['', 'a/b', 'a b', '..', 'x'.repeat(16)]) {
    t.throws(() => socket.addLink({ name, kind: 'bridge' }), { instanceOf: NetlinkValueError }, name)
  }
  t.throws(() => socket.addLink({ name: 'v', kind: 'veth' }), { instanceOf: NetlinkValueError })
  t.throws(() => socket.addRoute({ destination: '10.0.0.0/33', index: 1 }), { instanceOf: NetlinkValueError })
  t.notThrows(() => socket.links(), 'the socket still works')
})

test('dumps are whole while links come and go', (t) => {
  const namespace = testNamespace(t, 'churn')
  const socket = open(t, namespace)
  for (let i = 0; i < 40; i += 1) socket.addLink({ name: `stay${i}`, kind: 'bridge' })
  namespace.start(['sh', '-c', 'while :; do ip link add churn0 type bridge; ip link del churn0; done'])
  for (let round = 0; round < 300; round += 1) {
    const names = socket.links().filter(({ name }) => name.startsWith('stay'))
    if (names.length !== 40) t.fail(`a dump of ${names.length} links`)
  }
  t.pass()
})
