import test from 'ava'
import fc from 'fast-check'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { DEFAULT_CONFIGURATION, startProxy } from '#proxy'
import { type AnyObject, memorySource, Store } from '#watch'
import { testNamespace } from '../support/index.ts'
import { kernelElements } from './support/kernel-elements.ts'
import { node, service, slice } from './support/objects.ts'
import { recompute } from './support/recompute.ts'
import { render } from './support/render.ts'

type Step =
  | { readonly put: AnyObject }
  | { readonly deleted: string; readonly kind: 'Service' | 'EndpointSlice' }

const names = ['s0', 's1', 's2', 's3']
const name = fc.constantFrom(...names)
const policy = fc.constantFrom('Cluster' as const, 'Local' as const)

const anyService: fc.Arbitrary<Step> = fc
  .record({
    name,
    created: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
    // So few addresses and ports that Services collide.
    ip: fc.integer({ min: 1, max: 4 }),
    dual: fc.boolean(),
    nodePort: fc.constantFrom(0, 30_001, 30_002),
    externalIPs: fc.subarray(['198.51.100.1', '10.96.0.1', '2001:db8:e::1']),
    vips: fc.subarray(['203.0.113.1', '203.0.113.2']),
    ranges: fc.subarray(['10.0.0.0/8', '10.1.0.0/16', '192.0.2.0/24']),
    two: fc.boolean(),
    external: policy,
    internal: policy,
    sticky: fc.boolean(),
    otherProxy: fc.boolean(),
    kind: fc.oneof(
      { weight: 6, arbitrary: fc.constant('usual' as const) },
      { weight: 1, arbitrary: fc.constant('ExternalName' as const) },
      { weight: 1, arbitrary: fc.constant('headless' as const) },
      { weight: 1, arbitrary: fc.constant('no ports' as const) },
    ),
    // Endpoints have ports a and b: a port that is renamed has none.
    portName: fc.constantFrom('a', 'a', 'renamed'),
    protocol: fc.constantFrom('TCP' as const, 'TCP' as const, 'SCTP' as const),
  })
  .map((v) => ({
    put: service({
      name: v.name,
      created: v.created,
      clusterIPs: clusterIPsOf(v),
      labels: v.otherProxy && v.two ? { 'service.kubernetes.io/service-proxy-name': 'x' } : {},
      ports:
        v.kind === 'no ports'
          ? []
          : [
              { name: v.portName, port: 80, protocol: v.protocol, nodePort: v.nodePort },
              ...(v.two ? [{ name: 'b', port: 80, protocol: 'UDP' as const, nodePort: v.nodePort }] : []),
            ],
      vips: v.vips,
      spec: {
        type: typeOf(v),
        externalIPs: v.externalIPs,
        loadBalancerSourceRanges: v.ranges,
        externalTrafficPolicy: v.external,
        internalTrafficPolicy: v.internal,
        sessionAffinity: v.sticky ? 'ClientIP' : 'None',
      },
    }),
  }))

function clusterIPsOf({ kind, ip, dual }: { kind: string; ip: number; dual: boolean }): string[] {
  if (kind === 'ExternalName') return []
  if (kind === 'headless') return ['None']
  return dual ? [`10.96.0.${ip}`, `fd00:96::${ip}`] : [`10.96.0.${ip}`]
}

function typeOf({ kind, vips, nodePort }: { kind: string; vips: readonly string[]; nodePort: number }) {
  if (kind === 'ExternalName') return 'ExternalName'
  return vips.length > 0 ? 'LoadBalancer' : nodePort > 0 ? 'NodePort' : 'ClusterIP'
}

