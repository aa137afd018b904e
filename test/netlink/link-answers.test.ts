import test from 'ava'
import { RouteSocket } from '../../netlink/index.ts'
import { testNamespace } from '../support/index.ts'

test('port attributes and the rest of a change go in one message; counters come only if asked for', (t) => {
  const host = testNamespace(t, 'link')
  const socket = new RouteSocket({ netns: host.path })
  t.teardown(() => socket.close())
  socket.addLink({ name: 'br0', kind: 'bridge', up: true })
  const bridge = socket.link('br0')?.index ?? 0
  socket.addLink({ name: 'v0', kind: 'veth', master: bridge, group: 7, veth: { peerName: 'v1' } })
  const { index } = socket.link('v0') ?? { index: 0 }
  socket.setLink(index, { up: true, alias: 'pod', hairpin: true, isolated: true })
  t.like(host.json('ip', '-j', '-d', 'link', 'show', 'v0')[0], { ifalias: 'pod', group: '7' })
  t.like(host.json('bridge', '-j', '-d', 'link', 'show', 'dev', 'v0')[0], { hairpin: true, isolated: true })
  socket.setLink(index, { hairpin: false, alias: 'p'.repeat(255) })
  t.is(socket.link(index)?.alias?.length, 255)
  t.like(host.json('bridge', '-j', '-d', 'link', 'show', 'dev', 'v0')[0], { hairpin: false, isolated: true })
  t.is(socket.link('v0')?.stats64, undefined)
  t.is(socket.link('v0', { stats: true })?.stats64?.rxPackets, 0)
  t.is(socket.linkGroup(index), 7)
  socket.deleteLink(index)
  t.is(socket.linkGroup(index), undefined)
})
