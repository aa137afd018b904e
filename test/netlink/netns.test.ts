import { existsSync, statSync } from 'node:fs'
import test from 'ava'
import {
  createNetns,
  deleteNetns,
  getSysctl,
  netnsInode,
  RouteSocket,
  runInNetns,
  setSysctl,
} from '../../netlink/index.ts'
import { command, testNamespace } from '../support/index.ts'

test('a namespace made here is one for ip(8), and is removed without trace', (t) => {
  const name = `plxt-${process.pid}-made`
  const path = `/run/netns/${name}`
  t.teardown(() => deleteNetns(path))
  createNetns(path)
  t.true(command(['ip', 'netns', 'list']).includes(name))
  t.is(
    command(['ip', 'netns', 'exec', name, 'readlink', '/proc/self/ns/net']).trim(),
    `net:[${netnsInode(path)}]`,
  )
  t.not(netnsInode(path), netnsInode('/proc/self/ns/net'))
  t.throws(() => createNetns(path), { code: 'EEXIST' })
  deleteNetns(path)
  t.false(existsSync(path))
  t.notThrows(() => deleteNetns(path), 'gone already')
})

test('the body runs inside, the thread comes back, also after errors and when nested', (t) => {
  const outer = testNamespace(t, 'outer')
  const inner = testNamespace(t, 'inner')
  const here = (): bigint => netnsInode('/proc/thread-self/ns/net')
  const home = here()
  const seen = runInNetns(outer.path, () => {
    const within = runInNetns(inner.path, here)
    return [here(), within]
  })
  t.deepEqual(seen, [netnsInode(outer.path), netnsInode(inner.path)])
  t.is(here(), home)
  const boom = new Error('boom')
  t.is(
    t.throws(() =>
      runInNetns(outer.path, () => {
        throw boom
      }),
    ),
    boom,
  )
  t.is(here(), home)
  t.throws(() => runInNetns(outer.path, async () => {}), { message: /must be synchronous/ })
  t.is(here(), home)
  t.throws(() => runInNetns('/run/netns/plxt-none', () => {}), { code: 'ENOENT' })
  t.throws(() => runInNetns('/etc/hostname', () => {}), { code: 'EINVAL' })
  t.is(here(), home)
})

test('sockets stay in the namespace they were opened in, settings belong to it', (t) => {
  const namespace = testNamespace(t, 'sysctl')
  using socket = new RouteSocket({ netns: namespace.path })
  namespace.run('ip', 'link', 'add', 'probe0', 'type', 'bridge')
  t.truthy(socket.link('probe0'))
  setSysctl('net/ipv4/ip_forward', '1', namespace.path)
  t.is(namespace.run('cat', '/proc/sys/net/ipv4/ip_forward'), '1\n')
  setSysctl('/proc/sys/net/ipv4/ip_forward', '0', namespace.path)
  t.is(getSysctl('net/ipv4/ip_forward', namespace.path), '0')
  t.throws(() => setSysctl('net/ipv4/no_such_thing', '1', namespace.path), { code: 'ENOENT' })
  t.true(statSync(namespace.path).isFile())
})
