import test from 'ava'
import type { Store } from '#watch'
import type { ApiServer } from '../../apiserver/api-server.ts'
import { waitUntil } from '../../support/index.ts'
import { service } from '../objects.ts'
import { cluster } from './support.ts'

/** Every key of a Service that a consumer was told is gone. */
function deletions(store: Store): string[] {
  const seen: string[] = []
  store.subscribe({ name: 'deletions', kinds: ['Service'], coalesceMs: 0 }, (changes) => {
    for (const [key, { after }] of changes.objects('Service')) if (after === undefined) seen.push(key)
  })
  return seen
}

const lists = (server: ApiServer): number =>
  server.requestsOf('list', 'services').length +
  server.requestsOf('watch', 'services').filter(({ query }) => query.has('sendInitialEvents')).length

const watched = (server: ApiServer): boolean =>
  [...server.watches].some(({ resource }) => resource.plural === 'services')

/** Waits until a change made now has arrived, which shows that the watch works. */
async function follows(server: ApiServer, store: Store, name: string): Promise<void> {
  server.put(service(name))
  await waitUntil(() => store.get('Service', `shop/${name}`), { what: `Service ${name}` })
}

for (const mode of ['h2', 'http1'] as const) {
  test(`${mode}: after a cut the watch is resumed, nothing is listed again`, async (t) => {
    const { server, open } = await cluster(t, { mode })
    server.put(service('a'), service('b'))
    const store = await open()
    const gone = deletions(store)
    const before = lists(server)
    server.network.cut()
    server.delete('Service', 'shop/b')
    await follows(server, store, 'c')
    t.is(lists(server), before)
    t.deepEqual([...store.list('Service')].map(({ metadata }) => metadata.name).sort(), ['a', 'c'])
    store.flush()
    t.deepEqual(gone, ['shop/b'])
  })

  test(`${mode}: a connection that is dead without being closed is found and replaced`, async (t) => {
    const { server, open } = await cluster(t, { mode })
    server.put(service('a'))
    const store = await open()
    server.network.freeze()
    server.put(service('b'))
    const connections = server.network.connections
    await waitUntil(() => server.network.connections > connections || store.status().current === false)
    server.network.thaw()
    await waitUntil(() => store.get('Service', 'shop/b'))
    await waitUntil(() => store.status().current)
    t.is(store.size('Service'), 2)
  })
}

test('410 while watching: listed again, with the true deletions and no others', async (t) => {
  const { server, open } = await cluster(t)
  server.put(service('a'), service('b'), service('c'))
  const store = await open()
  const gone = deletions(store)
  server.network.refuse({ refusing: true })
  server.delete('Service', 'shop/b')
  server.put(service('d'))
  server.state.compact()
  server.put(service('a', { clusterIP: '10.96.0.77' }))
  server.network.refuse({ refusing: false })
  await waitUntil(() => store.get('Service', 'shop/a')?.spec.clusterIP === '10.96.0.77')
  t.deepEqual([...store.list('Service')].map(({ metadata }) => metadata.name).sort(), ['a', 'c', 'd'])
  store.flush()
  t.deepEqual(gone, ['shop/b'])
})

test('410 on the list as well: the latest state is asked for', async (t) => {
  const { server, open } = await cluster(t, { streaming: 'forbidden' })
  server.put(service('a'))
  const store = await open()
  await waitUntil(() => watched(server))
  server.fail({
    match: ({ verb, plural }) => verb === 'watch' && plural === 'services',
    act: { expired: true },
  })
  server.fail({
    match: ({ verb, plural }) => verb === 'list' && plural === 'services',
    act: { status: 410, reason: 'Expired' },
  })
  for (const watch of server.watches) watch.end()
  await waitUntil(() => server.requestsOf('list', 'services').length >= 3)
  t.false(server.requestsOf('list', 'services').at(-1)?.query.has('resourceVersion'))
  await follows(server, store, 'b')
})

test('429 and 503 on a watch: waits as told and resumes, nothing is listed again', async (t) => {
  const { server, open } = await cluster(t)
  server.put(service('a'))
  const store = await open()
  await waitUntil(() => watched(server))
  const before = lists(server)
  const match = ({ verb, plural }: { verb: string; plural: string }) =>
    verb === 'watch' && plural === 'services'
  server.fail({ match, act: { status: 429, reason: 'TooManyRequests', retryAfter: 1 } })
  server.fail({ match, act: { status: 503, reason: 'ServiceUnavailable' }, times: 3 })
  for (const watch of server.watches) watch.end()
  await follows(server, store, 'b')
  t.is(lists(server), before)
})

test('a server that does not stream lists is listed', async (t) => {
  for (const streaming of ['forbidden', 'broken', 'ignored'] as const) {
    const { server, open } = await cluster(t, { streaming })
    server.put(service('a'))
    const store = await open()
    t.is(store.size('Service'), 1)
    t.true(server.requestsOf('list', 'services').length >= 1)
    await follows(server, store, 'b')
  }
})

test('GOAWAY: what runs goes on, what is new takes a new connection', async (t) => {
  const { server, open } = await cluster(t)
  server.put(service('a'))
  const store = await open()
  await waitUntil(() => watched(server))
  const before = lists(server)
  server.goAway()
  await follows(server, store, 'b')
  for (const watch of server.watches) watch.end()
  await follows(server, store, 'c')
  t.is(lists(server), before)
  await waitUntil(() => server.network.connections === 2)
})

