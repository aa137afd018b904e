import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Registry } from 'prom-client'
import { describeProblem, ManifestDirectoryError, manifestSource, openStore, type Store } from '#watch'
import { sleep, testDirectory, waitUntil } from '../support/index.ts'
import { log } from './objects.ts'

/** A Service as YAML; `port` is the line after `  - `. */
function serviceYaml(name: string, clusterIP: string, port = 'port: 80'): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: ${name}
  namespace: shop
spec:
  clusterIP: ${clusterIP}
  ports:
  - ${port}
`
}

async function storeOn(t: ExecutionContext, ...directories: string[]): Promise<Store> {
  const store = await openStore({ source: manifestSource({ directories, log }), log })
  t.teardown(() => store.close())
  return store
}

function ipOf(store: Store, name: string): string | undefined {
  return store.get('Service', `shop/${name}`)?.spec.clusterIP
}

/** Problems as lines, the directory cut off. */
function problems(store: Store, directory: string): string[] {
  return store.status().problems.map((problem) => describeProblem(problem).replaceAll(`${directory}/`, ''))
}

function stateOf(store: Store, path: string): string | undefined {
  return store.status().files.find(({ file }) => file === path)?.state
}

test('reads folders recursively, several documents, Lists and JSON', async (t) => {
  const directory = testDirectory(t)
  mkdirSync(join(directory, 'deep/er'), { recursive: true })
  writeFileSync(
    join(directory, 'a.yaml'),
    `${serviceYaml('a', '10.96.0.1')}---\n${serviceYaml('b', '10.96.0.2')}`,
  )
  writeFileSync(
    join(directory, 'deep/er/c.json'),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'ServiceList',
      items: [
        {
          metadata: { name: 'c', namespace: 'shop' },
          spec: { clusterIP: '10.96.0.3', ports: [{ port: 1 }] },
        },
      ],
    }),
  )
  const item = serviceYaml('d', '10.96.0.4').trim().replaceAll('\n', '\n  ')
  writeFileSync(join(directory, 'd.yml'), `apiVersion: v1\nkind: List\nitems:\n- ${item}\n`)
  for (const name of ['.hidden.yaml', 'back.yaml~', 'off.yaml.skip', 'notes.txt']) {
    writeFileSync(join(directory, name), serviceYaml('ignored', '10.96.0.9'))
  }
  const store = await storeOn(t, directory)
  t.deepEqual([...store.list('Service')].map(({ metadata }) => metadata.name).sort(), ['a', 'b', 'c', 'd'])
  t.deepEqual(store.status().problems, [])
})

test('edits, new files in new folders, renames over a file and deletions show up', async (t) => {
  const directory = testDirectory(t)
  const file = join(directory, 'a.yaml')
  writeFileSync(file, serviceYaml('a', '10.96.0.1'))
  const store = await storeOn(t, directory)
  t.is(ipOf(store, 'a'), '10.96.0.1')
  const created = store.get('Service', 'shop/a')?.metadata.creationTimestamp
  const version = store.get('Service', 'shop/a')?.metadata.resourceVersion

  writeFileSync(file, serviceYaml('a', '10.96.0.2'))
  await waitUntil(() => ipOf(store, 'a') === '10.96.0.2', { what: 'the edit' })
  t.is(store.get('Service', 'shop/a')?.metadata.creationTimestamp, created)
  t.true(Number(store.get('Service', 'shop/a')?.metadata.resourceVersion) > Number(version))

  writeFileSync(join(directory, 'new.tmp'), serviceYaml('a', '10.96.0.3'))
  renameSync(join(directory, 'new.tmp'), file)
  await waitUntil(() => ipOf(store, 'a') === '10.96.0.3', { what: 'the rename' })

  mkdirSync(join(directory, 'more/still'), { recursive: true })
  writeFileSync(join(directory, 'more/still/b.yaml'), serviceYaml('b', '10.96.0.4'))
  await waitUntil(() => ipOf(store, 'b') === '10.96.0.4', { what: 'a file in a new folder' })
  writeFileSync(join(directory, 'more/still/b.yaml'), serviceYaml('b', '10.96.0.5'))
  await waitUntil(() => ipOf(store, 'b') === '10.96.0.5', { what: 'an edit in a new folder' })

  rmSync(file)
  await waitUntil(() => ipOf(store, 'a') === undefined, { what: 'the deletion' })
  rmSync(join(directory, 'more'), { recursive: true })
  await waitUntil(() => ipOf(store, 'b') === undefined, { what: 'the deletion of a folder' })
})

test('a file that does not parse keeps its objects; the problem has line and column; others go on', async (t) => {
  const directory = testDirectory(t)
  const file = join(directory, 'a.yaml')
  writeFileSync(file, serviceYaml('a', '10.96.0.1'))
  const store = await storeOn(t, directory)
  writeFileSync(file, 'apiVersion: v1\nkind: Service\nmetadata: {name: a\nspec: [\n')
  writeFileSync(join(directory, 'b.yaml'), serviceYaml('b', '10.96.0.2'))
  await waitUntil(() => stateOf(store, file) === 'degraded', { what: 'the problem' })
  t.is(ipOf(store, 'a'), '10.96.0.1')
  t.is(ipOf(store, 'b'), '10.96.0.2')
  const [problem] = store.status().problems
  t.is(problem?.file, file)
  t.true((problem?.line ?? 0) >= 3 && (problem?.column ?? 0) >= 1)
  writeFileSync(file, serviceYaml('a', '10.96.0.3'))
  await waitUntil(() => ipOf(store, 'a') === '10.96.0.3', { what: 'the repair' })
  t.is(stateOf(store, file), 'ok')
  t.deepEqual(store.status().problems, [])
})

test('an invalid document keeps only its own object at the last good version', async (t) => {
  const directory = testDirectory(t)
  const file = join(directory, 'a.yaml')
  writeFileSync(file, `${serviceYaml('a', '10.96.0.1')}---\n${serviceYaml('b', '10.96.0.2')}`)
  const store = await storeOn(t, directory)
  const bad = serviceYaml('a', '10.96.0.9', 'port: 0')
  writeFileSync(file, `${bad}---\n${serviceYaml('b', '10.96.0.3')}---\n${serviceYaml('c', '10.96.0.300')}`)
  await waitUntil(() => ipOf(store, 'b') === '10.96.0.3', { what: 'the good document' })
  t.is(ipOf(store, 'a'), '10.96.0.1')
  t.is(ipOf(store, 'c'), undefined)
  t.deepEqual(problems(store, directory), [
    'a.yaml:9:11: Service shop/a spec.ports[0].port is 0; expected a whole number from 1 to 65535',
    'a.yaml:27:14: Service shop/c spec.clusterIP is "10.96.0.300"; expected an IP address, None or nothing',
  ])
  t.is(stateOf(store, file), 'rejected')
})

test('a document that names no object deletes nothing of its file', async (t) => {
  const directory = testDirectory(t)
  const file = join(directory, 'a.yaml')
  writeFileSync(file, serviceYaml('a', '10.96.0.1'))
  const store = await storeOn(t, directory)
  writeFileSync(file, `apiVersion: v1\nkind: Service\n---\n${serviceYaml('b', '10.96.0.2')}`)
  await waitUntil(() => ipOf(store, 'b') !== undefined, { what: 'the other document' })
  t.is(ipOf(store, 'a'), '10.96.0.1')
  t.is(stateOf(store, file), 'degraded')
})

test('of two files with one object the first by path wins, whatever was written last', async (t) => {
  const first = testDirectory(t)
  const second = testDirectory(t)
  writeFileSync(join(first, 'z.yaml'), serviceYaml('a', '10.96.0.1'))
  writeFileSync(join(second, 'a.yaml'), serviceYaml('a', '10.96.0.2'))
  const store = await storeOn(t, first, second)
  t.is(ipOf(store, 'a'), '10.96.0.1')
  t.regex(
    problems(store, second)[0] ?? '',
    /^a\.yaml:1:1: Service shop\/a is defined in .*z\.yaml:1 too, which wins/,
  )
  writeFileSync(join(second, 'a.yaml'), serviceYaml('a', '10.96.0.3'))
  writeFileSync(join(first, 'b.yaml'), serviceYaml('a', '10.96.0.4'))
  await waitUntil(() => ipOf(store, 'a') === '10.96.0.4', { what: 'the earlier path' })
  rmSync(join(first, 'b.yaml'))
  rmSync(join(first, 'z.yaml'))
  await waitUntil(() => ipOf(store, 'a') === '10.96.0.3', { what: 'the one left' })
  t.deepEqual(store.status().problems, [])
})

test('a half-written or emptied file deletes nothing while it is being written', async (t) => {
  const directory = testDirectory(t)
  const file = join(directory, 'a.yaml')
  const text = `${serviceYaml('a', '10.96.0.1')}---\n${serviceYaml('b', '10.96.0.2')}`
  writeFileSync(file, text)
  const store = await storeOn(t, directory)
  const deleted: string[] = []
  store.subscribe({ name: 't', kinds: ['Service'], coalesceMs: 0 }, (changes) => {
    for (const [key, { after }] of changes.objects('Service')) if (after === undefined) deleted.push(key)
  })
  const changed = text.replace('10.96.0.2', '10.96.0.7')
  writeFileSync(file, '')
  await sleep(40)
  writeFileSync(file, changed.slice(0, 60)) // ends in the middle of a key
  await sleep(25)
  appendFileSync(file, changed.slice(60))
  await waitUntil(() => ipOf(store, 'b') === '10.96.0.7', { what: 'the whole file' })
  t.deepEqual(deleted, [])
  t.deepEqual(store.status().problems, [])
})

test('a file that stays empty has no objects', async (t) => {
  const directory = testDirectory(t)
  const file = join(directory, 'a.yaml')
  writeFileSync(file, serviceYaml('a', '10.96.0.1'))
  const store = await storeOn(t, directory)
  writeFileSync(file, '')
  await waitUntil(() => ipOf(store, 'a') === undefined, { what: 'the deletion' })
  t.is(stateOf(store, file), 'ok')
})

test('a status file lays a status over its object, before or after it comes', async (t) => {
  const directory = testDirectory(t)
  const podYaml = (name: string) =>
    `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: shop}\nspec: {containers: [{name: main}]}\n`
  const statusYaml = (name: string, ip: string) =>
    `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: shop}\nspec: {nodeName: ignored}\nstatus: {podIP: ${ip}, phase: Running}\n`
  writeFileSync(join(directory, 'early.status.yaml'), statusYaml('early', '10.1.0.1'))
  writeFileSync(join(directory, 'late.yaml'), podYaml('late'))
  const store = await storeOn(t, directory)
  const status = (name: string) => store.get('Pod', `shop/${name}`)?.status
  t.is(status('early'), undefined)
  t.is(status('late')?.phase, 'Pending')
  writeFileSync(join(directory, 'early.yaml'), podYaml('early'))
  writeFileSync(join(directory, 'late.status.yaml'), statusYaml('late', '10.1.0.2'))
  await waitUntil(() => status('early')?.podIP === '10.1.0.1', { what: 'the early status' })
  await waitUntil(() => status('late')?.podIP === '10.1.0.2', { what: 'the late status' })
  t.deepEqual(status('late')?.podIPs, ['10.1.0.2'])
  t.is(store.get('Pod', 'shop/late')?.spec.nodeName, '')

  writeFileSync(join(directory, 'late.status.yaml'), statusYaml('late', '10.1.0.2222'))
  await waitUntil(() => store.status().problems.length > 0, { what: 'the problem' })
  t.regex(
    problems(store, directory)[0] ?? '',
    /^late\.status\.yaml:5:\d+: Pod shop\/late status\.podIP is "10\.1\.0\.2222"/,
  )
  t.is(status('late')?.podIP, '10.1.0.2')

  rmSync(join(directory, 'late.status.yaml'))
  await waitUntil(() => status('late')?.phase === 'Pending', { what: 'the status to go' })
  t.deepEqual(store.status().problems, [])
})

test('the swap of a ConfigMap mount is one change', async (t) => {
  const mount = testDirectory(t)
  const fill = (version: string, ip: string) => {
    mkdirSync(join(mount, version))
    writeFileSync(join(mount, version, 'a.yaml'), serviceYaml('a', ip))
    symlinkSync(version, join(mount, '..data_tmp'))
    renameSync(join(mount, '..data_tmp'), join(mount, '..data'))
  }
  fill('..2026_01', '10.96.0.1')
  symlinkSync('..data/a.yaml', join(mount, 'a.yaml'))
  const store = await storeOn(t, mount)
  t.is(ipOf(store, 'a'), '10.96.0.1')
  t.is(store.status().files.length, 1)
  fill('..2026_02', '10.96.0.2')
  rmSync(join(mount, '..2026_01'), { recursive: true })
  await waitUntil(() => ipOf(store, 'a') === '10.96.0.2', { what: 'the swap' })
})

test('a symlink that leads back above itself is not followed for ever', async (t) => {
  const directory = testDirectory(t)
  mkdirSync(join(directory, 'sub'))
  symlinkSync('..', join(directory, 'sub/up'))
  writeFileSync(join(directory, 'a.yaml'), serviceYaml('a', '10.96.0.1'))
  const store = await storeOn(t, directory)
  t.is(store.status().files.length, 1)
  t.deepEqual(store.status().problems, [])
})

test('unknown kinds and versions are warnings with file and line; nothing is rejected', async (t) => {
  const directory = testDirectory(t)
  const deployment = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n'
  const old = 'apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: x}\n'
  const file = join(directory, 'a.yaml')
  writeFileSync(file, `${serviceYaml('a', '10.96.0.1')}---\n${deployment}---\n${deployment}---\n${old}`)
  const store = await storeOn(t, directory)
  t.is(stateOf(store, file), 'ok')
  t.true(store.status().problems.every(({ severity }) => severity === 'warning'))
  t.deepEqual(problems(store, directory), [
    'a.yaml:11:1: apps/v1 Deployment is not used by Plexus',
    'a.yaml:19:1: Ingress of extensions/v1beta1 cannot be read; use networking.k8s.io/v1',
  ])
})

test('a root that goes away keeps its objects, and is followed again when it is back', async (t) => {
  const directory = testDirectory(t)
  const root = join(directory, 'manifests')
  mkdirSync(root)
  writeFileSync(join(root, 'a.yaml'), serviceYaml('a', '10.96.0.1'))
  const source = manifestSource({ directories: [root], log, rescanMs: 50 })
  const store = await openStore({ source, log })
  t.teardown(() => store.close())
  renameSync(root, join(directory, 'away'))
  await waitUntil(() => store.status().problems.length > 0, { what: 'the problem' })
  t.is(ipOf(store, 'a'), '10.96.0.1')
  mkdirSync(root)
  writeFileSync(join(root, 'a.yaml'), serviceYaml('a', '10.96.0.2'))
  await waitUntil(() => ipOf(store, 'a') === '10.96.0.2', { what: 'the new root' })
  t.deepEqual(store.status().problems, [])
})

test('a root that is back is taken over as a whole, whichever of its files is heard of first', async (t) => {
  const directory = testDirectory(t)
  const [root, away] = [join(directory, 'manifests'), join(directory, 'away')]
  mkdirSync(root)
  writeFileSync(join(root, 'a.yaml'), serviceYaml('a', '10.96.0.1'))
  const store = await storeOn(t, root)
  renameSync(root, away)
  // Its watch goes on in the folder moved away; what it reports of a.yaml makes us look.
  writeFileSync(join(away, 'a.yaml'), serviceYaml('a', '10.96.0.9'))
  await waitUntil(() => store.status().problems.length > 0, { what: 'the problem' })
  mkdirSync(root)
  writeFileSync(join(root, 'a.yaml'), serviceYaml('a', '10.96.0.2'))
  writeFileSync(join(root, 'b.yaml'), serviceYaml('b', '10.96.0.3'))
  writeFileSync(join(away, 'a.yaml'), serviceYaml('a', '10.96.0.9'))
  const seen: string[] = []
  store.subscribe({ name: 't', kinds: ['Service'], coalesceMs: 0 }, () => {
    seen.push(`${ipOf(store, 'a')} ${ipOf(store, 'b')} ${store.status().problems.length}`)
  })
  await waitUntil(() => ipOf(store, 'a') === '10.96.0.2', { what: 'the new root' })
  t.deepEqual(store.status().problems, [])
  store.flush()
  t.deepEqual(seen.slice(1), ['10.96.0.2 10.96.0.3 0'])
})

test('the periodic look-through finds what no watch reports', async (t) => {
  const directory = testDirectory(t)
  const outside = testDirectory(t)
  writeFileSync(join(outside, 'a.yaml'), serviceYaml('a', '10.96.0.1'))
  symlinkSync(join(outside, 'a.yaml'), join(directory, 'a.yaml'))
  const source = manifestSource({ directories: [directory], log, rescanMs: 50 })
  const store = await openStore({ source, log })
  t.teardown(() => store.close())
  writeFileSync(join(outside, 'a.yaml'), serviceYaml('a', '10.96.0.2'))
  await waitUntil(() => ipOf(store, 'a') === '10.96.0.2', { what: 'the edit behind the symlink' })
  t.is(store.status().files.length, 1)
})

test('a missing directory is refused at start, by name', async (t) => {
  const directory = join(testDirectory(t), 'nowhere')
  const error = await t.throwsAsync(
    openStore({ source: manifestSource({ directories: [directory], log }), log }),
    {
      instanceOf: ManifestDirectoryError,
    },
  )
  t.true(error.message.includes(directory))
})

test('uids are the same in every process, and metrics tell files, objects and problems', async (t) => {
  const directory = testDirectory(t)
  writeFileSync(join(directory, 'a.yaml'), serviceYaml('a', '10.96.0.1'))
  writeFileSync(join(directory, 'b.yaml'), 'kind: [')
  const metrics = new Registry()
  const store = await openStore({
    source: manifestSource({ directories: [directory], log, metrics }),
    log,
    metrics,
  })
  t.teardown(() => store.close())
  const other = await storeOn(t, directory)
  const uid = store.get('Service', 'shop/a')?.metadata.uid
  t.regex(uid ?? '', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  t.is(other.get('Service', 'shop/a')?.metadata.uid, uid)
  const text = await metrics.metrics()
  t.regex(text, /plexus_watch_objects\{kind="Service"\} 1/)
  t.regex(text, /plexus_watch_source_files\{state="rejected"\} 1/)
  t.regex(text, /plexus_watch_source_problems\{severity="error"\} [1-9]/)
  t.regex(text, /plexus_watch_events_total\{kind="Service",type="added"\} 1/)
})
