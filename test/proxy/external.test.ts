import test from 'ava'
import { NODE, NodeFixture } from './support/node-fixture.ts'
import { type EndpointInput, service, slice } from './support/objects.ts'
import { ANY, client } from './support/settle.ts'

const VIP = '203.0.113.5'

/** Pods a and b; `place` puts a Service with a node port, an external IP and a VIP in front of them. */
async function exposed(
  t: ConstructorParameters<typeof NodeFixture>[0],
  config: ConstructorParameters<typeof NodeFixture>[1] = {},
) {
  const fixture = new NodeFixture(t, config)
  const [a, b] = [fixture.pod('a'), fixture.pod('b')]
  for (const [name, { probe, addresses }] of Object.entries({ a, b })) {
    await probe.listen(name, { address: ANY, port: 8080 })
    await probe.listen(name, { protocol: 'udp', address: addresses[0] ?? '', port: 8080 })
  }
  const place = (
    spec: NonNullable<Parameters<typeof service>[0]['spec']>,
    nodes: { a?: string; b?: string } = { a: NODE, b: NODE },
  ): void => {
    const endpoints = (family: 0 | 1): EndpointInput[] => [
      ...(nodes.a === undefined ? [] : [{ address: a.addresses[family] ?? '', node: nodes.a }]),
      ...(nodes.b === undefined ? [] : [{ address: b.addresses[family] ?? '', node: nodes.b }]),
    ]
    const ports = [
      { name: 't', port: 8080 },
      { name: 'u', port: 8080, protocol: 'UDP' as const },
    ]
    fixture.put(
      service({
        name: 'web',
        clusterIPs: ['10.96.0.10', 'fd00:96::a'],
        ports: [
          { name: 't', port: 80, nodePort: 30_080 },
          { name: 'u', port: 80, nodePort: 30_080, protocol: 'UDP' },
        ],
        vips: [VIP],
        spec: { externalIPs: ['198.51.100.7'], ...spec },
      }),
      slice({ service: 'web', ports, endpoints: endpoints(0) }),
      slice({ service: 'web', ports, family: 6, endpoints: endpoints(1) }),
    )
  }
  return { fixture, a, b, place }
}

const nodePort = { address: '192.0.2.1', port: 30_080 }
const nodePort6 = { address: '2001:db8::1', port: 30_080 }
const vip = { address: VIP, port: 80 }
const externalIP = { address: '198.51.100.7', port: 80 }

test.serial(
  'policy Cluster: node port, external IP and VIP reach all endpoints from everywhere, masqueraded',
  async (t) => {
    const { fixture, a, place } = await exposed(t)
    place({})
    await fixture.start()
    for (const from of [fixture.outside, fixture.node, a]) {
      for (const target of [
        nodePort,
        nodePort6,
        vip,
        externalIP,
        { ...nodePort, protocol: 'udp' as const },
      ]) {
        t.deepEqual(await from.probe.servers(target), ['a', 'b'], JSON.stringify(target))
      }
    }
    t.is(client(await fixture.outside.probe.call(nodePort)).address, '10.244.1.1')
    t.is(client(await fixture.outside.probe.call(vip)).address, '10.244.1.1')
  },
)

test.serial(
  'node ports are on the primary addresses only, never on loopback, and refused without endpoints',
  async (t) => {
    const { fixture, place } = await exposed(t)
    place({})
    await fixture.start()
    fixture.node.namespace.run('ip', 'addr', 'add', '192.0.2.77/24', 'dev', 'under0')
    for (const address of ['127.0.0.1', '::1', '10.244.1.1', '192.0.2.77']) {
      t.is(await fixture.node.probe.call({ address, port: 30_080 }), 'ECONNREFUSED', address)
    }
    place({}, {})
    for (const target of [nodePort, nodePort6, vip, externalIP]) {
      t.deepEqual(await fixture.outside.probe.servers(target, 2), ['ECONNREFUSED'])
      t.deepEqual(await fixture.node.probe.servers(target, 2), ['ECONNREFUSED'])
    }
  },
)

