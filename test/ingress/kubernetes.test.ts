import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { httpBackend } from './support/backend.ts'
import { type TestGateway, testGateway } from './support/gateway.ts'
import { apisixRoute, ingress, service, slice } from './support/objects.ts'
import { exchange, statusOf } from './support/raw-client.ts'

const HOST = 'local.httpbin.org'

async function get(gateway: TestGateway, path: string, headers: Record<string, string> = {}) {
  const lines = Object.entries({ Host: HOST, Connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  const text = await exchange(gateway.port, `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
  return { status: statusOf(text), text, name: /"name":"(\w+)"/.exec(text)?.[1] }
}

async function eventually(t: ExecutionContext, check: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await check()) return
    await sleep(20)
  }
  t.fail('did not come true within four seconds')
}

test("the seed's Ingress and ApisixRoute become the objects the seed shows", async (t) => {
  const objects = [service('httpbin', 80), slice('httpbin', 80, [{ address: '10.244.3.167' }])]
  const { admin } = await testGateway(t, {
    objects: [...objects, ingress, apisixRoute('httpserver-route', {})],
  })
  const byIngress = await admin('GET', '/routes/148730bb')
  t.like(byIngress.body.value, {
    host: HOST,
    name: 'ing_default_httpserver-ingress_37a4f3ae',
    status: 1,
    uris: ['/', '/*'],
    upstream_id: '5ce57b8e',
    labels: { 'managed-by': 'apisix-ingress-controller' },
    priority: 0,
    desc: 'Created by apisix-ingress-controller, DO NOT modify it manually',
    id: '148730bb',
  })
  const byRoute = await admin('GET', '/routes/add8e28c')
  t.like(byRoute.body.value, {
    name: 'default_httpserver-route_rule1',
    uris: ['/*'],
    upstream_id: '5ce57b8e',
    hosts: [HOST],
    id: 'add8e28c',
  })
  const upstream = await admin('GET', '/upstreams/5ce57b8e')
  const { create_time, update_time, ...rest } = upstream.body.value as unknown as Record<string, unknown>
  t.is(typeof create_time, 'number')
  t.is(typeof update_time, 'number')
  t.deepEqual(rest, {
    scheme: 'http',
    pass_host: 'pass',
    name: 'default_httpbin_80',
    nodes: [{ host: '10.244.3.167', priority: 0, port: 80, weight: 100 }],
    type: 'roundrobin',
    labels: { 'managed-by': 'apisix-ingress-controller' },
    hash_on: 'vars',
    id: '5ce57b8e',
    desc: 'Created by apisix-ingress-controller, DO NOT modify it manually',
  })
  t.is((await admin('GET', '/routes')).body.total as unknown, 2)
  t.is((await admin('DELETE', '/routes/add8e28c')).status, 400)
})

test('traffic follows endpoints: not ready and terminating ones get none', async (t) => {
  const a = await httpBackend(t, { name: 'a', host: '127.0.0.1' })
  const gateway = await testGateway(t, {
    objects: [
      service('httpbin', 80),
      slice('httpbin', a.port, [
        { address: '127.0.0.1' },
        { address: '127.0.0.2', ready: false },
        { address: '127.0.0.3', terminating: true },
      ]),
      ingress,
    ],
  })
  for (let n = 0; n < 6; n++) t.is((await get(gateway, '/')).name, 'a')
  gateway.source.apply(slice('httpbin', a.port, []))
  await eventually(t, async () => (await get(gateway, '/')).status === 503)
  gateway.source.apply(slice('httpbin', a.port, [{ address: '127.0.0.1' }]))
  await eventually(t, async () => (await get(gateway, '/')).status === 200)
  gateway.source.delete('Ingress', 'default/httpserver-ingress')
  await eventually(t, async () => (await get(gateway, '/')).status === 404)
})

test('Prefix matches by element, Exact exactly, the longest wins; a foreign class is left alone', async (t) => {
  const [a, b] = [await httpBackend(t, { name: 'a' }), await httpBackend(t, { name: 'b' })]
  const path = (name: string, value: string, pathType: string) => ({
    path: value,
    pathType,
    backend: { service: { name, port: { name: 'http' } } },
  })
  const rules = [
    {
      host: HOST,
      http: {
        paths: [
          path('a', '/foo', 'Prefix'),
          path('b', '/foo/exact', 'Exact'),
          path('b', '/foo/bar/', 'Prefix'),
        ],
      },
    },
    { host: '*.wild.org', http: { paths: [path('b', '/', 'Prefix')] } },
  ]
  const named = (name: string, spec: Record<string, unknown>) => ({
    ...ingress,
    metadata: { ...ingress.metadata, name },
    spec,
  })
  const gateway = await testGateway(t, {
    objects: [
      service('a', 80),
      service('b', 80),
      slice('a', a.port, [{ address: '127.0.0.1' }]),
      slice('b', b.port, [{ address: '127.0.0.1' }]),
      named('ours', {
        ingressClassName: 'apisix',
        rules,
        defaultBackend: { service: { name: 'a', port: { number: 80 } } },
      }),
      named('theirs', {
        ingressClassName: 'nginx',
        rules: [{ host: 'nginx.org', http: { paths: [path('b', '/', 'Prefix')] } }],
      }),
    ],
  })
  t.is((await get(gateway, '/foo')).name, 'a')
  t.is((await get(gateway, '/foo/x')).name, 'a')
  t.is((await get(gateway, '/foo/exact')).name, 'b')
  t.is((await get(gateway, '/foo/exact/x')).name, 'a')
  t.is((await get(gateway, '/foo/bar')).name, 'b')
  t.is((await get(gateway, '/foo/bar/x')).name, 'b')
  t.is((await get(gateway, '/x', { Host: 'a.b.wild.org' })).name, 'b')
  const named404 = gateway.gateway.describeRoutes().map((one) => one.host)
  t.false(named404.includes('nginx.org'))
  // Everything else goes to the default backend.
  t.is((await get(gateway, '/foobar')).name, 'a')
  t.is((await get(gateway, '/', { Host: 'nginx.org' })).name, 'a')
})

test('one bad rule affects only itself and keeps what was good', async (t) => {
  const a = await httpBackend(t, { name: 'a' })
  const good = apisixRoute('good', { match: { hosts: ['good.org'], paths: ['/*'] } })
  const edited = (plugins: unknown[]) =>
    apisixRoute('edited', { match: { hosts: ['edited.org'], paths: ['/*'] }, plugins })
  const gateway = await testGateway(t, {
    objects: [
      service('httpbin', 80),
      slice('httpbin', a.port, [{ address: '127.0.0.1' }]),
      good,
      edited([]),
      apisixRoute('bad', {
        match: { hosts: ['bad.org'], paths: ['/*'] },
        plugins: [{ name: 'limit-count', config: { count: 0, time_window: 1 } }],
      }),
      apisixRoute('locked', {
        match: { hosts: ['locked.org'], paths: ['/*'] },
        authentication: { enable: true, type: 'ldapAuth' },
      }),
    ],
  })
  t.is((await get(gateway, '/', { Host: 'good.org' })).status, 200)
  t.is((await get(gateway, '/', { Host: 'bad.org' })).status, 404)
  t.is(
    (await get(gateway, '/', { Host: 'locked.org' })).status,
    404,
    'no route without the authentication asked for',
  )
  t.is((await get(gateway, '/', { Host: 'edited.org' })).status, 200)
  gateway.source.apply(edited([{ name: 'no-such-plugin', config: {} }]))
  await eventually(t, async () =>
    gateway.gateway.problems().some(({ object }) => object === 'ApisixRoute default/edited'),
  )
  t.is((await get(gateway, '/', { Host: 'edited.org' })).status, 200, 'the last good rule stays')
  const problems = gateway.gateway.problems()
  t.deepEqual(
    problems.find(({ object }) => object === 'ApisixRoute default/edited'),
    {
      object: 'ApisixRoute default/edited',
      field: 'spec.http[0].plugins[0]',
      message: 'unknown plugin [no-such-plugin]',
    },
  )
  t.regex(
    problems.find(({ object }) => object.endsWith('/bad'))?.message ?? '',
    /limit-count.*"count".*matches none/,
  )
})

test('ApisixRoute: weights over Services, an empty one gives its share away; exprs; keyAuth with an ApisixConsumer', async (t) => {
  const [a, b] = [await httpBackend(t, { name: 'a' }), await httpBackend(t, { name: 'b' })]
  const gateway = await testGateway(t, {
    objects: [
      service('a', 80),
      service('b', 80),
      slice('a', a.port, [{ address: '127.0.0.1' }]),
      slice('b', b.port, [{ address: '127.0.0.1' }]),
      apisixRoute('split', {
        match: { hosts: [HOST], paths: ['/split'] },
        backends: [
          { serviceName: 'a', servicePort: 80, weight: 3 },
          { serviceName: 'b', servicePort: 80, weight: 1 },
        ],
      }),
      apisixRoute('exprs', {
        match: {
          hosts: [HOST],
          paths: ['/exprs'],
          exprs: [{ subject: { scope: 'Header', name: 'X-Canary' }, op: 'In', set: ['yes', 'always'] }],
        },
        backends: [{ serviceName: 'b', servicePort: 80 }],
      }),
      apisixRoute('auth', {
        match: { hosts: [HOST], paths: ['/auth'] },
        backends: [{ serviceName: 'a', servicePort: 80 }],
        authentication: { enable: true, type: 'keyAuth' },
      }),
      {
        apiVersion: 'apisix.apache.org/v2',
        kind: 'ApisixConsumer',
        metadata: { name: 'jack-b', namespace: 'default' },
        spec: { authParameter: { keyAuth: { secretRef: { name: 'jack' } } } },
      },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'jack', namespace: 'default' },
        stringData: { key: 'sesame' },
      },
    ],
  })
  const names: (string | undefined)[] = []
  for (let n = 0; n < 8; n++) names.push((await get(gateway, '/split')).name)
  t.is(names.filter((name) => name === 'a').length, 6)
  gateway.source.apply(slice('b', b.port, []))
  await eventually(t, async () => (await get(gateway, '/exprs', { 'X-Canary': 'yes' })).status === 503)
  for (let n = 0; n < 8; n++) t.is((await get(gateway, '/split')).name, 'a')
  t.is((await get(gateway, '/exprs', { 'X-Canary': 'no' })).status, 404)
  t.is((await get(gateway, '/auth')).status, 401)
  const allowed = await get(gateway, '/auth', { apikey: 'sesame', 'X-Consumer-Username': 'root' })
  t.is(allowed.status, 200)
  t.is(a.seen.at(-1)?.headers['x-consumer-username'], 'default_jack_b')
})

test('endpoints change under load and no request fails', async (t) => {
  const backends = await Promise.all(
    ['a', 'b', 'c'].map((name, index) => httpBackend(t, { name, host: `127.0.1.${index + 1}` })),
  )
  // The three listen on different ports: one Service, one slice per backend.
  const slices = (live: readonly number[]) =>
    backends.map((backend, index) => {
      const made = slice('httpbin', backend.port, live.includes(index) ? [{ address: backend.host }] : [])
      return { ...made, metadata: { ...made.metadata, name: `httpbin-${index}` } }
    })
  const gateway = await testGateway(t, { objects: [service('httpbin', 80), ...slices([0, 1, 2]), ingress] })
  let running = true
  let served = 0
  const failures: string[] = []
  const client = async () => {
    while (running) {
      const { status, text } = await get(gateway, '/')
      if (status === 200) served++
      else failures.push(text)
    }
  }
  const clients = Array.from({ length: 6 }, client)
  const rounds: readonly (readonly number[])[] = [[0, 1], [1, 2], [2], [0, 2], [0], [0, 1, 2]]
  for (const live of [...rounds, ...rounds]) {
    gateway.source.apply(...slices(live))
    // As many requests as it takes for each endpoint to have had its turn, however busy the machine is.
    const reached = served + failures.length + 12
    while (served + failures.length < reached) await sleep(5)
  }
  running = false
  await Promise.all(clients)
  t.deepEqual(failures, [])
  for (const backend of backends) t.true(backend.seen.length > 0)
})
