import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { ingress, route, service, slice } from './support/objects.ts'

const annotated = (annotations: Record<string, string>, path: Record<string, unknown> = {}) => ({
  ...ingress,
  metadata: {
    ...ingress.metadata,
    annotations: Object.fromEntries(
      Object.entries(annotations).map(([name, value]) => [`k8s.apisix.apache.org/${name}`, value]),
    ),
  },
  spec: {
    ingressClassName: 'apisix',
    rules: [
      {
        http: {
          paths: [
            {
              backend: { service: { name: 'httpbin', port: { number: 80 } } },
              path: '/',
              pathType: 'Prefix',
              ...path,
            },
          ],
        },
      },
    ],
  },
})

async function until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let n = 0; n < 1000; n++) {
    if (await holds()) return true
    await sleep(20)
  }
  return false
}

const PLUGINS: readonly (readonly [Record<string, string>, Record<string, unknown>])[] = [
  [
    { 'enable-csrf': 'true', 'csrf-key': 'k' },
    { csrf: { key: 'k', expires: 7200, name: 'apisix-csrf-token' } },
  ],
  [
    { 'http-block-methods': 'post, DELETE' },
    {
      'fault-injection': {
        abort: { http_status: 405, vars: [[['request_method', 'in', ['POST', 'DELETE']]]] },
      },
    },
  ],
  [
    { 'http-allow-methods': 'GET' },
    { 'fault-injection': { abort: { http_status: 405, vars: [[['request_method', '!', 'in', ['GET']]]] } } },
  ],
  [
    {
      'enable-response-rewrite': 'true',
      'response-rewrite-status-code': '404',
      'response-rewrite-body': 'gone',
      'response-rewrite-add-header': 'X-A: 1, X-B: 2',
      'response-rewrite-set-header': 'X-C:3',
      'response-rewrite-remove-header': 'Server,X-D',
    },
    {
      'response-rewrite': {
        status_code: 404,
        body: 'gone',
        headers: { add: ['X-A: 1', 'X-B: 2'], set: { 'X-C': '3' }, remove: ['Server', 'X-D'] },
      },
    },
  ],
  [
    { 'rewrite-target-regex': '/a/(.*)', 'rewrite-target-regex-template': '/$1' },
    { 'proxy-rewrite': { regex_uri: ['/a/(.*)', '/$1'] } },
  ],
  [{ 'http-redirect': '/x', 'http-redirect-code': '999' }, { redirect: { uri: '/x', ret_code: 301 } }],
]

test('annotations that stand for plugins', async (t) => {
  const { source, admin } = await testGateway(t, { objects: [service('httpbin', 80)] })
  for (const [annotations, expected] of PLUGINS) {
    source.apply(annotated(annotations))
    const plugins = async () => {
      const { body } = await admin('GET', '/routes')
      return (body.list as unknown as { value: { plugins?: Record<string, Record<string, unknown>> } }[])[0]
        ?.value.plugins
    }
    const [name = ''] = Object.keys(expected)
    t.true(
      await until(
        async () =>
          (await plugins())?.[name] !== undefined && Object.keys((await plugins()) ?? {}).length === 1,
      ),
    )
    t.like((await plugins())?.[name], expected[name] as Record<string, unknown>, name)
    source.apply(annotated({}))
    t.true(await until(async () => (await plugins()) === undefined))
  }
})

test('annotations for the upstream, its namespace and timeouts', async (t) => {
  const { source, admin, gateway } = await testGateway(t, {
    objects: [
      { ...service('httpbin', 80), metadata: { name: 'httpbin', namespace: 'other' } },
      annotated({
        'svc-namespace': 'other',
        'upstream-scheme': 'https',
        'upstream-retries': '3',
        'upstream-read-timeout': '5s',
        'plugin-config-name': 'shared',
        'enable-websocket': 'true',
        'no-such': 'x',
      }),
    ],
  })
  const [made] = (await admin('GET', '/routes')).body.list as unknown as { value: Record<string, unknown> }[]
  t.like(made?.value, { timeout: { connect: 60, read: 5, send: 60 }, enable_websocket: true })
  const [upstream] = (await admin('GET', '/upstreams')).body.list as unknown as {
    value: Record<string, unknown>
  }[]
  t.like(upstream?.value, { scheme: 'https', retries: 3 })
  t.regex(String(upstream?.value.name), /^other_httpbin_80_[0-9a-f]+$/)
  t.is(made?.value.upstream_id, upstream?.value.id)
  t.true(gateway.problems().some(({ field }) => field.endsWith('[k8s.apisix.apache.org/no-such]')))
  source.apply(annotated({ 'svc-namespace': 'other' }))
  t.true(
    await until(async () => {
      const list = (await admin('GET', '/upstreams')).body.list as unknown as { value: { name: string } }[]
      return list.length === 1 && list[0]?.value.name === 'other_httpbin_80'
    }),
  )
})