test.serial('nodePortAddresses as CIDRs: any local address in them, also one that comes later', async (t) => {
  const { fixture, place } = await exposed(t, { nodePortAddresses: ['192.0.2.64/26', '127.0.0.0/8'] })
  place({})
  await fixture.start()
  t.is(await fixture.outside.probe.call(nodePort), 'ECONNREFUSED')
  fixture.node.namespace.run('ip', 'addr', 'add', '192.0.2.77/24', 'dev', 'under0')
  t.deepEqual(await fixture.outside.probe.servers({ address: '192.0.2.77', port: 30_080 }), ['a', 'b'])
  t.is(await fixture.node.probe.call({ address: '127.0.0.1', port: 30_080 }), 'ECONNREFUSED')
})

test.serial(
  'policy Local: the client keeps its address and stays on this node; pods and node go anywhere',
  async (t) => {
    const { fixture, place } = await exposed(t)
    const pod = fixture.pod('c')
    place({ externalTrafficPolicy: 'Local' }, { a: NODE, b: 'elsewhere' })
    await fixture.start()
    for (const target of [nodePort, vip, externalIP]) {
      t.deepEqual(await fixture.outside.probe.servers(target), ['a'])
      t.is(client(await fixture.outside.probe.call(target)).address, '192.0.2.9')
      t.deepEqual(await pod.probe.servers(target), ['a', 'b'])
      t.deepEqual(await fixture.node.probe.servers(target), ['a', 'b'])
    }
    place({ externalTrafficPolicy: 'Local' }, { a: 'elsewhere', b: 'elsewhere' })
    for (const target of [nodePort, nodePort6, vip, externalIP]) {
      t.is(await fixture.outside.probe.call({ ...target, timeoutMs: 300 }), 'TIMEOUT')
      t.deepEqual(await fixture.node.probe.servers(target), ['a', 'b'])
    }
    t.deepEqual(await pod.probe.servers(vip), ['a', 'b'])
  },
)

test.serial(
  'loadBalancerSourceRanges let their clients reach the VIP and nobody else, also after a change',
  async (t) => {
    const { fixture, place } = await exposed(t)
    place({ loadBalancerSourceRanges: ['192.0.2.0/28', '192.0.2.9/32'] })
    await fixture.start()
    t.deepEqual(await fixture.outside.probe.servers(vip), ['a', 'b'])
    t.deepEqual(await fixture.node.probe.servers(vip), ['a', 'b'])
    place({ loadBalancerSourceRanges: ['192.0.2.16/28'] })
    t.is(await fixture.outside.probe.call({ ...vip, timeoutMs: 300 }), 'TIMEOUT')
    t.deepEqual(await fixture.outside.probe.servers(nodePort), ['a', 'b'])
    place({})
    t.deepEqual(await fixture.outside.probe.servers(vip), ['a', 'b'])
  },
)

test.serial(
  'masqueradeAll and BridgeInterface decide who is masqueraded on the way to a clusterIP',
  async (t) => {
    const target = { address: '10.96.0.10', port: 80 }
    const seen = async (config: ConstructorParameters<typeof NodeFixture>[1]) => {
      const { fixture, a, place } = await exposed(t, config)
      place({}, { b: NODE })
      await fixture.start()
      const [fromPod, fromOutside] = [await a.probe.call(target), await fixture.outside.probe.call(target)]
      return {
        pod: client(fromPod).address === a.addresses[0],
        outside: client(fromOutside).address === '192.0.2.9',
      }
    }
    const masqueradeAll = { masqueradeBit: 14, masqueradeAll: true, syncPeriod: 30_000, minSyncPeriod: 0 }
    t.deepEqual(await seen({ nftables: masqueradeAll }), { pod: false, outside: false })
    const detectLocal = { bridgeInterface: 'cni0', interfaceNamePrefix: 'cni' }
    t.deepEqual(await seen({ detectLocalMode: 'BridgeInterface', detectLocal }), {
      pod: true,
      outside: false,
    })
    t.deepEqual(await seen({ detectLocalMode: 'InterfaceNamePrefix', detectLocal }), {
      pod: true,
      outside: false,
    })
    t.deepEqual(await seen({ detectLocalMode: 'NodeCIDR' }), { pod: true, outside: false })
    t.deepEqual(await seen({ clusterCIDR: [] }), { pod: true, outside: true })
  },
)
