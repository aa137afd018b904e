import test from 'ava'
import { type Endpoint, endpointsOfPort, memorySource, openStore, type Store } from '#watch'
import { log, node, opened, pod, service, slice } from './objects.ts'

const http = { name: 'http', protocol: 'TCP' } as const

/** 'address:port' of a Service port, with r, s, t for ready, serving, terminating. */
function endpointsOf(store: Store, port: { name: string; protocol: 'TCP' | 'UDP' } = http): string[] {
  return endpointsOfPort(store.endpoints.of('shop/a'), port).map(describe)
}

function describe({ address, port, ready, serving, terminating }: Endpoint): string {
  return `${address}:${port} ${ready ? 'r' : '-'}${serving ? 's' : '-'}${terminating ? 't' : '-'}`
}

const web = { selector: { app: 'a' } }

test('slices of one Service merge; an endpoint in two slices is one', async (t) => {
  const { store } = await opened(
    slice('a-1', 'a', [{ addresses: ['10.1.0.2'] }, { addresses: ['10.1.0.1'] }]),
    slice('a-2', 'a', [{ addresses: ['10.1.0.1'] }]),
    slice('b-1', 'b', [{ addresses: ['10.1.0.3'] }]),
  )
  t.deepEqual(endpointsOf(store), ['10.1.0.1:8080 rs-', '10.1.0.2:8080 rs-'])
  t.is(store.endpoints.of('shop/a'), store.endpoints.of('shop/a'))
  await store.close()
})

test('of disagreeing duplicates the one on this node wins, else the ready one, in whatever order they come', async (t) => {
  const ready = slice('a-2', 'a', [{ addresses: ['10.1.0.1'], nodeName: 'node2' }])
  const local = slice('a-1', 'a', [
    { addresses: ['10.1.0.1'], nodeName: 'node1', conditions: { ready: false } },
  ])
  for (const order of [
    [ready, local],
    [local, ready],
  ]) {
    const source = memorySource()
    source.apply(...order)
    const anywhere = await openStore({ source, log })
    t.deepEqual(endpointsOf(anywhere), ['10.1.0.1:8080 rs-'])
    await anywhere.close()
    const again = memorySource()
    again.apply(...order)
    const here = await openStore({ source: again, log, nodeName: 'node1' })
    t.is(endpointsOfPort(here.endpoints.of('shop/a'), http)[0]?.nodeName, 'node1')
    await here.close()
  }
})

test('ports join by name, not number; ports without number are skipped; addresses count without any port', async (t) => {
  const { store } = await opened(
    slice('a-1', 'a', [{ addresses: ['10.1.0.1'] }], {
      ports: [{ name: 'http', port: 8080 }, { name: 'none' }],
    }),
    slice('a-2', 'a', [{ addresses: ['10.1.0.2'] }], { ports: [{ name: 'http', port: 9090 }] }),
    slice('a-3', 'a', [{ addresses: ['10.1.0.3'] }], { ports: [] }),
  )
  t.deepEqual(endpointsOf(store), ['10.1.0.1:8080 rs-', '10.1.0.2:9090 rs-'])
  t.deepEqual(endpointsOf(store, { name: 'none', protocol: 'TCP' }), [])
  t.deepEqual(
    store.endpoints.of('shop/a').addresses.map(({ address }) => address),
    ['10.1.0.1', '10.1.0.2', '10.1.0.3'],
  )
  await store.close()
})

test('both families stand in one view, FQDN slices are left out, hints are carried', async (t) => {
  const { store } = await opened(
    slice('a-1', 'a', [
      { addresses: ['10.1.0.1'], hints: { forZones: [{ name: 'z1' }], forNodes: [{ name: 'n1' }] } },
    ]),
    slice('a-2', 'a', [{ addresses: ['fd00::1'] }], { addressType: 'IPv6' }),
    slice('a-3', 'a', [{ addresses: ['a.example'] }], { addressType: 'FQDN' }),
  )
  const found = endpointsOfPort(store.endpoints.of('shop/a'), http)
  t.deepEqual(
    found.map(({ family }) => family),
    [4, 6],
  )
  t.deepEqual(found[0]?.zoneHints, ['z1'])
  t.deepEqual(found[0]?.nodeHints, ['n1'])
  await store.close()
})

