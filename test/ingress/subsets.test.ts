import test from 'ava'
import { Registry } from 'prom-client'
import { parseGatewayConfig, startGateway } from '#ingress'
import { cluster } from '../watch/kubernetes/support.ts'
import { httpBackend } from './support/backend.ts'
import { log, testGateway } from './support/gateway.ts'
import { service } from './support/objects.ts'
import { until } from './support/until.ts'

// Subsets of an ApisixUpstream: the endpoints whose Pods have certain labels.

const pod = (name: string, version: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels: { app: 'shop', version } },
  spec: { nodeName: 'n1', containers: [{ name: 'c' }] },
})

/** Endpoints on 127.0.0.<n>, each with its Pod. */
const endpoints = (port: number, pods: readonly string[]) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'shop-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'shop' } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port, protocol: 'TCP' }],
  endpoints: pods.map((name, index) => ({
    addresses: [`127.0.0.${index + 1}`],
    conditions: { ready: true },
    targetRef: { kind: 'Pod', name, namespace: 'default' },
  })),
})

const subsets = (...names: readonly string[]) => ({
  apiVersion: 'apisix.apache.org/v2',
  kind: 'ApisixUpstream',
  metadata: { name: 'shop', namespace: 'default' },
  spec: { subsets: names.map((name) => ({ name, labels: { app: 'shop', version: name } })) },
})

const backend = (subset: string, weight = 100) => ({
  serviceName: 'shop',
  servicePort: 'http',
  weight,
  ...(subset === '' ? {} : { subset }),
})

const routes = {
  apiVersion: 'apisix.apache.org/v2',
  kind: 'ApisixRoute',
  metadata: { name: 'shop', namespace: 'default' },
  spec: {
    http: [
      ...['v1', 'v2', ''].map((subset) => ({
        name: `to-${subset || 'all'}`,
        match: { paths: [`/${subset || 'all'}`] },
        backends: [backend(subset)],
      })),
      { name: 'split', match: { paths: ['/split'] }, backends: [backend('v1', 80), backend('v2', 20)] },
    ],
  },
}

test('a subset has the endpoints whose Pods have its labels, and follows them', async (t) => {
  const { port } = await httpBackend(t)
  const objects = [
    service('shop', 80),
    endpoints(port, ['a', 'b', 'c']),
    pod('a', 'v1'),
    pod('b', 'v2'),
    pod('c', 'v2'),
    subsets('v1', 'v2'),
    routes,
  ]
  const { url, source, admin, gateway } = await testGateway(t, { objects })
  const nodes = async (name: string) => {
    const { list } = (await admin('GET', `/upstreams?name=^${name}$`)).body
    const [found] = list as unknown as { value: { nodes: { host: string }[] } }[]
    return found?.value.nodes.map(({ host }) => host).sort()
  }
  const become = (name: string, wanted: readonly string[]) =>
    until(async () => JSON.stringify(await nodes(name)) === JSON.stringify(wanted))
  t.true(await become('default_shop_v1_80', ['127.0.0.1']))
  t.true(await become('default_shop_v2_80', ['127.0.0.2', '127.0.0.3']))
  t.true(await become('default_shop_80', ['127.0.0.1', '127.0.0.2', '127.0.0.3']))
  // Only the first has a server.
  for (const [path, status] of [
    ['v1', 200],
    ['v2', 502],
    ['all', 200],
  ] as const)
    t.is((await fetch(`${url}/${path}`)).status, status)
  t.deepEqual(gateway.problems(), [])

  // Another label, a Pod that goes, other labels of the subset, a subset that goes.
  source.apply(pod('c', 'v1'))
  t.true(await become('default_shop_v1_80', ['127.0.0.1', '127.0.0.3']))
  t.true(await become('default_shop_v2_80', ['127.0.0.2']))
  source.delete('Pod', 'default/b')
  t.true(await become('default_shop_v2_80', []))
  t.is((await fetch(`${url}/v2`)).status, 503)
  t.is((await fetch(`${url}/split`)).status, 200)
  source.apply(subsets('v1'))
  t.true(await until(() => gateway.problems().some(({ message }) => message.includes('has no subset v2'))))
  t.is((await fetch(`${url}/v2`)).status, 503)
  t.is((await fetch(`${url}/v1`)).status, 200)
})

test('Pods of an API server are read when subsets need them, before the gateway serves', async (t) => {
  const { port } = await httpBackend(t)
  const { server, open } = await cluster(t, {}, { components: ['gateway'], nodeName: 'n1' })
  const plain = { ...routes, spec: { http: routes.spec.http.slice(2, 3) } }
  server.put(
    ...([service('shop', 80), endpoints(port, ['a']), pod('a', 'v1'), subsets('v1'), plain] as never[]),
  )
  const store = await open()
  const start = async () => {
    const config = parseGatewayConfig(
      `apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }], enable_admin: false }
nginx_config: { worker_processes: 1 }`,
      'test',
    )
    const gateway = await startGateway({ store, config, log, metrics: new Registry() })
    const status = async (path: string) =>
      (await fetch(`http://127.0.0.1:${gateway.listen[0]?.port}${path}`)).status
    return { gateway, status }
  }
  const first = await start()
  t.is(await first.status('/all'), 200)
  t.is(store.size('Pod'), 0)
  server.put(routes as never)
  t.true(await until(async () => (await first.status('/v1')) === 200))
  t.is(store.size('Pod'), 1)
  await first.gateway.stop()
  const second = await start()
  t.is(await second.status('/v1'), 200)
  await second.gateway.stop()
})

test('a kind on demand is followed in whole, where a part of it is followed already', async (t) => {
  const { server, open } = await cluster(t, {}, { components: ['gateway', 'cni'], nodeName: 'n1' })
  const far = { ...pod('far', 'v1'), spec: { nodeName: 'n2', containers: [{ name: 'c' }] } }
  server.put(...([pod('near', 'v1'), far] as never[]))
  const store = await open()
  t.is(store.size('Pod'), 1)
  await store.demand('Pod')
  t.is(store.size('Pod'), 2)
  await Promise.all([store.demand('Pod'), store.demand('Node')])
  t.is(store.size('Node'), 0)
  server.delete('Pod', 'default/far')
  t.true(await until(() => store.size('Pod') === 1))
})
