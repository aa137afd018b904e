import test from 'ava'
import { type ChangeSet, memorySource, type Source, Store } from '#watch'
import { log, opened, pod, service, slice } from './objects.ts'

/** Change sets as they come, delivered at once by `store.flush()`. */
function collector() {
  const sets: ChangeSet[] = []
  return { sets, notify: (changes: ChangeSet) => void sets.push(changes) }
}

test('the first change set carries everything, later ones what changed with before and after', async (t) => {
  const { source, store } = await opened(service('a'), service('b'))
  const { sets, notify } = collector()
  store.subscribe({ name: 't', kinds: ['Service'] }, notify)
  store.flush()
  t.is(sets[0]?.initial, true)
  t.deepEqual([...(sets[0]?.objects('Service').keys() ?? [])].sort(), ['shop/a', 'shop/b'])
  source.apply(service('a', { clusterIP: '10.96.0.8' }))
  store.flush()
  const change = sets[1]?.objects('Service').get('shop/a')
  t.is(sets[1]?.initial, false)
  t.is(change?.before?.spec.clusterIP, '10.96.0.7')
  t.is(change?.after?.spec.clusterIP, '10.96.0.8')
  t.is(sets[1]?.objects('Service').size, 1)
  await store.close()
})

test('nothing is delivered before the first sync', async (t) => {
  const store = new Store({ log })
  const { sets, notify } = collector()
  store.subscribe({ name: 't', kinds: ['Service'], coalesceMs: 0 }, notify)
  const gate = Promise.withResolvers<void>()
  const memory = memorySource({ standalone: false })
  memory.apply(service('a'))
  const source: Source = {
    ...memory,
    start: async (sink) => {
      await memory.start(sink)
      await gate.promise
    },
  }
  const running = store.run(source)
  store.flush()
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.is(store.size('Service'), 1)
  t.false(store.synced)
  t.is(sets.length, 0)
  gate.resolve()
  await running
  await store.whenSynced()
  store.flush()
  t.deepEqual([...(sets[0]?.objects('Service').keys() ?? [])], ['shop/a'])
  await store.close()
})

test('writing the same content again is no event, nor is another resourceVersion', async (t) => {
  const { source, store } = await opened(service('a'))
  const { sets, notify } = collector()
  store.subscribe({ name: 't', kinds: ['Service'], services: true }, notify)
  store.flush()
  const same = service('a')
  source.apply({ ...same, metadata: { ...same.metadata, resourceVersion: '77', managedFields: [{}] } })
  store.flush()
  t.is(sets.length, 1)
  await store.close()
})

test('what comes and goes within a window leaves no trace, a re-creation shows by its uid', async (t) => {
  const { source, store } = await opened(service('a', {}, { uid: 'one' }))
  const { sets, notify } = collector()
  store.subscribe({ name: 't', kinds: ['Service'], services: true }, notify)
  store.flush()
  source.apply(service('b'))
  source.delete('Service', 'shop/b')
  store.flush()
  t.is(sets.length, 1)
  source.delete('Service', 'shop/a')
  source.apply(service('a', {}, { uid: 'two' }))
  store.flush()
  const change = sets[1]?.objects('Service').get('shop/a')
  t.is(change?.before?.metadata.uid, 'one')
  t.is(change?.after?.metadata.uid, 'two')
  await store.close()
})

test('a consumer that throws does not disturb others and gets everything next time', async (t) => {
  const { source, store } = await opened(service('a'))
  const good = collector()
  const bad: ChangeSet[] = []
  store.subscribe({ name: 'bad', kinds: ['Service'] }, (changes) => {
    bad.push(changes)
    if (bad.length === 2) throw new Error('no')
  })
  store.subscribe({ name: 'good', kinds: ['Service'] }, good.notify)
  store.flush()
  source.apply(service('b'))
  store.flush()
  source.apply(service('c'))
  store.flush()
  t.deepEqual(
    good.sets.map(({ initial }) => initial),
    [true, false, false],
  )
  t.deepEqual(
    bad.map(({ initial }) => initial),
    [true, false, true],
  )
  t.is(bad[2]?.objects('Service').size, 3)
  await store.close()
})

