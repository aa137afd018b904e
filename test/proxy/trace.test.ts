import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { stringify } from 'yaml'
import { DEFAULT_CONFIGURATION, startProxy, TraceError } from '#proxy'
import { type AnyObject, memorySource, mustDecode, Store } from '#watch'
import { type Teardown, testDirectory, testNamespace, waitUntil } from '../support/index.ts'
import { node, service, slice } from './support/objects.ts'

const pod = (name: string, ip: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'shop' },
  spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }], ...spec },
  status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] },
})

const web = (spec: object = {}) =>
  service({
    name: 'web',
    ports: [{ name: 'http', port: 80, nodePort: 30_080 }],
    vips: ['203.0.113.5'],
    spec: { loadBalancerSourceRanges: ['198.51.100.0/24'], ...spec },
  })
const endpoints = slice({
  service: 'web',
  ports: [{ name: 'http', port: 8080 }],
  endpoints: [
    { address: '10.244.1.5', node: 'n1' },
    { address: '10.244.2.5', node: 'n2' },
    { address: '10.244.2.6', node: 'n2', ready: false },
    { address: '10.244.2.7', node: 'n2', terminating: true, serving: true },
  ],
})

async function start(t: Teardown, objects: AnyObject[]) {
  const store = new Store({ log: pino({ level: 'silent' }), nodeName: 'n1' })
  const own = node({ name: 'n1', addresses: ['192.0.2.1'] })
  store.apply([own, ...objects].map((object) => ({ object })))
  await store.run(memorySource({ standalone: false }))
  const proxy = await startProxy({
    store,
    nodeName: 'n1',
    config: { ...DEFAULT_CONFIGURATION, clusterCIDR: ['10.244.0.0/16'] },
    log: pino({ level: 'silent' }),
    metrics: new Registry(),
    netns: testNamespace(t, 'trace').path,
  })
  t.teardown(() => proxy.stop())
  return proxy
}

test('names are resolved as a pod would, and every endpoint is accounted for', async (t) => {
  const proxy = await start(t, [web(), endpoints, mustDecode(pod('a', '10.244.1.5'))])
  const direct = proxy.trace({ from: 'shop/a', to: '10.96.0.10:80' })
  for (const to of [
    'web:80',
    'web:http',
    'shop/web:80',
    'web.shop:http',
    'web.shop.svc:80',
    'web.shop.svc.cluster.local:80',
  ]) {
    const trace = proxy.trace({ from: 'shop/a', to })
    t.is(trace.resolution.startsWith('Service shop/web has clusterIP 10.96.0.10'), true, to)
    t.deepEqual({ ...trace, resolution: '' }, direct, to)
  }
  t.like(direct, { service: 'shop/web', outcome: 'translated', masqueraded: 'if it reaches itself' })
  t.deepEqual(
    direct.endpoints.map(({ endpoint, candidate, reason }) => `${endpoint} ${candidate} ${reason}`),
    [
      '10.244.1.5:8080 true ready; itself: masqueraded (hairpin)',
      '10.244.2.5:8080 true ready',
      '10.244.2.6:8080 false not ready',
      '10.244.2.7:8080 false terminating while others are ready',
    ],
  )
  t.deepEqual(
    direct.steps.map(({ chain }) => chain),
    ['nat-prerouting -> services', 'cluster-2', 'pick-2'],
  )
  t.regex(direct.steps[0]?.rule ?? '', /@service-ips \{ 10\.96\.0\.10 \. tcp \. 80 \}/)
})