test('an annotation that keeps people out and is wrong opens nothing', async (t) => {
  const backend = await httpBackend(t)
  const objects = [service('httpbin', 80), slice('httpbin', backend.port, [{ address: '127.0.0.1' }])]
  for (const bad of [
    { 'allowlist-source-range': 'not an address' },
    { 'auth-type': 'digest' },
    { 'auth-uri': 'nonsense' },
    { 'enable-csrf': 'true' },
    { 'http-allow-methods': 'GET', 'http-block-methods': 'POST' },
  ]) {
    const { url, gateway } = await testGateway(t, { objects: [...objects, annotated(bad)] })
    t.is((await fetch(url)).status, 404, JSON.stringify(bad))
    t.true(gateway.problems().length > 0)
    await gateway.stop()
  }
  // Others take only themselves away.
  const { url } = await testGateway(t, {
    objects: [...objects, annotated({ 'rewrite-target-regex': '(', 'rewrite-target-regex-template': 'x' })],
  })
  t.is((await fetch(url)).status, 200)
})

test('whatever annotations say, the gateway serves and changes nothing else', async (t) => {
  const backend = await httpBackend(t)
  const other = route('other', {
    match: { paths: ['/other'] },
    backends: [{ serviceName: 'httpbin', servicePort: 80 }],
  })
  const { source, url } = await testGateway(t, {
    objects: [service('httpbin', 80), slice('httpbin', backend.port, [{ address: '127.0.0.1' }]), other],
  })
  const names = [
    'rewrite-target',
    'rewrite-target-regex',
    'rewrite-target-regex-template',
    'http-redirect',
    'http-redirect-code',
    'cors-allow-origin',
    'allowlist-source-range',
    'csrf-key',
    'response-rewrite-set-header',
    'auth-uri',
    'auth-type',
    'http-allow-methods',
    'upstream-scheme',
    'upstream-retries',
    'upstream-read-timeout',
    'svc-namespace',
  ]
  const seed = Date.now() % 2 ** 31
  t.log(`seed ${seed}`)
  const nasty = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constantFrom('a\r\nX-Injected: 1', '$host$uri', '"};', '%0d%0aX-Injected:1', '../..', '__proto__'),
  )
  const property = fc.asyncProperty(fc.dictionary(fc.constantFrom(...names), nasty), async (annotations) => {
    source.apply(
      annotated(
        { 'enable-response-rewrite': 'true', 'enable-cors': 'true', 'enable-csrf': 'true', ...annotations },
        { path: '/fuzz' },
      ),
    )
    await new Promise((next) => setImmediate(next))
    const response = await fetch(`${url}/fuzz`, { redirect: 'manual' })
    t.is(response.headers.get('x-injected'), null)
    t.is((await fetch(`${url}/other`)).status, 200)
  })
  await fc.assert(property, { seed, numRuns: 60 })
})

test('ApisixUpstream: scheme, client certificate, discovery, external Services; appProtocol; stream rules', async (t) => {
  const upstream = (name: string, spec: Record<string, unknown>) => ({
    apiVersion: 'apisix.apache.org/v2',
    kind: 'ApisixUpstream',
    metadata: { name, namespace: 'default' },
    spec,
  })
  const { admin } = await testGateway(t, {
    objects: [
      service('grpc', 50_051),
      service('chat', 80, {
        ports: [{ name: 'http', port: 80, protocol: 'TCP', appProtocol: 'kubernetes.io/ws' }],
      }),
      service('ext', 80, { type: 'ExternalName', externalName: 'example.org', ports: [] }),
      upstream('grpc', { scheme: 'grpc', portLevelSettings: [{ port: 50_051, retries: 7 }] }),
      upstream('outside', { externalNodes: [{ type: 'Service', name: 'ext', port: 81 }] }),
      upstream('found', { discovery: { type: 'dns', serviceName: 'x.example' } }),
      route('grpc', {
        match: { paths: ['/grpc'] },
        backends: [{ serviceName: 'grpc', servicePort: 50_051 }],
      }),
      route('chat', {
        match: { paths: ['/chat'] },
        backends: [{ serviceName: 'chat', servicePort: 'http' }],
      }),
      route('out', { match: { paths: ['/out'] }, upstreams: [{ name: 'outside' }] }),
      route('found', { match: { paths: ['/found'] }, upstreams: [{ name: 'found' }] }),
      {
        ...route('tcp', {}),
        spec: {
          stream: [
            {
              name: 'rule1',
              protocol: 'TCP',
              match: { ingressPort: 9100, host: 'a.example' },
              backend: { serviceName: 'grpc', servicePort: 50_051 },
            },
          ],
        },
      },
    ],
  })
  const named = async (kind: string) => {
    const list = (await admin('GET', `/${kind}`)).body.list as unknown as { value: Record<string, unknown> }[]
    return new Map(list.map(({ value }) => [String(value.name), value]))
  }
  const upstreams = await named('upstreams')
  t.like(upstreams.get('default_grpc_50051'), { scheme: 'grpc', retries: 7 })
  t.deepEqual(upstreams.get('default_outside')?.nodes, [
    { host: 'example.org', port: 81, weight: 100, priority: 0 },
  ])
  t.like(upstreams.get('default_found'), { discovery_type: 'dns', service_name: 'x.example' })
  t.is((await named('routes')).get('default_chat_rule1')?.enable_websocket, true)
  const stream = (await named('stream_routes')).get('default_tcp_rule1_tcp')
  t.like(stream, {
    server_port: 9100,
    sni: 'a.example',
    upstream_id: upstreams.get('default_grpc_50051')?.id,
  })
})