test('events repeated and in another order change nothing for the worse', async (t) => {
  const { server, open } = await cluster(t)
  server.put(service('a'))
  const store = await open()
  await waitUntil(() => watched(server))
  const gone = deletions(store)
  const watch = [...server.watches].find(({ resource }) => resource.plural === 'services')
  server.put(service('b'))
  server.delete('Service', 'shop/b')
  server.put(service('b', { clusterIP: '10.96.0.99' }))
  await waitUntil(() => store.get('Service', 'shop/b')?.spec.clusterIP === '10.96.0.99')
  store.flush()
  const told = gone.length
  watch?.repeat(3)
  watch?.hold()
  server.put(
    service('b', { clusterIP: '10.96.0.98' }),
    service('c'),
    service('b', { clusterIP: '10.96.0.97' }),
  )
  server.put(service('d'))
  server.delete('Service', 'shop/d')
  watch?.release()
  await follows(server, store, 'e')
  t.is(store.get('Service', 'shop/b')?.spec.clusterIP, '10.96.0.97')
  t.deepEqual([...store.list('Service')].map(({ metadata }) => metadata.name).sort(), ['a', 'b', 'c', 'e'])
  store.flush()
  t.deepEqual(
    gone.slice(told).filter((key) => key !== 'shop/d'),
    [],
  )
})

test('bookmarks move the place to resume from', async (t) => {
  const { server, open } = await cluster(t)
  server.put(service('a'))
  const store = await open()
  await waitUntil(() => watched(server))
  const before = lists(server)
  // Other kinds move the version on; without bookmarks, resuming Services would be too old.
  server.put({ kind: 'ConfigMap', metadata: { name: 'x', namespace: 'shop' } })
  for (const watch of server.watches) watch.bookmark()
  await follows(server, store, 'b')
  for (const watch of server.watches) watch.bookmark()
  server.state.compact()
  for (const watch of server.watches) watch.end()
  await follows(server, store, 'c')
  t.is(lists(server), before)
})

test('a list that breaks off is no list: the store keeps what it had', async (t) => {
  const { server, open } = await cluster(t)
  server.put(...Array.from({ length: 200 }, (_, index) => service(`s${index}`)))
  const store = await open()
  await waitUntil(() => watched(server))
  const gone = deletions(store)
  const match = ({ verb, plural, query }: { verb: string; plural: string; query: URLSearchParams }) =>
    plural === 'services' && (verb === 'list' || query.has('sendInitialEvents'))
  server.fail({ match, act: { cutAfter: 5000 }, times: 3 })
  for (const watch of server.watches) watch.expire()
  await follows(server, store, 'new')
  store.flush()
  t.is(store.size('Service'), 201)
  t.deepEqual(gone, [])
})

test('a server restored from a backup: its older state is taken over', async (t) => {
  const { server, open } = await cluster(t)
  server.put(service('a'))
  const store = await open()
  await waitUntil(() => watched(server))
  const match = ({ verb, plural }: { verb: string; plural: string }) =>
    verb === 'watch' && plural === 'services'
  server.fail({
    match,
    act: { status: 504, reason: 'Timeout', message: 'Too large resource version: 9, current: 1' },
  })
  for (const watch of server.watches) watch.end()
  await waitUntil(() =>
    server
      .requestsOf('watch', 'services')
      .some(({ query }) => query.get('resourceVersion') === '' && query.has('sendInitialEvents')),
  )
  await follows(server, store, 'b')
  t.deepEqual([...store.list('Service')].map(({ metadata }) => metadata.name).sort(), ['a', 'b'])
})

test('watches that end at once are not asked for in a loop', async (t) => {
  const { server, open } = await cluster(
    t,
    {},
    { timing: { backoff: { baseMs: 200, capMs: 1000, resetMs: 60_000 } } },
  )
  const store = await open()
  await waitUntil(() => watched(server))
  const match = ({ verb, plural }: { verb: string; plural: string }) =>
    verb === 'watch' && plural === 'services'
  server.fail({ match, act: { empty: true }, times: 1000 })
  const before = server.requestsOf('watch', 'services').length
  for (const watch of server.watches) watch.end()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  t.true(server.requestsOf('watch', 'services').length - before < 6)
  server.faults.clear()
  await follows(server, store, 'a')
})

test('an invalid object is reported; its last good version stays, also over a new list', async (t) => {
  const { server, open } = await cluster(t)
  server.put(service('a'), service('bad', { ports: [{ port: 70000 }] }))
  const store = await open()
  t.is(store.get('Service', 'shop/bad'), undefined)
  t.regex(store.status().problems[0]?.message ?? '', /70000/)
  server.put(service('a', { ports: [{ port: 99999 }] }))
  await follows(server, store, 'b')
  t.is(store.get('Service', 'shop/a')?.spec.ports[0]?.port, 80)
  for (const watch of server.watches) watch.expire()
  await follows(server, store, 'c')
  t.is(store.get('Service', 'shop/a')?.spec.ports[0]?.port, 80)
  t.deepEqual(
    store
      .status()
      .problems.map(({ object }) => object)
      .sort(),
    ['Service shop/a', 'Service shop/bad'],
  )
  server.put(service('a'))
  server.delete('Service', 'shop/bad')
  await waitUntil(() => store.status().problems.length === 0)
})