test('while an asynchronous consumer is busy its changes collect', async (t) => {
  const { source, store } = await opened(service('a'))
  const sets: ChangeSet[] = []
  const gate = Promise.withResolvers<void>()
  const second = Promise.withResolvers<void>()
  store.subscribe({ name: 't', kinds: ['Service'], coalesceMs: 0 }, async (changes) => {
    sets.push(changes)
    if (sets.length === 1) await gate.promise
    else second.resolve()
  })
  store.flush()
  source.apply(service('b'))
  store.flush()
  source.apply(service('c'))
  store.flush()
  t.is(sets.length, 1)
  gate.resolve()
  await second.promise
  t.deepEqual([...(sets[1]?.objects('Service').keys() ?? [])], ['shop/b', 'shop/c'])
  await store.close()
})

test('services: named when their object or their merged endpoints changed, and only then', async (t) => {
  const first = slice('a-1', 'a', [{ addresses: ['10.1.0.1'] }, { addresses: ['10.1.0.2'] }])
  const { source, store } = await opened(service('a'), service('b'), first)
  const { sets, notify } = collector()
  store.subscribe({ name: 't', kinds: [], services: true }, (changes) => {
    for (const key of changes.services) store.endpoints.of(key)
    notify(changes)
  })
  store.flush()
  t.deepEqual([...(sets[0]?.services ?? [])].sort(), ['shop/a', 'shop/b'])
  // One endpoint moves to another slice: the merge is the same.
  source.apply(
    slice('a-1', 'a', [{ addresses: ['10.1.0.1'] }]),
    slice('a-2', 'a', [{ addresses: ['10.1.0.2'] }]),
  )
  store.flush()
  t.is(sets.length, 1)
  source.apply(slice('a-2', 'a', []))
  store.flush()
  t.deepEqual([...(sets[1]?.services ?? [])], ['shop/a'])
  source.apply(service('b', { clusterIP: '10.96.0.9' }))
  store.flush()
  t.deepEqual([...(sets[2]?.services ?? [])], ['shop/b'])
  await store.close()
})

test('a subscriber sees one step of the source as one change set', async (t) => {
  const { source, store } = await opened()
  const seen: string[][] = []
  store.subscribe({ name: 't', kinds: ['Service', 'EndpointSlice'], coalesceMs: 0 }, (changes) => {
    if (!changes.initial)
      seen.push([...changes.objects('Service').keys(), ...changes.objects('EndpointSlice').keys()])
  })
  store.flush()
  source.apply(service('a', { selector: { app: 'a' } }), pod('p'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.is(seen.length, 1)
  t.is(seen[0]?.length, 2)
  await store.close()
})

test('indexes follow changes', async (t) => {
  const { source, store } = await opened(pod('p', { ip: '10.1.0.1' }))
  const names = (ip: string) => [...store.lookup('Pod', 'ip', ip)].map(({ metadata }) => metadata.name)
  t.deepEqual(names('10.1.0.1'), ['p'])
  source.apply(pod('p', { ip: '10.1.0.2' }), pod('q', { ip: '10.1.0.2' }))
  t.deepEqual(names('10.1.0.1'), [])
  t.deepEqual(names('10.1.0.2').sort(), ['p', 'q'])
  source.delete('Pod', 'shop/p')
  t.deepEqual(names('10.1.0.2'), ['q'])
  t.is([...store.lookup('Pod', 'node', 'node1')].length, 1)
  await store.close()
})

test('a closed subscription hears nothing more', async (t) => {
  const { source, store } = await opened()
  const { sets, notify } = collector()
  const subscription = store.subscribe({ name: 't', kinds: ['Service'] }, notify)
  store.flush()
  subscription.close()
  source.apply(service('a'))
  store.flush()
  t.is(sets.length, 1)
  await store.close()
})

test('Namespaces that objects are in exist, until the last object goes; a real one has precedence', async (t) => {
  const { source, store } = await opened(service('a'))
  t.is(store.get('Namespace', 'shop')?.metadata.labels['kubernetes.io/metadata.name'], 'shop')
  source.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'x' } } })
  t.is(store.get('Namespace', 'shop')?.metadata.labels['team'], 'x')
  source.delete('Namespace', 'shop')
  t.is(store.get('Namespace', 'shop')?.metadata.labels['team'], undefined)
  t.not(store.get('Namespace', 'shop'), undefined)
  source.delete('Service', 'shop/a')
  t.is(store.get('Namespace', 'shop'), undefined)
  await store.close()
})