test('source ranges, policies and node ports decide as the rules do', async (t) => {
  const proxy = await start(t, [
    web({ externalTrafficPolicy: 'Local' }),
    endpoints,
    mustDecode(pod('a', '10.244.1.9')),
  ])
  t.like(proxy.trace({ from: '192.0.2.200', to: '203.0.113.5:80' }), { outcome: 'dropped' })
  const allowed = proxy.trace({ from: '198.51.100.8', to: '203.0.113.5:80' })
  t.like(allowed, {
    outcome: 'translated',
    masqueraded: 'no',
    summary: 'translated to the only endpoint on this node',
  })
  t.is(allowed.endpoints[1]?.reason, 'not on this node, and the traffic policy is Local')
  t.like(proxy.trace({ from: '192.0.2.200', to: '192.0.2.1:30080' }), {
    outcome: 'translated',
    masqueraded: 'no',
  })
  t.like(proxy.trace({ from: 'host', to: '192.0.2.1:30080' }), {
    masqueraded: 'yes',
    summary: 'translated to one of 2 endpoints',
  })
  t.is(proxy.trace({ from: 'shop/a', to: '127.0.0.1:30080' }).outcome, 'untouched')
  t.is(proxy.trace({ from: 'shop/a', to: 'web:80', protocol: 'udp' }).outcome, 'rejected')
})

test('what the proxy has no part in is said; nonsense is an error that names it', async (t) => {
  const headless = service({ name: 'db', clusterIPs: ['None'], spec: { clusterIP: 'None', clusterIPs: [] } })
  const proxy = await start(t, [web(), headless, mustDecode(pod('a', '10.244.1.5'))])
  t.like(proxy.trace({ from: 'shop/a', to: 'db:5432' }), { outcome: 'ignored', service: 'shop/db' })
  const wrong: [from: string, to: string, problem: RegExp][] = [
    ['shop/a', 'nothing:80', /no Service shop\/nothing/],
    ['host', 'web:80', /no Service default\/web; did you mean shop\/web\?/],
    ['a', 'shop/web:80', /no Pod default\/a; did you mean shop\/a\?/],
    ['shop/a', 'web:grpc', /no TCP port called "grpc"; it has http\/TCP/],
    ['shop/a', 'web', /is not SERVICE:PORT/],
    ['shop/a', '10.0.0.1:x', /not a port number/],
    ['shop/a', '[fd00::1]:80', /has no IPv6 address/],
    ['10.0.0.1', '[fd00::1]:80', /10\.0\.0\.1 cannot connect to an IPv6 address/],
  ]
  for (const [from, to, message] of wrong)
    t.throws(() => proxy.trace({ from, to }), { instanceOf: TraceError, message })
  t.throws(() => proxy.trace({ from: 'host', to: '10.0.0.1:1', protocol: 'icmp' }), {
    instanceOf: TraceError,
  })
})

test('plexus trace asks a running agent, and prints text or JSON', async (t) => {
  const bin = join(import.meta.dirname, '..', '..', 'bin', 'plexus')
  const directory = testDirectory(t)
  const manifests = join(directory, 'manifests')
  mkdirSync(manifests)
  const objects = {
    web: web(),
    endpoints,
    pod: pod('a', '10.244.1.5'),
    node: node({ name: 'n1', addresses: ['192.0.2.1'] }),
  }
  for (const [name, object] of Object.entries(objects))
    writeFileSync(join(manifests, `${name}.yaml`), stringify(object))
  const socket = join(directory, 'agent.sock')
  const config = join(directory, 'agent.yaml')
  writeFileSync(config, stringify({ nodeName: 'n1', manifests: [manifests], control: { socket }, proxy: {} }))
  const namespace = testNamespace(t, 'agent')
  const ready = join(directory, 'ready')
  namespace.start([bin, 'agent', '--config', config, '--ready-file', ready])
  await waitUntil(() => existsSync(ready), { what: 'the agent' })
  const trace = (...args: string[]) => namespace.try(bin, 'trace', '--socket', socket, ...args)
  const text = trace('shop/a', 'web:http').stdout
  t.regex(text, /service {3}shop\/web/)
  t.regex(text, /10\.244\.2\.6:8080 .*not ready/)
  t.regex(text, /outcome {3}translated to one of 2 endpoints/)
  t.like(JSON.parse(trace('shop/a', 'web:http', '-o', 'json').stdout), {
    outcome: 'translated',
    service: 'shop/web',
  })
  const wrong = trace('shop/a', 'nothing:80')
  t.is(wrong.status, 1)
  t.regex(wrong.stderr, /there is no Service shop\/nothing/)
})
