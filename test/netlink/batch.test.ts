import test from 'ava'
import { RouteBatch, type RouteEvent, RouteMonitor, RouteSocket } from '../../netlink/index.ts'
import { testNamespace, waitUntil } from '../support/index.ts'

test('many changes in one go: all are tried, the refused ones come back by position and label', (t) => {
  const namespace = testNamespace(t, 'batch')
  using socket = new RouteSocket({ netns: namespace.path })
  socket.addLink({ name: 'vx0', kind: 'vxlan', up: true, vxlan: { id: 1, port: 8472 } })
  const index = socket.link('vx0')?.index ?? 0
  const batch = new RouteBatch()
  const count = 600
  for (let i = 0; i < count; i += 1) {
    const gateway = `10.${i >> 8}.${i & 255}.0`
    const mac = `02:00:00:00:0${i >> 8}:${(i & 255).toString(16).padStart(2, '0')}`
    batch.replaceNeighbour({ index, address: gateway, mac })
    batch.replaceFdb({ index, mac, destination: '198.18.0.1' })
    batch.replaceRoute({ destination: `${gateway}/24`, gateway, index, onlink: true })
  }
  batch.deleteRoute({ destination: '10.99.0.0/24', index }, 'Node gone')
  batch.replaceRoute({ destination: '10.98.0.0/24', gateway: '10.98.0.1', index: 999 }, 'Node nowhere')
  t.is(batch.size, 3 * count + 2)
  const refused = socket.apply(batch)
  t.deepEqual(
    refused.map(({ index: at, subject, error }) => [at, subject, error.code]),
    [
      [3 * count, 'Node gone', 'ESRCH'],
      [3 * count + 1, 'Node nowhere', 'ENETUNREACH'],
    ],
  )
  t.regex(refused[1]?.error.message ?? '', /RTM_NEWROUTE 10\.98\.0\.0\/24/)
  t.is(namespace.run('ip', 'route', 'show', 'dev', 'vx0').trim().split('\n').length, count)
  t.is(namespace.run('ip', 'neigh', 'show', 'dev', 'vx0').trim().split('\n').length, count)
  t.is(namespace.run('bridge', 'fdb', 'show', 'dev', 'vx0').trim().split('\n').length, count)
  const removal = new RouteBatch()
  for (const { destination } of socket.routes({ family: 4, table: 254 })) removal.deleteRoute({ destination })
  for (const { address } of socket.neighbours({ index })) removal.deleteNeighbour({ index, address })
  for (const { mac } of socket.fdb(index)) removal.deleteFdb({ index, mac })
  t.deepEqual(socket.apply(removal), [])
  t.is(namespace.run('ip', 'route', 'show', 'dev', 'vx0'), '')
  t.is(namespace.run('bridge', 'fdb', 'show', 'dev', 'vx0'), '')
  t.deepEqual(socket.apply(new RouteBatch()), [])
  t.is(socket.link('vx0')?.name, 'vx0', 'the socket is in step afterwards')
})

test('a VXLAN device gets another underlay without losing its entries', (t) => {
  const namespace = testNamespace(t, 'underlay')
  for (const [name, address] of [
    ['under0', '198.18.0.1/24'],
    ['under1', '198.19.0.1/24'],
  ] as const) {
    namespace.run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`)
    namespace.run('ip', 'addr', 'add', address, 'dev', name)
  }
  using socket = new RouteSocket({ netns: namespace.path })
  const first = socket.link('under0')?.index ?? 0
  const second = socket.link('under1')?.index ?? 0
  const vxlan = { id: 1, link: first, local: '198.18.0.1', port: 8472 }
  socket.addLink({ name: 'vx0', kind: 'vxlan', vxlan })
  const index = socket.link('vx0')?.index ?? 0
  socket.replaceFdb({ index, mac: '02:00:00:00:00:01', destination: '198.18.0.2' })
  socket.setLink(index, { vxlan: { link: second, local: '198.19.0.1', learning: true } })
  const [shown] = namespace.json<{ linkinfo: { info_data: object } }[]>(
    'ip',
    '-j',
    '-d',
    'link',
    'show',
    'vx0',
  )
  t.like(shown?.linkinfo.info_data, {
    id: 1,
    local: '198.19.0.1',
    link: 'under1',
    learning: true,
    port: 8472,
  })
  t.is(namespace.json('bridge', '-j', 'fdb', 'show', 'dev', 'vx0').length, 1)
})

test('changes of forwarding entries are reported', async (t) => {
  const namespace = testNamespace(t, 'fdb')
  const events: RouteEvent[] = []
  const monitor = new RouteMonitor({
    netns: namespace.path,
    groups: ['neighbour'],
    onEvent: (event) => events.push(event),
    onLost: () => t.fail('nothing is lost here'),
  })
  t.teardown(() => monitor.close())
  namespace.run('ip', 'link', 'add', 'vx0', 'type', 'vxlan', 'id', '1', 'dstport', '8472')
  namespace.run('bridge', 'fdb', 'add', '02:00:00:00:00:01', 'dev', 'vx0', 'dst', '198.18.0.2')
  namespace.run('bridge', 'fdb', 'del', '02:00:00:00:00:01', 'dev', 'vx0', 'dst', '198.18.0.2')
  for (const deleted of [false, true]) {
    await waitUntil(
      () =>
        events.some(
          (event) =>
            event.kind === 'fdb' && event.deleted === deleted && event.entry.destination === '198.18.0.2',
        ),
      { what: `deleted: ${deleted}` },
    )
  }
  t.true(events.every((event) => event.kind !== 'neighbour'))
})
