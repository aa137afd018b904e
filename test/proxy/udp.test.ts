import test from 'ava'
import { ConntrackSocket } from '#netlink'
import { NODE, NodeFixture } from './support/node-fixture.ts'
import { type EndpointInput, service, slice } from './support/objects.ts'
import { client } from './support/settle.ts'

// UDP clients that keep their port (research/proxy.md §5, 18): conntrack must not hold them to what is gone.

const frontends = {
  clusterIP: { address: '10.96.0.10', port: 80 },
  'node port': { address: '192.0.2.1', port: 30_053 },
  VIP: { address: '203.0.113.5', port: 80 },
  'clusterIP, IPv6': { address: 'fd00:96::a', port: 80 },
  'node port, IPv6': { address: '2001:db8::1', port: 30_053 },
}

/** An endpoint by both of its addresses. */
type Place = Partial<EndpointInput> & { readonly on: readonly string[] }

async function udpPods(t: ConstructorParameters<typeof NodeFixture>[0]) {
  const fixture = new NodeFixture(t)
  const [a, b] = [fixture.pod('a'), fixture.pod('b')]
  for (const [name, { probe, addresses }] of Object.entries({ a, b })) {
    for (const address of addresses) await probe.listen(name, { protocol: 'udp', address, port: 8080 })
  }
  const use = (...places: Place[]): void =>
    fixture.put(
      ...([4, 6] as const).map((family) =>
        slice({
          service: 'web',
          family,
          ports: [{ port: 8080, protocol: 'UDP' }],
          endpoints: places.map(({ on, ...state }) => ({
            address: on[family === 4 ? 0 : 1] ?? '',
            node: NODE,
            ...state,
          })),
        }),
      ),
    )
  fixture.put(
    service({
      name: 'web',
      clusterIPs: ['10.96.0.10', 'fd00:96::a'],
      ports: [{ port: 80, protocol: 'UDP', nodePort: 30_053 }],
      vips: ['203.0.113.5'],
    }),
  )
  const [onA, onB] = [{ on: a.addresses }, { on: b.addresses }]
  return { fixture, a, b, use, onA, onB }
}

for (const [name, frontend] of Object.entries(frontends)) {
  test.serial(`the server of a ${name} cycles, by way of none and of an unready one`, async (t) => {
    const { fixture, use, onA, onB } = await udpPods(t)
    use(onA)
    await fixture.start()
    for (const [index, from] of [fixture.outside, fixture.node].entries()) {
      const ask = async () =>
        client(
          await from.probe.call({ protocol: 'udp', ...frontend, localPort: 41_000 + index, timeoutMs: 1000 }),
        ).server
      use(onA)
      t.is(await ask(), 'a')
      use(onB)
      t.is(await ask(), 'b')
      use()
      t.notRegex(await ask(), /^[ab]$/)
      use({ ...onA, ready: false })
      t.notRegex(await ask(), /^[ab]$/)
      use(onA)
      t.is(await ask(), 'a')
      use({ ...onA, terminating: true, serving: true }, onB)
      t.is(await ask(), 'a', 'a terminating endpoint that serves keeps its clients')
    }
  })
}

test.serial('flows that are not ours stay, though their port is a node port of ours', async (t) => {
  const { fixture, b, use, onA, onB } = await udpPods(t)
  await b.probe.listen('own', { protocol: 'udp', address: b.addresses[0] ?? '', port: 30_053 })
  use(onA)
  await fixture.start()
  const foreign = { protocol: 'udp' as const, address: b.addresses[0] ?? '', port: 30_053, localPort: 42_000 }
  t.is(client(await fixture.outside.probe.call(foreign)).server, 'own')
  const conntrack = new ConntrackSocket({ netns: fixture.node.namespace.path })
  t.teardown(() => conntrack.close())
  const flows = () =>
    conntrack
      .entries({ family: 4, protocol: 17, destinationPort: 30_053 })
      .filter(({ original }) => original.sourcePort === 42_000).length
  const before = flows()
  use(onB)
  use()
  t.is(flows(), before)
  t.is(before, 1)
})
