import test from 'ava'
import { type RouteEvent, RouteMonitor, RouteSocket } from '../../netlink/index.ts'
import { testNamespace, waitUntil } from '../support/index.ts'

test('links, addresses, routes and neighbours are reported as they change', async (t) => {
  const namespace = testNamespace(t, 'monitor')
  const events: RouteEvent[] = []
  const monitor = new RouteMonitor({
    netns: namespace.path,
    groups: ['link', 'ipv4-address', 'ipv4-route', 'ipv6-route', 'neighbour'],
    onEvent: (event) => events.push(event),
    onLost: () => t.fail('nothing is lost here'),
  })
  t.teardown(() => monitor.close())
  namespace.run('ip', 'link', 'add', 'br0', 'type', 'bridge')
  namespace.run('ip', 'link', 'set', 'br0', 'up')
  namespace.run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'br0')
  namespace.run('ip', 'route', 'add', '10.9.0.0/16', 'via', '10.1.0.2')
  namespace.run('ip', 'neigh', 'add', '10.1.0.2', 'lladdr', '02:00:00:00:00:01', 'dev', 'br0')
  namespace.run('ip', 'link', 'del', 'br0')
  const seen = (match: (event: RouteEvent) => boolean, what: string) =>
    waitUntil(() => events.some(match), { what })
  await seen((e) => e.kind === 'link' && !e.deleted && e.link.name === 'br0' && e.link.up, 'link up')
  await seen((e) => e.kind === 'address' && !e.deleted && e.address.address === '10.1.0.1', 'address')
  await seen((e) => e.kind === 'route' && !e.deleted && e.route.destination === '10.9.0.0/16', 'route')
  await seen((e) => e.kind === 'neighbour' && e.neighbour.address === '10.1.0.2', 'neighbour')
  await seen((e) => e.kind === 'link' && e.deleted && e.link.name === 'br0', 'link gone')
  monitor.close()
  const count = events.length
  namespace.run('ip', 'link', 'add', 'br1', 'type', 'bridge')
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.is(events.length, count, 'silent after close')
})

test('lost events are said to be lost, and later ones still come', async (t) => {
  const namespace = testNamespace(t, 'lost')
  let lost = 0
  const names = new Set<string>()
  const monitor = new RouteMonitor({
    netns: namespace.path,
    groups: ['link', 'ipv4-route'],
    onEvent: (event) => {
      if (event.kind === 'link') names.add(event.link.name)
    },
    onLost: () => {
      lost += 1
    },
  })
  t.teardown(() => monitor.close())
  // All of it in one go: the event loop cannot read meanwhile, and the buffer of 8 MiB overflows.
  using socket = new RouteSocket({ netns: namespace.path })
  socket.addLink({ name: 'br0', kind: 'bridge', up: true })
  const index = socket.link('br0')?.index ?? 0
  for (let i = 0; i < 30_000; i += 1) {
    socket.replaceRoute({ destination: `10.${i >> 8}.${i & 255}.0/24`, index })
  }
  await waitUntil(() => lost > 0, { what: 'onLost' })
  // What is sent before the buffer is drained is lost, too.
  let tries = 0
  await waitUntil(
    () => {
      tries += 1
      socket.addLink({ name: `late${tries}`, kind: 'bridge' })
      return [...names].some((name) => name.startsWith('late'))
    },
    { what: 'an event after the loss', intervalMs: 50 },
  )
  t.pass()
})
