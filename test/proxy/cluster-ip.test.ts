import test from 'ava'
import { NODE, NodeFixture } from './support/node-fixture.ts'
import { service, slice } from './support/objects.ts'
import { ANY, client } from './support/settle.ts'

const dual = ['10.96.0.10', 'fd00:96::a']
const ports = [
  { name: 'http', port: 80 },
  { name: 'dns', port: 53, protocol: 'UDP' as const },
]
const targets = [
  { name: 'http', port: 8080 },
  { name: 'dns', port: 5353, protocol: 'UDP' as const },
]

/** Two pods behind the dual-stack Service shop/web, serving TCP and UDP. */
async function shop(t: ConstructorParameters<typeof NodeFixture>[0]) {
  const fixture = new NodeFixture(t)
  const [a, b] = [fixture.pod('a'), fixture.pod('b')]
  for (const [name, { probe, addresses }] of Object.entries({ a, b })) {
    await probe.listen(name, { address: ANY, port: 8080 })
    for (const address of addresses) await probe.listen(name, { protocol: 'udp', address, port: 5353 })
  }
  const slices = (members: (typeof a)[]) =>
    ([4, 6] as const).map((family) =>
      slice({
        service: 'web',
        family,
        ports: targets,
        endpoints: members.map(({ addresses }) => ({
          address: addresses[family === 4 ? 0 : 1] ?? '',
          node: NODE,
        })),
      }),
    )
  fixture.put(service({ name: 'web', clusterIPs: dual, ports }), ...slices([a, b]))
  await fixture.start()
  return { fixture, a, b, slices }
}

test.serial('TCP and UDP spread over the endpoints, both families, from pod, node and outside', async (t) => {
  const { fixture, a } = await shop(t)
  for (const from of [a, fixture.node, fixture.outside]) {
    for (const address of dual) {
      t.deepEqual(await from.probe.servers({ address, port: 80 }), ['a', 'b'], address)
      t.deepEqual(await from.probe.servers({ protocol: 'udp', address, port: 53 }), ['a', 'b'], address)
    }
  }
})

test.serial('pods are seen with their address, others are masqueraded, hairpin too', async (t) => {
  const { fixture, a, b, slices } = await shop(t)
  fixture.put(...slices([b]))
  for (const [index, address] of dual.entries()) {
    const target = { address, port: 80 }
    t.is(client(await a.probe.call(target)).address, a.addresses[index] ?? '')
    t.not(client(await fixture.outside.probe.call(target)).address, fixture.outside.addresses[index] ?? '')
    const hairpin = client(await b.probe.call(target))
    t.is(hairpin.server, 'b')
    t.not(hairpin.address, b.addresses[index] ?? '')
  }
})

test.serial(
  'endpoints come and go; without one, and on ports nobody has, connections are refused at once',
  async (t) => {
    const { fixture, a, b, slices } = await shop(t)
    const everywhere = async (port: number) => {
      const answers: string[][] = []
      for (const from of [a, fixture.node, fixture.outside]) {
        for (const address of dual) answers.push(await from.probe.servers({ address, port }))
      }
      return new Set(answers.map(String))
    }
    t.deepEqual(await everywhere(81), new Set(['ECONNREFUSED']))
    fixture.put(...slices([b]))
    t.deepEqual(await everywhere(80), new Set(['b']))
    fixture.put(...slices([]))
    t.deepEqual(await everywhere(80), new Set(['ECONNREFUSED']))
    t.deepEqual(await a.probe.servers({ protocol: 'udp', address: '10.96.0.10', port: 53 }, 3), [
      'ECONNREFUSED',
    ])
    fixture.put(...slices([a]))
    t.deepEqual(await everywhere(80), new Set(['a']))
  },
)

test.serial('a deleted Service is gone, its neighbour stays, and it can come back elsewhere', async (t) => {
  const { fixture, a } = await shop(t)
  const other = service({ name: 'other', clusterIPs: ['10.96.0.11'] })
  fixture.put(other, slice({ service: 'other', endpoints: [{ address: a.addresses[0] ?? '', node: NODE }] }))
  fixture.remove('Service', 'shop/web')
  t.deepEqual(await a.probe.servers({ address: '10.96.0.11', port: 80 }, 4), ['a'])
  const quick = { port: 80, timeoutMs: 400 }
  t.not(client(await fixture.node.probe.call({ address: '10.96.0.10', ...quick })).server, 'a')
  const dump = fixture.node.namespace.nft('list', 'table', 'ip', 'plexus-proxy')
  t.notRegex(dump, /10\.96\.0\.10\b/)
  fixture.put(service({ name: 'web', clusterIPs: ['10.96.0.12'], ports }))
  t.deepEqual(await a.probe.servers({ address: '10.96.0.12', port: 80 }), ['a', 'b'])
})

