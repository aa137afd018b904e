import test from 'ava'
import fc from 'fast-check'
import { Paths } from '../../../cni/overlay/paths.ts'
import type { Peer } from '../../../cni/overlay/peers.ts'
import { RouteSocket } from '../../../netlink/index.ts'
import { testNamespace } from '../../support/index.ts'

/** A peer set: which of twelve nodes are there, with which address and MAC. */
const peerSets = fc
  .array(fc.record({ there: fc.boolean(), address: fc.nat(3), mac: fc.nat(3) }), {
    minLength: 12,
    maxLength: 12,
  })
  .map((specs) =>
    specs.flatMap(({ there, address, mac }, n): Peer[] =>
      there
        ? [
            {
              node: `node${n}`,
              subnet: `10.244.${n}.0/24`,
              gateway: `10.244.${n}.0`,
              publicIp: address === 0 ? `192.0.2.${n}` : `198.18.${address}.${n}`,
              vtepMac: `02:00:00:00:0${mac}:${n.toString(16).padStart(2, '0')}`,
            },
          ]
        : [],
    ),
  )

for (const [name, direct] of [
  ['all through the tunnel', false],
  ['with direct routing', true],
] as const) {
  test(`touching only what changed leads to what a comparison with the kernel would: ${name}`, (t) => {
    const namespace = testNamespace(t, 'paths')
    namespace.run('ip', 'link', 'add', 'under0', 'type', 'veth', 'peer', 'name', 'under1')
    namespace.run('ip', 'addr', 'add', '198.18.0.1/16', 'dev', 'under0')
    namespace.run('ip', 'link', 'set', 'under1', 'up')
    namespace.run('ip', 'link', 'set', 'under0', 'up')
    namespace.run('ip', 'route', 'add', 'default', 'via', '198.18.0.254')
    using socket = new RouteSocket({ netns: namespace.path })
    const external = socket.link('under0')?.index ?? 0
    const vxlan = { id: 1, link: external, local: '198.18.0.1', port: 8472 }
    socket.addLink({ name: 'flannel.1', kind: 'vxlan', up: true, vxlan })
    const device = socket.link('flannel.1')?.index ?? 0
    const paths = new Paths(socket)
    const spec = (peers: readonly Peer[]) =>
      ({ family: 4, network: '10.244.0.0/16', peers, external, device, direct }) as const
    paths.reconcile(spec([]), { fresh: true })
    const seed = Date.now() & 0x7fffffff
    t.log(`seed ${seed}`)
    fc.assert(
      fc.property(fc.array(peerSets, { minLength: 1, maxLength: 4 }), (sets) => {
        for (const peers of sets) {
          const { problems } = paths.reconcile(spec(peers), { fresh: false })
          t.deepEqual(problems, [])
          const routes = socket.routes({ family: 4, table: 254 })
          const inside = routes.filter(({ destination }) => destination.startsWith('10.244.'))
          t.is(inside.length, peers.length)
          // Whoever asks the kernel anew finds nothing to do.
          t.deepEqual(new Paths(socket).reconcile(spec(peers), { fresh: true }).changes, [])
        }
      }),
      { seed, numRuns: 40 },
    )
  })
}

test('what the kernel refuses is a problem of that peer only, and tried again', (t) => {
  const namespace = testNamespace(t, 'refused')
  namespace.run('ip', 'link', 'add', 'flannel.1', 'type', 'vxlan', 'id', '1', 'dstport', '8472')
  using socket = new RouteSocket({ netns: namespace.path })
  const device = socket.link('flannel.1')?.index ?? 0
  const paths = new Paths(socket)
  const peer = (n: number): Peer => ({
    node: `node${n}`,
    subnet: `10.244.${n}.0/24`,
    gateway: `10.244.${n}.0`,
    publicIp: `198.18.0.${n}`,
    vtepMac: `02:00:00:00:00:0${n}`,
  })
  const spec = { family: 4, network: '10.244.0.0/16', external: 1, device, direct: false } as const
  // Down, the device takes neighbours and forwarding entries, but no routes.
  const refused = paths.reconcile({ ...spec, peers: [peer(1), peer(2)] }, { fresh: true })
  t.deepEqual(
    refused.problems.map(({ node }) => node),
    ['node1', 'node2'],
  )
  t.regex(refused.problems[0]?.problem ?? '', /set route 10\.244\.1\.0\/24 via 10\.244\.1\.0: RTM_NEWROUTE/)
  namespace.run('ip', 'link', 'set', 'flannel.1', 'up')
  const { problems } = paths.reconcile({ ...spec, peers: [peer(1), peer(2)] }, { fresh: false })
  t.deepEqual(problems, [])
  t.is(namespace.run('ip', 'route', 'show', 'dev', 'flannel.1').trim().split('\n').length, 2)
})