const anySlice: fc.Arbitrary<Step> = fc
  .record({
    name,
    suffix: fc.constantFrom('a', 'b'),
    family: fc.constantFrom(4 as const, 6 as const),
    port: fc.constantFrom(8080, 9090),
    protocol: fc.constantFrom('TCP' as const, 'TCP' as const, 'SCTP' as const),
    members: fc.uniqueArray(
      fc.record({
        host: fc.integer({ min: 1, max: 6 }),
        node: fc.constantFrom('n1', 'n2'),
        ready: fc.boolean(),
        terminating: fc.boolean(),
        zones: fc.constantFrom([], ['z1'], ['z2']),
      }),
      { selector: ({ host }) => host, maxLength: 5 },
    ),
  })
  .map((v) => ({
    put: slice({
      service: v.name,
      suffix: `${v.suffix}${v.family}`,
      family: v.family,
      ports: [
        { name: 'a', port: v.port, protocol: v.protocol },
        { name: 'b', port: 53, protocol: 'UDP' },
      ],
      endpoints: v.members.map(({ host, ...rest }) => ({
        ...rest,
        serving: true,
        address: v.family === 4 ? `10.244.1.${host}` : `fd00:244::${host}`,
      })),
    }),
  }))

const anyDeletion: fc.Arbitrary<Step> = fc.oneof(
  name.map((value) => ({ kind: 'Service' as const, deleted: `shop/${value}` })),
  fc.tuple(name, fc.constantFrom('a4', 'b4', 'a6')).map(([value, suffix]) => ({
    kind: 'EndpointSlice' as const,
    deleted: `shop/${value}-${suffix}`,
  })),
)

const anyNode: fc.Arbitrary<Step> = fc
  .record({
    addresses: fc.subarray(['192.0.2.1', '192.0.2.2', '2001:db8::1']),
    zone: fc.constantFrom('z1', 'z2'),
  })
  .map(({ addresses, zone }) => ({ put: node({ name: 'n1', addresses, zone }) }))

const anyStep = fc.oneof(
  { weight: 5, arbitrary: anyService },
  { weight: 6, arbitrary: anySlice },
  { weight: 3, arbitrary: anyDeletion },
  { weight: 1, arbitrary: anyNode },
)

async function follow(store: Store, netns: string) {
  return startProxy({
    store,
    nodeName: 'n1',
    config: DEFAULT_CONFIGURATION,
    log: pino({ level: 'silent' }),
    metrics: new Registry(),
    netns,
  })
}

async function newStore(objects: AnyObject[]): Promise<Store> {
  const store = new Store({ log: pino({ level: 'silent' }), nodeName: 'n1' })
  store.apply(objects.map((object) => ({ object })))
  await store.run(memorySource({ standalone: false }))
  return store
}

const everything = (netns: string) =>
  [4, 6].flatMap((family) => render(kernelElements(netns, family as 4 | 6), family as 4 | 6))

test('any history of changes leaves the elements a fresh start makes, and a plain recomputation', async (t) => {
  const live = testNamespace(t, 'live')
  const fresh = testNamespace(t, 'fresh')
  const seed = Number(process.env['PLEXUS_SEED'] ?? Date.now() % 2 ** 31)
  t.log(`seed ${seed}`)
  const history = fc.array(fc.array(anyStep, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 25 })
  await fc.assert(
    fc.asyncProperty(history, async (batches) => {
      const start = node({ name: 'n1', addresses: ['192.0.2.1'], zone: 'z1' })
      const store = await newStore([start])
      const proxy = await follow(store, live.path)
      for (const batch of batches) {
        store.apply(batch.map((step) => ('put' in step ? { object: step.put } : step)))
        store.flush()
      }
      const objects = (['Node', 'Service', 'EndpointSlice'] as const).flatMap((kind) => [...store.list(kind)])
      fresh.nft('flush', 'ruleset')
      const again = await follow(await newStore(objects), fresh.path)
      const [actual, expected] = [everything(live.path), everything(fresh.path)]
      await Promise.all([proxy.stop(), again.stop()])
      t.deepEqual(actual, expected)
      const own = store.get('Node', 'n1')
      if (own === undefined) throw new Error('the node is gone')
      t.deepEqual(actual, [...recompute(store, own, 4), ...recompute(store, own, 6)])
      t.deepEqual(proxy.health(), { ok: true })
    }),
    { seed, numRuns: 60, endOnFailure: true },
  )
})
