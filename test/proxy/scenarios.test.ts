import test from 'ava'
import { sleep } from '../support/index.ts'
import { type Member, NODE, NodeFixture } from './support/node-fixture.ts'
import { type EndpointInput, node, service, slice } from './support/objects.ts'
import { ANY, client } from './support/settle.ts'

// Scenarios of Kubernetes' own end-to-end tests (research/proxy.md §5) that other files here do not have.

const dual = ['10.96.0.10', 'fd00:96::a']
const web = (input: Partial<Parameters<typeof service>[0]> = {}) =>
  service({ name: 'web', clusterIPs: dual, ...input })

/** Pods a and b, serving TCP and UDP on 8080 and 9090; answers begin with the pod's name and the port's first digit. */
async function pods(t: ConstructorParameters<typeof NodeFixture>[0], config = {}) {
  const fixture = new NodeFixture(t, config)
  const [a, b] = [fixture.pod('a'), fixture.pod('b')]
  for (const [name, { probe, addresses }] of Object.entries({ a, b })) {
    for (const port of [8080, 9090]) {
      await probe.listen(`${name}${port === 8080 ? '' : '9'}`, { address: ANY, port })
      for (const address of addresses)
        await probe.listen(`${name}${port === 8080 ? '' : '9'}`, { protocol: 'udp', address, port })
    }
  }
  const at = (member: Member, state: Partial<EndpointInput> = {}): EndpointInput => ({
    address: member.addresses[0] ?? '',
    node: NODE,
    ...state,
  })
  return { fixture, a, b, at }
}

const both = { address: '10.96.0.10', port: 80 }

test.serial(
  'named ports do not talk across, and slices may have different port numbers (2, 29)',
  async (t) => {
    const { fixture, a, b, at } = await pods(t)
    fixture.put(
      web({
        ports: [
          { name: 'x', port: 80 },
          { name: 'y', port: 81 },
        ],
      }),
      slice({
        service: 'web',
        suffix: '1',
        ports: [
          { name: 'x', port: 8080 },
          { name: 'y', port: 9090 },
        ],
        endpoints: [at(a)],
      }),
      slice({
        service: 'web',
        suffix: '2',
        ports: [
          { name: 'x', port: 9090 },
          { name: 'y', port: 8080 },
        ],
        endpoints: [at(b)],
      }),
    )
    await fixture.start()
    t.deepEqual(await fixture.outside.probe.servers(both), ['a', 'b9'])
    t.deepEqual(await fixture.outside.probe.servers({ ...both, port: 81 }), ['a9', 'b'])
    // An endpoint that is in two slices, and then in one.
    fixture.put(
      slice({ service: 'web', suffix: '2', ports: [{ name: 'x', port: 8080 }], endpoints: [at(a)] }),
    )
    t.deepEqual(await fixture.outside.probe.servers(both), ['a'])
    fixture.remove('EndpointSlice', 'shop/web-1')
    t.deepEqual(await fixture.outside.probe.servers(both), ['a'])
  },
)

test.serial(
  'a Service changes its type and its node port, and a second one shares its pods (7, 26)',
  async (t) => {
    const { fixture, a, b, at } = await pods(t)
    const nodePort = { address: '192.0.2.1', port: 30_080 }
    const typed = (
      type: 'ClusterIP' | 'NodePort' | 'ExternalName',
      protocol: 'TCP' | 'UDP' = 'TCP',
      port = 30_080,
    ) =>
      web({
        ports: [{ port: 80, protocol, nodePort: type === 'NodePort' ? port : 0 }],
        ...(type === 'ExternalName' ? { clusterIPs: [''] } : {}),
        spec: { type, ...(type === 'ExternalName' ? { clusterIPs: [] } : {}) },
      })
    fixture.put(
      typed('ClusterIP'),
      slice({ service: 'web', endpoints: [at(a)] }),
      slice({ service: 'web', suffix: 'u', ports: [{ port: 8080, protocol: 'UDP' }], endpoints: [at(b)] }),
      service({ name: 'twin', clusterIPs: ['10.96.0.11'] }),
      slice({ service: 'twin', endpoints: [at(a), at(b)] }),
    )
    await fixture.start()
    const { probe } = fixture.outside
    t.is(await probe.call(nodePort), 'ECONNREFUSED')
    fixture.put(typed('NodePort'))
    t.deepEqual(await probe.servers(nodePort, 4), ['a'])
    fixture.put(typed('NodePort', 'UDP'))
    t.is(await probe.call(nodePort), 'ECONNREFUSED')
    t.is(client(await probe.call({ ...nodePort, protocol: 'udp' })).server, 'b')
    fixture.put(typed('NodePort', 'TCP', 30_081))
    t.deepEqual(await probe.servers({ ...nodePort, port: 30_081 }, 4), ['a'])
    fixture.put(typed('ExternalName'))
    t.is(await probe.call({ ...nodePort, port: 30_081 }), 'ECONNREFUSED')
    t.notRegex(fixture.node.namespace.nft('list', 'table', 'ip', 'plexus-proxy'), /10\.96\.0\.10\b/)
    t.deepEqual(await probe.servers({ address: '10.96.0.11', port: 80 }), ['a', 'b'])
    fixture.put(typed('ClusterIP'))
    t.deepEqual(await probe.servers(both, 4), ['a'])
  },
)

