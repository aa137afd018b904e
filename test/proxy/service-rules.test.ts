import test from 'ava'
import { pino } from 'pino'
import { type EndpointSlice, type Service, Store } from '#watch'
import { serviceRules } from '../../proxy/model/service-rules.ts'
import { SETS } from '../../proxy/model/sets.ts'
import { service, slice } from './support/objects.ts'
import { merged, render } from './support/render.ts'

const view = (family: 4 | 6) => ({
  family,
  nodeName: 'n1',
  serviceProxyName: '',
  zone: undefined,
  addresses: ['192.0.2.1', '2001:db8::1'],
})

/** The elements of a Service with these slices, as text. */
function rows(object: Service, slices: EndpointSlice[], family: 4 | 6 = 4): string[] {
  const store = new Store({ log: pino({ level: 'silent' }) })
  store.apply([{ object }, ...slices.map((entry) => ({ object: entry }))])
  return render(merged(serviceRules(object, store.endpoints.of('shop/web'), view(family))), family)
}

const web = (input: Partial<Parameters<typeof service>[0]> = {}) => service({ name: 'web', ...input })
const two = slice({
  service: 'web',
  endpoints: [
    { address: '10.244.1.5', node: 'n1' },
    { address: '10.244.2.5', node: 'n2' },
  ],
})

test('a ClusterIP has an entry, a slot for each endpoint, and hairpin for those here', (t) => {
  t.deepEqual(rows(web(), [two]), [
    'cluster-ips 10.96.0.10',
    'endpoints 10.96.0.10 TCP 80 0 = 10.244.1.5 8080',
    'endpoints 10.96.0.10 TCP 80 1 = 10.244.2.5 8080',
    'hairpin 10.244.1.5 10.244.1.5',
    'service-ips 10.96.0.10 TCP 80 = goto cluster-2 # shop/web',
  ])
})

test('without endpoints a frontend refuses', (t) => {
  const none = ['cluster-ips 10.96.0.10', 'no-endpoint-services 10.96.0.10 TCP 80 # shop/web']
  t.deepEqual(rows(web(), []), none)
  t.deepEqual(
    rows(web(), [slice({ service: 'web', endpoints: [{ address: '10.244.1.5', ready: false }] })]),
    none,
  )
})

