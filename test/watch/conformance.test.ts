// Both sources behave the same towards those who read the store.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  type ChangeSet,
  decodeObject,
  keyFrom,
  kinds,
  kubernetesSource,
  manifestSource,
  openStore,
  type Source,
  type Store,
} from '#watch'
import { ApiServer } from '../apiserver/api-server.ts'
import { testDirectory, waitUntil } from '../support/index.ts'
import { quick } from './kubernetes/support.ts'
import { log, service, slice } from './objects.ts'

interface Raw {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [more: string]: unknown }
}

/** A place objects are written to, and the source that reads it. */
interface Origin {
  put(object: Raw): void
  delete(object: Raw): void
  readonly source: Source
}

const origins: Record<string, (t: ExecutionContext) => Promise<Origin>> = {
  manifests: async (t) => {
    const directory = testDirectory(t)
    const fileOf = ({ kind, metadata }: Raw): string => join(directory, `${kind}-${metadata.name}.json`)
    return {
      put: (object) => writeFileSync(fileOf(object), JSON.stringify(object)),
      delete: (object) => rmSync(fileOf(object)),
      source: manifestSource({ directories: [directory], log }),
    }
  },
  kubernetes: async (t) => {
    const server = await ApiServer.start()
    t.teardown(() => server.stop())
    const kubeconfig = server.writeKubeconfig(join(testDirectory(t), 'kubeconfig'))
    return {
      put: (object) => void server.put(object),
      delete: ({ kind, metadata }) => server.delete(kind, keyFrom(metadata.namespace ?? '', metadata.name)),
      source: kubernetesSource({ kubeconfig, log, kinds: kinds.map((kind) => ({ kind })), timing: quick }),
    }
  },
}

async function opened(t: ExecutionContext, origin: Origin): Promise<Store> {
  const store = await openStore({ source: origin.source, log })
  t.teardown(() => store.close())
  return store
}

const folder = join(import.meta.dirname, 'kubernetes', 'fixtures')
const fixtures = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Raw)
const routes: Raw = {
  apiVersion: 'apisix.apache.org/v2',
  kind: 'ApisixRoute',
  metadata: { name: 'r', namespace: 'shop' },
  spec: {
    http: [{ name: 'x', match: { paths: ['/*'] }, backends: [{ serviceName: 'a', servicePort: 80 }] }],
  },
} as Raw

/** An object without what only the server knows. */
function content(object: unknown): unknown {
  const { metadata, ...rest } = structuredClone(object) as { metadata: Record<string, unknown> }
  for (const name of ['uid', 'resourceVersion', 'creationTimestamp']) delete metadata[name]
  return { metadata, ...rest }
}

for (const [name, make] of Object.entries(origins)) {
  test(`${name}: every kind arrives as decoded, before and after the first sync`, async (t) => {
    const origin = await make(t)
    const [early, late] = [fixtures.slice(0, 6), [...fixtures.slice(6), routes]]
    for (const object of early) origin.put(object)
    const store = await opened(t, origin)
    for (const object of late) origin.put(object)
    for (const raw of [...early, ...late]) {
      const decoded = decodeObject(raw)
      if (decoded.outcome !== 'object') throw new Error(`${raw.kind} does not decode`)
      const { kind, metadata } = decoded.object
      const found = await waitUntil(() => store.get(kind, keyFrom(metadata.namespace, metadata.name)), {
        what: raw.kind,
      })
      t.deepEqual(content(found), content(decoded.object))
    }
  })

  test(`${name}: change, deletion and return reach a consumer once each`, async (t) => {
    const origin = await make(t)
    origin.put(service('a'))
    const store = await opened(t, origin)
    const sets: ChangeSet[] = []
    store.subscribe({ name: 't', kinds: ['Service'] }, (changes) => void sets.push(changes))
    await waitUntil(() => sets.length === 1)
    t.true(sets[0]?.initial)
    origin.put(service('a', { clusterIP: '10.96.0.8' }))
    await waitUntil(() => sets.length === 2)
    const change = sets[1]?.objects('Service').get('shop/a')
    t.is(change?.before?.spec.clusterIP, '10.96.0.7')
    t.is(change?.after?.spec.clusterIP, '10.96.0.8')
    origin.delete(service('a'))
    await waitUntil(() => sets.length === 3)
    t.is(sets[2]?.objects('Service').get('shop/a')?.after, undefined)
    origin.put(service('a'))
    await waitUntil(() => sets.length === 4)
    t.is(sets[3]?.objects('Service').get('shop/a')?.before, undefined)
  })

  test(`${name}: a write that changes nothing of use is no change`, async (t) => {
    const origin = await make(t)
    origin.put(service('a'))
    const store = await opened(t, origin)
    const sets: ChangeSet[] = []
    store.subscribe({ name: 't', kinds: ['Service'] }, (changes) => void sets.push(changes))
    await waitUntil(() => sets.length === 1)
    const same = service('a')
    origin.put({ ...same, metadata: { ...same.metadata, managedFields: [{}] } } as Raw)
    origin.put(service('b'))
    await waitUntil(() => store.get('Service', 'shop/b'))
    store.flush()
    t.deepEqual(
      sets.slice(1).flatMap((set) => [...set.objects('Service').keys()]),
      ['shop/b'],
    )
  })

  test(`${name}: an invalid version is reported and the last good one stays`, async (t) => {
    const origin = await make(t)
    origin.put(service('a'))
    const store = await opened(t, origin)
    origin.put(service('a', { ports: [{ port: 70000 }] }))
    await waitUntil(() => store.status().problems.length > 0)
    const [problem] = store.status().problems
    t.is(problem?.object, 'Service shop/a')
    t.is(problem?.field, 'spec.ports[0].port')
    t.is(problem?.message, 'is 70000; expected a whole number from 1 to 65535')
    t.is(store.get('Service', 'shop/a')?.spec.ports[0]?.port, 80)
    origin.put(service('a', { ports: [{ port: 81 }] }))
    await waitUntil(() => store.get('Service', 'shop/a')?.spec.ports[0]?.port === 81)
    t.deepEqual(store.status().problems, [])
    origin.put(service('a', { ports: [{ port: 70000 }] }))
    await waitUntil(() => store.status().problems.length > 0)
    origin.delete(service('a'))
    await waitUntil(() => store.get('Service', 'shop/a') === undefined)
    await waitUntil(() => store.status().problems.length === 0)
  })

  test(`${name}: endpoints of several slices are merged, and follow them`, async (t) => {
    const origin = await make(t)
    origin.put(service('a'))
    origin.put(slice('a-1', 'a', [{ addresses: ['10.1.0.1'] }, { addresses: ['10.1.0.2'] }]))
    origin.put(slice('a-2', 'a', [{ addresses: ['10.1.0.2'] }, { addresses: ['10.1.0.3'] }]))
    const store = await opened(t, origin)
    const addresses = () =>
      store.endpoints
        .of('shop/a')
        .addresses.map(({ address }) => address)
        .sort()
        .join()
    t.is(addresses(), '10.1.0.1,10.1.0.2,10.1.0.3')
    origin.delete(slice('a-2', 'a', []))
    await waitUntil(() => addresses() === '10.1.0.1,10.1.0.2')
    origin.put(slice('a-1', 'a', [{ addresses: ['10.1.0.9'] }]))
    await waitUntil(() => addresses() === '10.1.0.9')
  })
}
