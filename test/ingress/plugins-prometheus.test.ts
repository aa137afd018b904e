import test from 'ava'
import { CLOSED_PORT, httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'

const ATTRIBUTES = `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }
deployment: { admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key_required: false } }
plugin_attr:
  prometheus:
    default_buckets: [60000, 10]
    metrics: { http_status: { extra_labels: [{ team: $http_x_team }] } }
`

test('prometheus: whose answers they were, labels of an operator, labels left out', async (t) => {
  const backend = await httpBackend(t)
  const { url, put, metrics } = await testGateway(t, { text: ATTRIBUTES })
  const plugins = { prometheus: {} }
  await put('/routes/served', {
    uri: '/served',
    plugins,
    upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
  })
  await put('/routes/dead', {
    uri: '/dead',
    plugins,
    upstream: { nodes: { [`127.0.0.1:${CLOSED_PORT}`]: 1 } },
  })
  await put('/routes/own', { uri: '/own', plugins: { ...plugins, mocking: { response_example: 'x' } } })
  for (const path of ['served', 'dead', 'own'])
    await fetch(`${url}/${path}`, { headers: { 'X-Team': 'red' } }).then((response) => response.text())
  await fetch(`${url}/served`).then((response) => response.text())
  // Asked for by all and by the route: once is once. A route with several URIs says which one it was.
  await put('/global_rules/1', { plugins })
  await put('/routes/several', {
    uris: ['/a/*', '/b/*'],
    hosts: ['x.example', '127.0.0.1'],
    name: 'by name',
    plugins: { prometheus: { prefer_name: true }, mocking: { response_example: 'x' } },
  })
  await fetch(`${url}/b/1`).then((response) => response.text())
  const line = async (start: string) =>
    (await metrics.metrics()).split('\n').filter((one) => one.startsWith(start))
  const statuses = async (route: string) => {
    const found = await line('apisix_http_status')
    return found
      .filter((one) => one.includes(`route="${route}"`))
      .map((one) => /response_source="(\w+)",team="(\w*)"\} (\d+)/.exec(one)?.slice(1).join(' '))
  }
  t.deepEqual(await statuses('served'), ['upstream red 1', 'upstream  1'])
  t.deepEqual(await statuses('dead'), ['nginx red 1'])
  t.deepEqual(await statuses('own'), ['apisix red 1'])
  const several = (await line('apisix_http_status')).filter((one) => one.includes('b/*'))
  t.is(several.length, 1)
  t.regex(several[0] ?? '', /route="by name",.*matched_uri="\/b\/\*",matched_host="127.0.0.1".*\} 1$/)
  const buckets = (await line('apisix_http_latency_bucket{type="request",route="served"')).join('\n')
  t.deepEqual(
    [...buckets.matchAll(/le="([^"]+)"/g)].map(([, bound]) => bound),
    ['10', '60000', '+Inf'],
  )
  await put('/plugin_metadata/prometheus', { disabled_labels: { http_latency: ['route', 'node'] } })
  const merged = await line('apisix_http_latency_count{type="request",')
  t.is(merged.length, 1)
  t.regex(merged[0] ?? '', /route="",service="",consumer="",node="".*\} 5$/)
})