test('target ports join by name and protocol, whatever their number in each slice', (t) => {
  const ports = [
    { name: 'http', port: 80 },
    { name: 'dns', port: 53, protocol: 'UDP' as const },
  ]
  const slices = [
    slice({ service: 'web', suffix: 'a', ports: [{ name: 'http', port: 8080 }], endpoints: ['10.244.1.5'] }),
    slice({
      service: 'web',
      suffix: 'b',
      ports: [
        { name: 'http', port: 9090 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
      endpoints: ['10.244.1.6'],
    }),
  ]
  t.deepEqual(
    rows(web({ ports }), slices).filter((row) => row.startsWith('endpoints')),
    [
      'endpoints 10.96.0.10 TCP 80 0 = 10.244.1.5 8080',
      'endpoints 10.96.0.10 TCP 80 1 = 10.244.1.6 9090',
      'endpoints 10.96.0.10 UDP 53 0 = 10.244.1.6 53',
    ],
  )
})

test('NodePort, external IPs and VIPs are frontends of their own; ipMode Proxy is none', (t) => {
  const object = web({
    ports: [{ port: 80, nodePort: 30_080 }],
    vips: ['203.0.113.1', { ip: '203.0.113.2', ipMode: 'Proxy' }],
    spec: { externalIPs: ['198.51.100.1'] },
  })
  t.deepEqual(
    rows(object, [two]).filter((row) => row.includes('goto')),
    [
      'service-ips 10.96.0.10 TCP 80 = goto cluster-2 # shop/web',
      'service-ips 198.51.100.1 TCP 80 = goto external-2 # shop/web',
      'service-ips 203.0.113.1 TCP 80 = goto external-2 # shop/web',
      'service-nodeports TCP 30080 = goto nodeport-2 # shop/web',
    ],
  )
})

test('policy Local: endpoints of this node in their own slots, the cluster for short circuits', (t) => {
  const object = web({
    ports: [{ port: 80, nodePort: 30_080 }],
    spec: { type: 'NodePort', externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' },
  })
  t.deepEqual(rows(object, [two]), [
    'cluster-ips 10.96.0.10',
    'endpoints 10.96.0.10 TCP 80 L0 = 10.244.1.5 8080',
    'hairpin 10.244.1.5 10.244.1.5',
    'nodeport-endpoints TCP 30080 0 = 10.244.1.5 8080',
    'nodeport-endpoints TCP 30080 1 = 10.244.2.5 8080',
    'nodeport-endpoints TCP 30080 L0 = 10.244.1.5 8080',
    'service-ips 10.96.0.10 TCP 80 = goto cluster-local-1 # shop/web',
    'service-nodeports TCP 30080 = goto nodeport-local-2-1 # shop/web',
  ])
})

test('policy Local without endpoints here drops, but still short-circuits from outside frontends', (t) => {
  const object = web({
    ports: [{ port: 80, nodePort: 30_080 }],
    spec: { type: 'NodePort', externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' },
  })
  const elsewhere = slice({ service: 'web', endpoints: [{ address: '10.244.2.5', node: 'n2' }] })
  t.deepEqual(rows(object, [elsewhere]), [
    'cluster-ips 10.96.0.10',
    'no-local-endpoint-nodeports TCP 30080 # shop/web',
    'no-local-endpoint-services 10.96.0.10 TCP 80 # shop/web',
    'nodeport-endpoints TCP 30080 0 = 10.244.2.5 8080',
    'service-nodeports TCP 30080 = goto nodeport-local-1-0 # shop/web',
  ])
})

test('source ranges become disjoint ranges; one with the node in it lets the VIP in', (t) => {
  const ranged = (ranges: string[]) =>
    rows(web({ vips: ['203.0.113.1'], spec: { loadBalancerSourceRanges: ranges } }), [two])
      .filter((row) => row.startsWith('firewall'))
      .map((row) => row.replaceAll('203.0.113.1 TCP 80', 'VIP'))
  t.deepEqual(ranged([' 10.0.0.0/8 ', '10.1.0.0/16', '2001:db8::/32']), [
    'firewall-allowed VIP 10.0.0.0 .. VIP 10.255.255.255',
    'firewall-ips VIP',
  ])
  t.deepEqual(ranged(['192.0.2.0/24']), [
    'firewall-allowed VIP 192.0.2.0 .. VIP 192.0.2.255',
    'firewall-allowed VIP 203.0.113.1 .. VIP 203.0.113.1',
    'firewall-ips VIP',
  ])
  t.deepEqual(ranged(['2001:db8::/32']), [])
})

test('affinity names endpoints by themselves, so that slots may move', (t) => {
  const affine = web({ spec: { sessionAffinity: 'ClientIP', sessionAffinityTimeout: 60 } })
  const stickyOf = (endpoints: string[]) => {
    const object = slice({ service: 'web', endpoints })
    const store = new Store({ log: pino({ level: 'silent' }) })
    store.apply([{ object }])
    const elements = merged(serviceRules(affine, store.endpoints.of('shop/web'), view(4)))
    return new Map(elements.filter(([, data]) => data.length === 4).map(([key, data]) => [key, data]))
  }
  const before = [...stickyOf(['10.244.1.5', '10.244.1.7']).values()]
  const after = [...stickyOf(['10.244.1.5', '10.244.1.6', '10.244.1.7']).values()]
  t.deepEqual([after[0], after[2]], before)
  t.is(new Set(after).size, 3)
  t.true(rows(affine, [two]).includes('service-ips 10.96.0.10 TCP 80 = goto cluster-2-sticky-60 # shop/web'))
})

test('both families of a dual-stack Service, each with its own endpoints', (t) => {
  const object = web({ clusterIPs: ['10.96.0.10', 'fd00:96::a'] })
  const six = slice({ service: 'web', family: 6, endpoints: ['fd00:244:1::5'] })
  t.true(rows(object, [two, six]).includes('service-ips 10.96.0.10 TCP 80 = goto cluster-2 # shop/web'))
  t.deepEqual(rows(object, [two, six], 6), [
    'cluster-ips fd00:0096:0000:0000:0000:0000:0000:000a',
    'endpoints fd00:0096:0000:0000:0000:0000:0000:000a TCP 80 0 = fd00:0244:0001:0000:0000:0000:0000:0005 8080',
    'service-ips fd00:0096:0000:0000:0000:0000:0000:000a TCP 80 = goto cluster-1 # shop/web',
  ])
})

const ignored: [string, Service][] = [
  ['headless', web({ clusterIPs: ['None'] })],
  ['without a clusterIP', web({ clusterIPs: [] })],
  ['ExternalName', web({ clusterIPs: [], spec: { type: 'ExternalName', externalName: 'example.org' } })],
  ['of another proxy', web({ labels: { 'service.kubernetes.io/service-proxy-name': 'other' } })],
  ['labelled headless', web({ labels: { 'service.kubernetes.io/headless': '' } })],
]

for (const [title, object] of ignored) {
  test(`a Service ${title} is left alone`, (t) => {
    t.deepEqual(rows(object, [two]), [])
  })
}

test('a proxy with a name of its own has the Services that ask for it, and no others', (t) => {
  const named = { ...view(4), serviceProxyName: 'plexus' }
  const label = (value: string) => web({ labels: { 'service.kubernetes.io/service-proxy-name': value } })
  const none = new Store({ log: pino({ level: 'silent' }) }).endpoints.of('shop/web')
  const has = (object: Service) => serviceRules(object, none, named).frontends.size > 0
  t.true(has(label('plexus')))
  t.false(has(label('other')))
  t.false(has(web()))
})

test('an unusable address is left out and reported, the rest stays', (t) => {
  const object = web({ spec: { externalIPs: ['198.51.100.300', '198.51.100.1'] } })
  const rules = serviceRules(
    object,
    new Store({ log: pino({ level: 'silent' }) }).endpoints.of('shop/web'),
    view(4),
  )
  t.deepEqual(rules.problems, [
    { field: 'spec.externalIPs[0]', message: '"198.51.100.300" is not an IP address' },
  ])
  t.is(rules.frontends.size, 2)
})

test('leading zeros in an address are decimal, as kube-apiserver reads them', (t) => {
  t.true(rows(web({ clusterIPs: ['010.096.000.010'] }), [two])[0] === 'cluster-ips 10.96.0.10')
})

test('names as long as Kubernetes allows fit into the comment nft can read back', (t) => {
  const object = service({
    namespace: 'n'.repeat(63),
    name: 's'.repeat(63),
    ports: [{ name: 'p'.repeat(15), port: 80 }],
  })
  const rules = serviceRules(
    object,
    new Store({ log: pino({ level: 'silent' }) }).endpoints.of('x/y'),
    view(4),
  )
  const [entry] = merged(rules).filter(([key]) => key.startsWith(SETS.noEndpointServices.code))
  t.is(entry?.[1].length, 127)
})