test.serial('terminating endpoints serve while no other can, whatever the policy (8, 15)', async (t) => {
  const { fixture, a, b, at } = await pods(t)
  const ending = { terminating: true, serving: true }
  const spec = {
    type: 'NodePort' as const,
    internalTrafficPolicy: 'Local' as const,
    externalTrafficPolicy: 'Local' as const,
  }
  const place = (policy: 'Cluster' | 'Local', ...endpoints: EndpointInput[]) =>
    fixture.put(
      web({
        ports: [{ port: 80, nodePort: 30_080 }],
        spec: policy === 'Local' ? spec : { type: 'NodePort' },
      }),
      slice({ service: 'web', endpoints }),
    )
  place('Cluster', at(a, ending))
  await fixture.start()
  const nodePort = { address: '192.0.2.1', port: 30_080 }
  const seen = async () => [await b.probe.servers(both, 8), await fixture.outside.probe.servers(nodePort, 8)]
  t.deepEqual(await seen(), [['a'], ['a']])
  place('Cluster', at(a, ending), at(b))
  t.deepEqual(await seen(), [['b'], ['b']])
  place('Local', at(a, ending), at(b, { node: 'elsewhere' }))
  t.deepEqual(await seen(), [['a'], ['a']], 'a ready one elsewhere does not count for Local')
  place('Cluster', at(a, { terminating: true, serving: false }))
  t.deepEqual(await seen(), [['ECONNREFUSED'], ['ECONNREFUSED']])
  place('Cluster', at(a, { ready: true, terminating: true }))
  t.deepEqual(await seen(), [['a'], ['a']], 'publishNotReadyAddresses: ready and terminating')
})

test.serial(
  'session affinity: node port, VIP and UDP, switched on and off, ends with its timeout (9, 17)',
  async (t) => {
    const { fixture, a, b, at } = await pods(t)
    const sticky = (sessionAffinity: 'ClientIP' | 'None', seconds = 10_800) =>
      fixture.put(
        web({
          ports: [
            { name: 't', port: 80, nodePort: 30_080 },
            { name: 'u', port: 80, protocol: 'UDP', nodePort: 30_080 },
          ],
          vips: ['203.0.113.5'],
          spec: { sessionAffinity, sessionAffinityTimeout: seconds },
        }),
        slice({
          service: 'web',
          ports: [
            { name: 't', port: 8080 },
            { name: 'u', port: 8080, protocol: 'UDP' },
          ],
          endpoints: [at(a), at(b)],
        }),
      )
    sticky('ClientIP')
    await fixture.start()
    const { probe } = fixture.outside
    for (const target of [
      { address: '192.0.2.1', port: 30_080 },
      { address: '203.0.113.5', port: 80 },
    ]) {
      for (const protocol of ['tcp', 'udp'] as const)
        t.is((await probe.servers({ ...target, protocol })).length, 1)
    }
    sticky('None')
    t.deepEqual(await probe.servers({ address: '203.0.113.5', port: 80 }), ['a', 'b'])
    sticky('ClientIP', 1)
    const seen = new Set<string>()
    for (let round = 0; round < 12 && seen.size < 2; round++) {
      const now = await probe.servers({ address: '203.0.113.5', port: 80 }, 4)
      t.is(now.length, 1)
      seen.add(now[0] ?? '')
      await sleep(1300)
    }
    t.is(seen.size, 2, 'after the timeout the client may go elsewhere')
  },
)

