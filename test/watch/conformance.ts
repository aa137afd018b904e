// What every source has to do alike towards those who read the store.
import test, { type ExecutionContext } from 'ava'
import { type ChangeSet, openStore, type Source, type Store } from '#watch'
import { waitUntil } from '../support/index.ts'
import { log, service, slice } from './objects.ts'

export interface Raw {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [more: string]: unknown }
}

/** A place objects are written to, and the source that reads it. */
export interface Origin {
  put(object: Raw): void | Promise<void>
  delete(object: Raw): void | Promise<void>
  readonly source: Source
}

export async function opened(t: ExecutionContext, origin: Origin): Promise<Store> {
  const store = await openStore({ source: origin.source, log })
  t.teardown(() => store.close())
  return store
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

/** Declares the tests; `serial` where all of them share one place. */
export function conformanceTests(
  name: string,
  make: (t: ExecutionContext) => Promise<Origin>,
  { serial = false }: { serial?: boolean } = {},
): void {
  const run = serial ? test.serial : test
  run(`${name}: change, deletion and return reach a consumer once each`, async (t) => {
    const origin = await make(t)
    await origin.put(service('a'))
    const store = await opened(t, origin)
    const sets: ChangeSet[] = []
    store.subscribe({ name: 't', kinds: ['Service'] }, (changes) => void sets.push(changes))
    await waitUntil(() => sets.length === 1)
    t.true(sets[0]?.initial)
    await origin.put(service('a', { ports: [{ name: 'http', port: 81 }] }))
    await waitUntil(() => sets.length === 2)
    const change = sets[1]?.objects('Service').get('shop/a')
    t.is(change?.before?.spec.ports[0]?.port, 80)
    t.is(change?.after?.spec.ports[0]?.port, 81)
    await origin.delete(service('a'))
    await waitUntil(() => sets.length === 3)
    t.is(sets[2]?.objects('Service').get('shop/a')?.after, undefined)
    await origin.put(service('a'))
    await waitUntil(() => sets.length === 4)
    t.is(sets[3]?.objects('Service').get('shop/a')?.before, undefined)
  })

  run(`${name}: a write that changes nothing of use is no change`, async (t) => {
    const origin = await make(t)
    await origin.put(service('a'))
    const store = await opened(t, origin)
    const sets: ChangeSet[] = []
    store.subscribe({ name: 't', kinds: ['Service'] }, (changes) => void sets.push(changes))
    await waitUntil(() => sets.length === 1)
    const same = service('a')
    await origin.put({ ...same, metadata: { ...same.metadata, annotations: { [lastApplied]: '{}' } } } as Raw)
    await origin.put(service('b', { clusterIP: '10.96.0.8' }))
    await waitUntil(() => store.get('Service', 'shop/b'))
    store.flush()
    t.deepEqual(
      sets.slice(1).flatMap((set) => [...set.objects('Service').keys()]),
      ['shop/b'],
    )
  })

  run(`${name}: endpoints of several slices are merged, and follow them`, async (t) => {
    const origin = await make(t)
    await origin.put(service('a'))
    await origin.put(slice('a-1', 'a', [{ addresses: ['10.1.0.1'] }, { addresses: ['10.1.0.2'] }]))
    await origin.put(slice('a-2', 'a', [{ addresses: ['10.1.0.2'] }, { addresses: ['10.1.0.3'] }]))
    const store = await opened(t, origin)
    const addresses = () =>
      store.endpoints
        .of('shop/a')
        .addresses.map(({ address }) => address)
        .sort()
        .join()
    t.is(addresses(), '10.1.0.1,10.1.0.2,10.1.0.3')
    await origin.delete(slice('a-2', 'a', []))
    await waitUntil(() => addresses() === '10.1.0.1,10.1.0.2')
    await origin.put(slice('a-1', 'a', [{ addresses: ['10.1.0.9'] }]))
    await waitUntil(() => addresses() === '10.1.0.9')
  })
}