test('servicesOf names the Services behind an address and follows changes', async (t) => {
  const { source, store } = await opened(
    slice('a-1', 'a', [{ addresses: ['10.1.0.1'] }]),
    slice('b-1', 'b', [{ addresses: ['10.1.0.1'] }]),
  )
  t.deepEqual([...store.endpoints.servicesOf('10.1.0.1')].sort(), ['shop/a', 'shop/b'])
  source.delete('EndpointSlice', 'shop/a-1')
  t.deepEqual([...store.endpoints.servicesOf('10.1.0.1')], ['shop/b'])
  await store.close()
})

test('a slice that moves to another Service leaves the first', async (t) => {
  const { source, store } = await opened(slice('x', 'a', [{ addresses: ['10.1.0.1'] }]))
  t.is(endpointsOf(store).length, 1)
  source.apply(slice('x', 'b', [{ addresses: ['10.1.0.1'] }]))
  t.is(endpointsOf(store).length, 0)
  t.is(store.endpoints.of('shop/b').addresses.length, 1)
  await store.close()
})

test('from Pods: the Ready condition decides, done Pods and Pods without address are left out', async (t) => {
  const { store } = await opened(
    service('a', web),
    pod('ready', { ip: '10.1.0.1' }),
    pod('unready', { ip: '10.1.0.2', ready: false }),
    pod('done', { ip: '10.1.0.3', status: { phase: 'Succeeded' } }),
    pod('failed', { ip: '10.1.0.4', status: { phase: 'Failed' } }),
    pod('starting', { status: { phase: 'Pending', podIP: undefined } }),
    pod('other', { ip: '10.1.0.6', labels: { app: 'b' } }),
    pod('elsewhere', { ip: '10.1.0.7', metadata: { namespace: 'other' } }),
  )
  t.deepEqual(endpointsOf(store), ['10.1.0.1:80 rs-', '10.1.0.2:80 ---'])
  await store.close()
})

test('from Pods: a Pod being deleted is terminating, and serving as long as it is Ready', async (t) => {
  const metadata = { deletionTimestamp: '2026-01-01T00:00:00Z' }
  const { source, store } = await opened(
    service('a', web),
    pod('p', { ip: '10.1.0.1', metadata }),
    pod('q', { ip: '10.1.0.2', metadata, ready: false }),
  )
  t.deepEqual(endpointsOf(store), ['10.1.0.1:80 -st', '10.1.0.2:80 --t'])
  source.apply(service('a', { ...web, publishNotReadyAddresses: true }))
  t.deepEqual(endpointsOf(store), ['10.1.0.1:80 rst', '10.1.0.2:80 r-t'])
  await store.close()
})

test('from Pods: a named target port is looked up in each Pod, sidecars included, protocol must agree', async (t) => {
  const containers = (containerPort: number, protocol = 'TCP') => [
    { name: 'main', ports: [{ name: 'web', containerPort, protocol }] },
  ]
  const sidecar = [{ name: 'side', restartPolicy: 'Always', ports: [{ name: 'web', containerPort: 8082 }] }]
  const { store } = await opened(
    service('a', { ...web, ports: [{ port: 80, name: 'http', targetPort: 'web' }] }),
    pod('p', { ip: '10.1.0.1', spec: { containers: containers(8080) } }),
    pod('q', { ip: '10.1.0.2', spec: { containers: containers(8081) } }),
    pod('udp', { ip: '10.1.0.3', spec: { containers: containers(8080, 'UDP') } }),
    pod('side', { ip: '10.1.0.4', spec: { initContainers: sidecar } }),
  )
  t.deepEqual(endpointsOf(store), ['10.1.0.1:8080 rs-', '10.1.0.2:8081 rs-', '10.1.0.4:8082 rs-'])
  await store.close()
})