test.serial('the label service-proxy-name takes rules away and gives them back', async (t) => {
  const { fixture, a } = await shop(t)
  fixture.put(service({ name: 'web', ports, labels: { 'service.kubernetes.io/service-proxy-name': 'x' } }))
  t.notRegex(fixture.node.namespace.nft('list', 'table', 'ip', 'plexus-proxy'), /10\.96\.0\.10\b/)
  fixture.put(service({ name: 'web', ports }))
  t.deepEqual(await a.probe.servers({ address: '10.96.0.10', port: 80 }), ['a', 'b'])
})

test.serial('endpoints in the host network: this node, from its pods, itself and outside', async (t) => {
  const fixture = new NodeFixture(t)
  const pod = fixture.pod('p')
  const [v4 = '', v6 = ''] = fixture.node.addresses
  for (const address of [v4, v6]) {
    await fixture.node.probe.listen('host', { protocol: 'udp', address, port: 53 })
    await fixture.node.probe.listen('host', { address, port: 53 })
  }
  const both = [
    { name: 'dns', port: 53, protocol: 'UDP' as const },
    { name: 'dns-tcp', port: 53 },
  ]
  fixture.put(
    service({ name: 'dns', clusterIPs: dual, ports: both }),
    slice({ service: 'dns', ports: both, endpoints: [{ address: v4, node: NODE }] }),
    slice({ service: 'dns', family: 6, ports: both, endpoints: [{ address: v6, node: NODE }] }),
  )
  await fixture.start()
  for (const from of [pod, fixture.node, fixture.outside]) {
    for (const address of dual) {
      t.deepEqual(await from.probe.servers({ protocol: 'udp', address, port: 53 }, 3), ['host'], address)
      t.deepEqual(await from.probe.servers({ address, port: 53 }, 3), ['host'], address)
    }
  }
})

test.serial(
  'a UDP client that keeps its port follows when its endpoint goes, even by way of none at all',
  async (t) => {
    const { fixture, a, b, slices } = await shop(t)
    const target = { protocol: 'udp' as const, address: '10.96.0.10', port: 53, localPort: 40_000 }
    fixture.put(...slices([b]))
    t.is(client(await a.probe.call(target)).server, 'b')
    fixture.put(...slices([a]))
    t.is(client(await a.probe.call(target)).server, 'a')
    fixture.put(...slices([]))
    t.is(await a.probe.call(target), 'ECONNREFUSED')
    fixture.put(...slices([b]))
    t.is(client(await a.probe.call(target)).server, 'b')
  },
)

test.serial(
  'internalTrafficPolicy Local stays on the node, and drops without an endpoint there',
  async (t) => {
    const { fixture, a, b } = await shop(t)
    const on = (nodeOfB: string) =>
      slice({
        service: 'web',
        ports: targets,
        endpoints: [
          { address: a.addresses[0] ?? '', node: 'elsewhere' },
          { address: b.addresses[0] ?? '', node: nodeOfB },
        ],
      })
    fixture.put(service({ name: 'web', ports, spec: { internalTrafficPolicy: 'Local' } }), on(NODE))
    t.deepEqual(await a.probe.servers({ address: '10.96.0.10', port: 80 }), ['b'])
    fixture.put(on('elsewhere'))
    t.is(await a.probe.call({ address: '10.96.0.10', port: 80, timeoutMs: 400 }), 'TIMEOUT')
  },
)

test.serial('session affinity keeps a client where it is until its endpoint goes', async (t) => {
  const { fixture, a, b, slices } = await shop(t)
  const c = fixture.pod('c')
  await c.probe.listen('c', { address: ANY, port: 8080 })
  fixture.put(service({ name: 'web', clusterIPs: dual, ports, spec: { sessionAffinity: 'ClientIP' } }))
  for (const address of dual) {
    fixture.put(...slices([a, b]))
    const target = { address, port: 80 }
    const [chosen = ''] = await a.probe.servers(target)
    t.deepEqual(await a.probe.servers(target), [chosen])
    fixture.put(...slices([a, b, c]))
    t.deepEqual(await a.probe.servers(target), [chosen])
    const rest = slices(chosen === 'a' ? [b, c] : [a, c])
    fixture.put(...rest)
    const [next = ''] = await a.probe.servers(target)
    t.not(next, chosen)
    t.deepEqual(await a.probe.servers(target), [next])
  }
})
