import test from 'ava'
import { EventRecorder, electLeader, ObjectWriter, openStore, StatusReconciler } from '#watch'
import { waitUntil } from '../../support/index.ts'
import { log, node, service } from '../objects.ts'
import { cluster } from './support.ts'

const ingress = {
  kind: 'Ingress',
  metadata: { name: 'i', namespace: 'shop' },
  spec: { defaultBackend: { service: { name: 'a', port: { number: 80 } } } },
  status: { loadBalancer: {} },
}

test('annotations of a Node are merged and come back through the watch', async (t) => {
  const { server, source, open } = await cluster(t)
  server.put({ ...node('n1'), metadata: { name: 'n1', annotations: { theirs: 'x', old: 'y' } } })
  const store = await open()
  const writer = new ObjectWriter({ client: source.client, log, retryMs: 10 })
  server.fail({ match: ({ verb }) => verb === 'patch', act: { status: 503 }, times: 2 })
  await writer.annotateNode('n1', { 'flannel.alpha.coreos.com/public-ip': '10.0.0.1', old: null })
  await waitUntil(() => store.get('Node', 'n1')?.metadata.annotations['flannel.alpha.coreos.com/public-ip'])
  t.deepEqual(store.get('Node', 'n1')?.metadata.annotations, {
    theirs: 'x',
    'flannel.alpha.coreos.com/public-ip': '10.0.0.1',
  })
  await t.throwsAsync(writer.annotateNode('nobody', { a: 'b' }), { message: /404 NotFound/ })
})

test('status: of two writers at once none undoes the other', async (t) => {
  const { server, source } = await cluster(t)
  server.put(ingress)
  const writer = new ObjectWriter({ client: source.client, log, retryMs: 10 })
  let asked = 0
  const add = (ip: string) => (current: Readonly<Record<string, unknown>>) => {
    asked++
    const { loadBalancer } = current['status'] as { loadBalancer: { ingress?: { ip: string }[] } }
    return { loadBalancer: { ingress: [...(loadBalancer.ingress ?? []), { ip }] } }
  }
  await Promise.all([
    writer.updateStatus('Ingress', 'shop/i', add('192.0.2.1')),
    writer.updateStatus('Ingress', 'shop/i', add('192.0.2.2')),
  ])
  t.is(asked, 3)
  const { loadBalancer } = (server.get('Ingress', 'shop/i') ?? { status: {} })['status'] as {
    loadBalancer: { ingress: { ip: string }[] }
  }
  t.deepEqual(loadBalancer.ingress.map(({ ip }) => ip).sort(), ['192.0.2.1', '192.0.2.2'])
  const version = server.get('Ingress', 'shop/i')?.metadata.resourceVersion
  t.true(await writer.updateStatus('Ingress', 'shop/i', (current) => current['status'] as never))
  t.is(server.get('Ingress', 'shop/i')?.metadata.resourceVersion, version)
  t.false(await writer.updateStatus('Ingress', 'shop/none', () => ({})))
})

test('a status that somebody else overwrites is written again, and otherwise once', async (t) => {
  const { server, source } = await cluster(t)
  server.put(ingress)
  const status = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } }
  const reconciler = new StatusReconciler({
    writer: new ObjectWriter({ client: source.client, log, retryMs: 10 }),
    log,
    leading: () => true,
    wanted: () => [{ kind: 'Ingress', key: 'shop/i', text: 'ours', change: () => status }],
    settleMs: 1,
    againMs: 5,
    verifyMs: 200,
  })
  t.teardown(() => reconciler.stop())
  const written = () =>
    waitUntil(() => JSON.stringify(server.get('Ingress', 'shop/i')?.['status']) === JSON.stringify(status))
  await written()
  server.put(ingress)
  await written()
  t.is(server.requestsOf('patch', 'ingresses').length, 2)
})

test('events: written once, not in floods, and nobody waits for them', async (t) => {
  const { server, source } = await cluster(t)
  const store = await openStore({ source, log })
  server.put(service('a'))
  const about = await waitUntil(() => store.get('Service', 'shop/a'))
  const recorder = new EventRecorder({
    client: source.client,
    log,
    controller: 'plexus',
    instance: 'n1',
    burst: 3,
  })
  for (let round = 0; round < 5; round++) recorder.warn(about, 'Invalid', 'spec.ports[0].port is 70000')
  for (let round = 0; round < 50; round++) recorder.note(about, 'Flood', `number ${round}`)
  await waitUntil(() => server.requestsOf('create', 'events').length === 3)
  const events = [...server.state.collection({ plural: 'events' }).objects.values()]
  t.is(events.length, 3)
  t.is(events[0]?.['reason'], 'Invalid')
  t.deepEqual(
    { ...(events[0]?.['regarding'] as object), uid: '' },
    { apiVersion: 'v1', kind: 'Service', namespace: 'shop', name: 'a', uid: '' },
  )
  await store.close()
})

test('leader election: one at a time; the next takes over after the first is gone or gives back', async (t) => {
  const { server, source } = await cluster(t)
  const candidate = (identity: string) => {
    const election = electLeader({
      client: source.client,
      namespace: 'plexus-system',
      name: 'l',
      identity,
      log,
      leaseSeconds: 6,
      retryMs: 100,
    })
    t.teardown(() => election.stop())
    return election
  }
  const first = candidate('one')
  await waitUntil(() => first.leading)
  const second = candidate('two')
  const third = candidate('three')
  for (let round = 0; round < 10; round++) {
    t.is([first, second, third].filter(({ leading }) => leading).length, 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await first.stop()
  t.false(first.leading)
  const next = await waitUntil(() => [second, third].find(({ leading }) => leading))
  // The leader loses its connection: it stops leading before another one begins.
  server.fail({
    match: ({ verb, plural }) => verb === 'update' && plural === 'leases',
    act: { status: 500 },
    times: 1000,
  })
  await waitUntil(() => !next.leading)
  t.false([second, third].some(({ leading }) => leading))
  server.faults.clear()
  await waitUntil(() => [second, third].some(({ leading }) => leading))
  await Promise.all([second.stop(), third.stop()])
})
