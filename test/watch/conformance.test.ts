// Both sources behave the same towards those who read the store.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { decodeObject, keyFrom, kinds, kubernetesSource, manifestSource } from '#watch'
import { compactObject } from '../../watch/compact/compact.ts'
import { ApiServer } from '../apiserver/api-server.ts'
import { testDirectory, waitUntil } from '../support/index.ts'
import { conformanceTests, type Origin, opened, type Raw } from './conformance.ts'
import { quick } from './kubernetes/support.ts'
import { log, service } from './objects.ts'

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
  const { metadata, ...rest } = JSON.parse(JSON.stringify(object))
  for (const name of ['uid', 'resourceVersion', 'creationTimestamp']) delete metadata[name]
  return { metadata, ...rest }
}

for (const [name, make] of Object.entries(origins)) {
  conformanceTests(name, make)

  test(`${name}: every kind arrives as decoded, before and after the first sync`, async (t) => {
    const origin = await make(t)
    const [early, late] = [fixtures.slice(0, 6), [...fixtures.slice(6), routes]]
    for (const object of early) await origin.put(object)
    const store = await opened(t, origin)
    for (const object of late) await origin.put(object)
    for (const raw of [...early, ...late]) {
      const decoded = decodeObject(raw)
      if (decoded.outcome !== 'object') throw new Error(`${raw.kind} does not decode`)
      const { kind, metadata } = decoded.object
      const found = await waitUntil(() => store.get(kind, keyFrom(metadata.namespace, metadata.name)), {
        what: raw.kind,
      })
      t.deepEqual(
        content(found),
        content(name === 'kubernetes' ? compactObject(decoded.object) : decoded.object),
      )
    }
  })

  test(`${name}: an invalid version is reported and the last good one stays`, async (t) => {
    const origin = await make(t)
    await origin.put(service('a'))
    const store = await opened(t, origin)
    await origin.put(service('a', { ports: [{ port: 70000 }] }))
    await waitUntil(() => store.status().problems.length > 0)
    const [problem] = store.status().problems
    t.is(problem?.object, 'Service shop/a')
    t.is(problem?.field, 'spec.ports[0].port')
    t.is(problem?.message, 'is 70000; expected a whole number from 1 to 65535')
    t.is(store.get('Service', 'shop/a')?.spec.ports[0]?.port, 80)
    await origin.put(service('a', { ports: [{ port: 81 }] }))
    await waitUntil(() => store.get('Service', 'shop/a')?.spec.ports[0]?.port === 81)
    t.deepEqual(store.status().problems, [])
    await origin.put(service('a', { ports: [{ port: 70000 }] }))
    await waitUntil(() => store.status().problems.length > 0)
    await origin.delete(service('a'))
    await waitUntil(() => store.get('Service', 'shop/a') === undefined)
    await waitUntil(() => store.status().problems.length === 0)
  })
}
