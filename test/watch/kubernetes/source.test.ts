import test from 'ava'
import { waitUntil } from '../../support/index.ts'
import { pod, service, slice } from '../objects.ts'
import { cluster } from './support.ts'

for (const mode of ['h2', 'http1', 'plain'] as const) {
  for (const wire of ['protobuf', 'json'] as const) {
    test(`objects arrive, change and go over ${mode} in ${wire}`, async (t) => {
      const { server, open } = await cluster(t, { mode }, { wire })
      server.put(service('a'), pod('p'), slice('a-1', 'a', [{ addresses: ['10.1.0.1'] }]))
      const store = await open()
      t.is(store.get('Service', 'shop/a')?.spec.clusterIP, '10.96.0.7')
      t.is(store.get('Pod', 'shop/p')?.status.podIP, '10.1.0.1')
      t.is(store.endpoints.of('shop/a').addresses[0]?.address, '10.1.0.1')
      server.put(service('a', { clusterIP: '10.96.0.8' }), service('b'))
      await waitUntil(() => store.get('Service', 'shop/b'))
      t.is(store.get('Service', 'shop/a')?.spec.clusterIP, '10.96.0.8')
      server.delete('Service', 'shop/b')
      await waitUntil(() => store.get('Service', 'shop/b') === undefined)
      t.true(store.synced)
      t.true(store.status().current)
    })
  }
}

test('one watch per kind, all on one HTTP/2 connection', async (t) => {
  // On a busy machine a streamed list may stand still for longer than the other tests wait.
  const { server, open } = await cluster(t, {}, { timing: { progressMs: 60_000 } })
  await open()
  const watches = server.requests.filter(({ verb }) => verb === 'watch').map(({ plural }) => plural)
  t.deepEqual([...new Set(watches)].sort(), [...watches].sort())
  t.true(watches.length >= 9)
  t.is(server.network.connections, 1)
})
