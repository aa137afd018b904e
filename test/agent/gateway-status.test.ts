import test from 'ava'
import { EventRecorder, ObjectWriter } from '#watch'
import { type GatewayStatusOptions, startGatewayStatus } from '../../agent/gateway-status.ts'
import { waitUntil } from '../support/index.ts'
import { cluster } from '../watch/kubernetes/support.ts'
import { log, service } from '../watch/objects.ts'

const route = (name: string, spec: object = {}) => ({
  kind: 'ApisixRoute',
  metadata: { name, namespace: 'shop', generation: 3 },
  spec: {
    http: [{ name: 'x', match: { paths: ['/*'] }, backends: [{ serviceName: 'a', servicePort: 80 }] }],
    ...spec,
  },
})
const ingress = (name: string, ingressClassName: string) => ({
  kind: 'Ingress',
  metadata: { name, namespace: 'shop' },
  spec: { ingressClassName, defaultBackend: { service: { name: 'a', port: { number: 80 } } } },
})

type Problems = ReturnType<GatewayStatusOptions['problems']>

async function gateways(t: Parameters<typeof cluster>[0], objects: object[]) {
  const found = await cluster(t, {}, { components: ['gateway'] })
  found.server.put(...(objects as { kind: string }[]))
  const store = await found.open()
  const { client } = found.source
  let problems: Problems = []
  const start = (identity: string, more: Partial<GatewayStatusOptions> = {}) => {
    const running = startGatewayStatus({
      store,
      client,
      writer: new ObjectWriter({ client, log, retryMs: 10 }),
      events: new EventRecorder({ client, log, controller: 'plexus-gateway', instance: identity }),
      problems: () => problems,
      ingressClass: 'apisix',
      namespace: 'plexus-system',
      identity,
      log,
      settleMs: 20,
      ...more,
    })
    t.teardown(() => running.stop())
    return running
  }
  const accepted = (key: string, kind = 'ApisixRoute') => {
    const status = found.server.get(kind, key)?.['status'] as
      | { conditions?: Record<string, unknown>[] }
      | undefined
    return status?.conditions?.find(({ type }) => type === 'Accepted')
  }
  return { ...found, store, start, accepted, say: (now: Problems) => (problems = now) }
}

test('the elected gateway says which routes are accepted, and why others are not', async (t) => {
  const { server, start, accepted, say, store } = await gateways(t, [
    service('a'),
    route('good'),
    route('bad'),
  ])
  say([
    {
      object: 'ApisixRoute shop/bad',
      field: 'http[0].backends[0]',
      message: 'Service shop/none does not exist',
    },
  ])
  start('one')
  await waitUntil(() => accepted('shop/good') !== undefined && accepted('shop/bad') !== undefined)
  const { lastTransitionTime, ...good } = accepted('shop/good') ?? {}
  t.deepEqual(good, {
    type: 'Accepted',
    status: 'True',
    reason: 'Accepted',
    message: '',
    observedGeneration: 3,
  })
  t.regex(String(lastTransitionTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  t.like(accepted('shop/bad'), {
    status: 'False',
    reason: 'SyncFailed',
    message: 'http[0].backends[0]: Service shop/none does not exist',
  })
  await waitUntil(() => server.requestsOf('create', 'events').length === 1)
  const [event] = server.state.collection({ plural: 'events' }).objects.values()
  t.like(event?.['regarding'], {
    kind: 'ApisixRoute',
    name: 'bad',
    uid: store.get('ApisixRoute', 'shop/bad')?.metadata.uid,
  })

  // A status written is no change of the route: nothing is written because of it.
  const writes = server.requestsOf('patch', 'apisixroutes').length
  say([])
  server.put(route('late'))
  await waitUntil(() => accepted('shop/late') !== undefined && accepted('shop/bad')?.['status'] === 'True')
  t.is(server.requestsOf('patch', 'apisixroutes').length, writes + 2)
})

test('of several gateways one writes; when it stops the next goes on', async (t) => {
  const { start, accepted, server } = await gateways(t, [route('r')])
  const one = start('one')
  await waitUntil(() => accepted('shop/r') !== undefined)
  const two = start('two', {
    problems: () => [{ object: 'ApisixRoute shop/r', field: 'f', message: 'two writes' }],
  })
  server.put(route('s'))
  await waitUntil(() => accepted('shop/s') !== undefined)
  t.is(two.health().detail, 'another gateway writes status')
  t.is(accepted('shop/r')?.['message'], '')
  await one.stop()
  await waitUntil(() => accepted('shop/r')?.['message'] === 'f: two writes')
})

test('an Ingress of ours says where it is reached, another keeps what it has', async (t) => {
  const lb = {
    ...service('front'),
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }, { hostname: 'lb.test' }] } },
  }
  const classes = [
    {
      kind: 'IngressClass',
      metadata: { name: 'web' },
      spec: { controller: 'apisix.apache.org/apisix-ingress-controller' },
    },
    { kind: 'IngressClass', metadata: { name: 'nginx' }, spec: { controller: 'k8s.io/ingress-nginx' } },
  ]
  const all = [lb, ...classes, ingress('ours', 'web'), ingress('theirs', 'nginx'), ingress('named', 'apisix')]
  const { server, start } = await gateways(t, all)
  start('one', { publishService: 'shop/front' })
  const addresses = (name: string) =>
    (
      server.get('Ingress', `shop/${name}`)?.['status'] as
        | { loadBalancer?: { ingress?: unknown } }
        | undefined
    )?.loadBalancer?.ingress
  await waitUntil(() => addresses('ours') !== undefined && addresses('named') !== undefined)
  t.deepEqual(addresses('ours'), [{ ip: '192.0.2.7' }, { hostname: 'lb.test' }])
  t.is(addresses('theirs'), undefined)
  const moved = { ...lb, status: { loadBalancer: { ingress: [{ ip: '192.0.2.8' }] } } }
  server.put(moved)
  await waitUntil(() => JSON.stringify(addresses('ours')) === '[{"ip":"192.0.2.8"}]')
})

test('an object that cannot be read at all gets an Event with the reason', async (t) => {
  const { server, start } = await gateways(t, [{ ...route('broken'), spec: { http: 'nonsense' } }])
  start('one')
  await waitUntil(() => server.requestsOf('create', 'events').length > 0)
  const [event] = server.state.collection({ plural: 'events' }).objects.values()
  t.like(event, { reason: 'Invalid', type: 'Warning' })
  t.regex(String(event?.['note']), /spec\.http/)
  t.like(event?.['regarding'], { kind: 'ApisixRoute', namespace: 'shop', name: 'broken' })
})
