import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type AnyObject, kubernetesSource, mustDecode, openStore } from '#watch'
import { readSnapshot, SnapshotError, writeSnapshot } from '../../watch/snapshot/snapshot-file.ts'
import { ApiServer } from '../apiserver/api-server.ts'
import { testDirectory, waitUntil } from '../support/index.ts'
import { quick } from './kubernetes/support.ts'
import { log, service, slice } from './objects.ts'

const folder = join(import.meta.dirname, 'kubernetes', 'fixtures')
const objects = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => mustDecode(JSON.parse(readFileSync(join(folder, name), 'utf8'))))

const byKind = (): [AnyObject['kind'], AnyObject[]][] => [...Map.groupBy(objects, ({ kind }) => kind)]

test('what is written is read again, bytes of Secrets included', async (t) => {
  const file = join(testDirectory(t), 'state', 'snapshot')
  await writeSnapshot(file, { scope: 'here', kinds: byKind() })
  const snapshot = await readSnapshot(file, 'here')
  const plain = (list: readonly unknown[]) => list.map((object) => JSON.parse(JSON.stringify(object)))
  for (const [kind, list] of byKind()) t.deepEqual(plain(snapshot?.objects.get(kind) ?? []), plain(list))
  const secret = snapshot?.objects.get('Secret')?.[0] as { data: Record<string, Buffer> } | undefined
  t.true(Buffer.isBuffer(secret?.data['tls.crt']))
  t.is(statSync(file).mode & 0o777, 0o600)
  t.deepEqual(readdirSync(join(file, '..')), ['snapshot'])
})

test('no snapshot, a damaged one, a cut off one, one of another cluster', async (t) => {
  const file = join(testDirectory(t), 'snapshot')
  t.is(await readSnapshot(file, 'here'), undefined)
  await writeSnapshot(file, { scope: 'here', kinds: byKind() })
  const good = readFileSync(file)
  for (let place = 0; place < good.length - 1; place += 97) {
    const damaged = Buffer.from(good)
    damaged[place] = (damaged[place] ?? 0) ^ 1
    writeFileSync(file, damaged)
    await t.throwsAsync(readSnapshot(file, 'here'), { instanceOf: SnapshotError })
    writeFileSync(file, good.subarray(0, place))
    await t.throwsAsync(readSnapshot(file, 'here'), { instanceOf: SnapshotError })
  }
  writeFileSync(file, good)
  await t.throwsAsync(readSnapshot(file, 'there'), { message: /another cluster/ })
})

test('an agent that starts while the API server is away serves the last state, and catches up', async (t) => {
  const server = await ApiServer.start()
  const directory = testDirectory(t)
  const kubeconfig = server.writeKubeconfig(join(directory, 'kubeconfig'))
  const snapshot = { file: join(directory, 'snapshot'), graceMs: 100, everyMs: 20 }
  t.teardown(() => server.stop())
  const open = () =>
    openStore({ source: kubernetesSource({ kubeconfig, log, timing: quick }), log, snapshot })
  server.put(service('a'), service('b'), slice('a-1', 'a', [{ addresses: ['10.1.0.1'] }]))
  server.put({ kind: 'Secret', metadata: { name: 's', namespace: 'shop' }, data: { x: 'AAE=' } } as never)
  const first = await open()
  server.put(service('c'))
  await waitUntil(() => first.get('Service', 'shop/c'))
  await first.close()

  server.network.refuse({ refusing: true })
  server.delete('Service', 'shop/b')
  const second = await open()
  t.teardown(() => second.close())
  t.true(second.synced)
  t.false(second.status().current)
  t.regex(second.status().detail ?? '', /Service.* from the snapshot of 20/)
  t.is(second.endpoints.of('shop/a').addresses[0]?.address, '10.1.0.1')
  t.deepEqual([...(second.get('Secret', 'shop/s')?.data['x'] ?? [])], [0, 1])
  const told: string[] = []
  second.subscribe({ name: 't', kinds: ['Service', 'EndpointSlice', 'Secret'], coalesceMs: 0 }, (changes) => {
    if (changes.initial) return
    for (const kind of ['Service', 'EndpointSlice', 'Secret'] as const) {
      for (const [key, { after }] of changes.objects(kind))
        told.push(`${kind} ${key} ${after ? 'is' : 'gone'}`)
    }
  })
  second.flush()
  const { written } = JSON.parse(readFileSync(snapshot.file, 'utf8').split('\n')[0] ?? '')
  await new Promise((resolve) => setTimeout(resolve, 60))
  // A snapshot is not written again as if it were news.
  t.is(JSON.parse(readFileSync(snapshot.file, 'utf8').split('\n')[0] ?? '').written, written)
  t.deepEqual(told, [])

  server.network.refuse({ refusing: false })
  await waitUntil(() => second.status().current)
  second.flush()
  t.deepEqual(told, ['Service shop/b gone'])
  await waitUntil(() => !readFileSync(snapshot.file, 'utf8').includes('"name":"b"'))
})

test('what changed last is in the snapshot of a store that is closed', async (t) => {
  const server = await ApiServer.start()
  t.teardown(() => server.stop())
  const directory = testDirectory(t)
  const kubeconfig = server.writeKubeconfig(join(directory, 'kubeconfig'))
  const snapshot = { file: join(directory, 'snapshot'), everyMs: 60_000 }
  server.put(service('a'))
  const source = kubernetesSource({ kubeconfig, log, timing: quick })
  const store = await openStore({ source, log, snapshot })
  server.put(service('b'))
  await waitUntil(() => store.get('Service', 'shop/b'))
  await store.close()
  t.true(readFileSync(snapshot.file, 'utf8').includes('"name":"b"'))
})

test('without a snapshot the start waits for the API server', async (t) => {
  const server = await ApiServer.start()
  const directory = testDirectory(t)
  const kubeconfig = server.writeKubeconfig(join(directory, 'kubeconfig'))
  server.network.refuse({ refusing: true })
  server.put(service('a'))
  const source = kubernetesSource({ kubeconfig, log, timing: quick })
  let opened = false
  const opening = openStore({ source, log, snapshot: { file: join(directory, 'none'), graceMs: 10 } }).then(
    (store) => {
      opened = true
      return store
    },
  )
  await waitUntil(() => source.status().problems.length > 0)
  t.false(opened)
  server.network.refuse({ refusing: false })
  const store = await opening
  t.is(store.size('Service'), 1)
  await store.close()
  await server.stop()
})