test('from Pods: hostname only with the matching subdomain; node, zone and Pod name are there', async (t) => {
  const { source, store } = await opened(
    service('a', { ...web, clusterIP: 'None', ports: [] }),
    pod('p', { ip: '10.1.0.1', spec: { hostname: 'first', subdomain: 'a' } }),
    pod('q', { ip: '10.1.0.2', spec: { hostname: 'second', subdomain: 'b' } }),
    node('node1', 'z1'),
  )
  const [first, second] = store.endpoints.of('shop/a').addresses
  t.like(first, { hostname: 'first', nodeName: 'node1', zone: 'z1', podName: 'p', port: 0 })
  t.is(second?.hostname, undefined)
  t.deepEqual(store.endpoints.of('shop/a').ports, [])
  source.apply(node('node1', 'z2'))
  t.is(store.endpoints.of('shop/a').addresses[0]?.zone, 'z2')
  await store.close()
})

test('from Pods: the families of the Service, out of podIPs', async (t) => {
  const status = { podIP: '10.1.0.1', podIPs: [{ ip: '10.1.0.1' }, { ip: 'fd00::1' }] }
  const addresses = async (spec: object): Promise<string[]> => {
    const { store } = await opened(service('a', { ...web, ...spec }), pod('p', { status }))
    await store.close()
    return store.endpoints.of('shop/a').addresses.map(({ address }) => address)
  }
  t.deepEqual(await addresses({}), ['10.1.0.1'])
  t.deepEqual(await addresses({ clusterIP: undefined, clusterIPs: ['10.96.0.1', 'fd01::1'] }), [
    '10.1.0.1',
    'fd00::1',
  ])
  t.deepEqual(await addresses({ clusterIP: 'fd01::1' }), ['fd00::1'])
  t.deepEqual(await addresses({ clusterIP: 'None' }), ['10.1.0.1'])
  t.deepEqual(await addresses({ clusterIP: 'None', ipFamilyPolicy: 'PreferDualStack' }), [
    '10.1.0.1',
    'fd00::1',
  ])
})

test('own EndpointSlices, then Endpoints, then Pods', async (t) => {
  const { source, store } = await opened(service('a', web), pod('p', { ip: '10.1.0.1' }))
  t.deepEqual(endpointsOf(store), ['10.1.0.1:80 rs-'])
  source.apply({
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'a', namespace: 'shop' },
    subsets: [
      {
        addresses: [{ ip: '10.9.0.1' }],
        notReadyAddresses: [{ ip: '10.9.0.2' }],
        ports: [{ name: 'http', port: 81 }],
      },
    ],
  })
  t.deepEqual(endpointsOf(store), ['10.9.0.1:81 rs-', '10.9.0.2:81 ---'])
  source.apply(slice('own', 'a', [{ addresses: ['10.8.0.1'] }]))
  t.deepEqual(endpointsOf(store), ['10.8.0.1:8080 rs-'])
  source.delete('EndpointSlice', 'shop/own')
  source.delete('Endpoints', 'shop/a')
  t.deepEqual(endpointsOf(store), ['10.1.0.1:80 rs-'])
  await store.close()
})

test('no slices are made where a control plane stands behind the source, nor for ExternalName', async (t) => {
  const source = memorySource({ standalone: false })
  source.apply(service('a', web), pod('p'))
  const store = await openStore({ source, log })
  t.is(store.size('EndpointSlice'), 0)
  t.is(store.size('Namespace'), 0)
  await store.close()
  const { store: other } = await opened(
    service('a', { ...web, type: 'ExternalName', externalName: 'x.example' }),
    pod('p'),
  )
  t.is(other.size('EndpointSlice'), 0)
  await other.close()
})