test.serial('more clients than a dynamic set usually holds are remembered (9)', async (t) => {
  const { fixture, a, b, at } = await pods(t)
  fixture.put(
    web({ spec: { sessionAffinity: 'ClientIP' } }),
    slice({ service: 'web', endpoints: [at(a), at(b)] }),
  )
  await fixture.start()
  const { probe, namespace } = fixture.outside
  // Clients of an earlier time, as the kernel would have learned them.
  const clients: string[] = []
  for (let index = 0; index < 70_000; index++)
    clients.push(
      `100.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255} . 10.96.0.10 . tcp . 80 : 0x1`,
    )
  fixture.node.namespace.runWith(
    { input: `add element ip plexus-proxy affinity { ${clients.join(', ')} }` },
    ...['/usr/sbin/nft', '-f', '-'],
  )
  namespace.run('ip', 'addr', 'add', '192.0.2.10/24', 'dev', 'eth0')
  t.is((await probe.servers(both)).length, 1)
  const learned = JSON.parse(
    fixture.node.namespace.nft('-j', 'list', 'map', 'ip', 'plexus-proxy', 'affinity'),
  )
  const elements: unknown[] = learned.nftables.find((entry: object) => 'map' in entry).map.elem
  t.is(elements.length, 70_001)
})

test.serial(
  'topology keeps traffic in the zone or on the node, unless a hint or the label is missing (20)',
  async (t) => {
    const { fixture, a, b, at } = await pods(t)
    const zoned = (zone: string | undefined) =>
      fixture.put(
        node({
          name: NODE,
          addresses: ['192.0.2.1', '2001:db8::1'],
          ...(zone === undefined ? {} : { zone }),
        }),
      )
    const hinted = (...states: [Partial<EndpointInput>, Partial<EndpointInput>]) =>
      fixture.put(slice({ service: 'web', endpoints: [at(a, states[0]), at(b, states[1])] }))
    zoned('z1')
    fixture.put(web())
    hinted({ zones: ['z1'] }, { zones: ['z2'] })
    await fixture.start()
    const seen = () => fixture.outside.probe.servers(both)
    t.deepEqual(await seen(), ['a'])
    zoned('z2')
    t.deepEqual(await seen(), ['b'])
    zoned(undefined)
    t.deepEqual(await seen(), ['a', 'b'])
    zoned('z1')
    hinted({ zones: ['z1'] }, {})
    t.deepEqual(await seen(), ['a', 'b'])
    hinted({ zones: ['z1'], nodes: ['other'] }, { zones: ['z2'], nodes: [NODE] })
    t.deepEqual(await seen(), ['b'])
  },
)

test.serial('a single-stack Service becomes dual-stack, and goes back (21)', async (t) => {
  const { fixture, a, at } = await pods(t)
  const six = { address: 'fd00:96::a', port: 80 }
  fixture.put(web({ clusterIPs: ['10.96.0.10'] }), slice({ service: 'web', endpoints: [at(a)] }))
  await fixture.start()
  fixture.put(
    web(),
    slice({ service: 'web', family: 6, endpoints: [{ address: a.addresses[1] ?? '', node: NODE }] }),
  )
  for (const target of [both, six]) t.deepEqual(await fixture.outside.probe.servers(target, 4), ['a'])
  fixture.put(web({ clusterIPs: ['10.96.0.10'] }))
  t.not(client(await fixture.outside.probe.call({ ...six, timeoutMs: 400 })).server, 'a')
  t.deepEqual(await fixture.outside.probe.servers(both, 4), ['a'])
})

test.serial('ipMode Proxy gets no rules, another VIP takes over (17)', async (t) => {
  const { fixture, a, at } = await pods(t)
  const vip = (ip: string, ipMode: 'VIP' | 'Proxy') => fixture.put(web({ vips: [{ ip, ipMode }] }))
  vip('203.0.113.5', 'Proxy')
  fixture.put(slice({ service: 'web', endpoints: [at(a)] }))
  await fixture.start()
  const dump = () => fixture.node.namespace.nft('list', 'table', 'ip', 'plexus-proxy')
  t.notRegex(dump(), /203\.0\.113\.5/)
  vip('203.0.113.5', 'VIP')
  t.deepEqual(await fixture.outside.probe.servers({ address: '203.0.113.5', port: 80 }, 4), ['a'])
  vip('203.0.113.6', 'VIP')
  t.deepEqual(await fixture.outside.probe.servers({ address: '203.0.113.6', port: 80 }, 4), ['a'])
  t.notRegex(dump(), /203\.0\.113\.5/)
})
