import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, connect as dialTcp } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { KubeconfigError, kubernetesSource, needsOf, openStore } from '#watch'
import { ExecPlugin } from '../../../watch/kubernetes/configuration/exec-credential.ts'
import { needingComponents } from '../../../watch/kubernetes/needs.ts'
import { ApiServer } from '../../apiserver/api-server.ts'
import { makeCertificates } from '../../apiserver/certificates.ts'
import { testDirectory, waitUntil } from '../../support/index.ts'
import { log, service } from '../objects.ts'
import { cluster, quick } from './support.ts'

test('a token in a file is read again when it is rotated, and at once after a 401', async (t) => {
  const server = await ApiServer.start({ token: 'one' })
  const directory = testDirectory(t)
  writeFileSync(join(directory, 'token'), 'one\n')
  const kubeconfig = server.writeKubeconfig(join(directory, 'kubeconfig'), { tokenFile: 'token' })
  const source = kubernetesSource({ kubeconfig, log, timing: { ...quick, tokenFreshMs: 60_000 } })
  t.teardown(() => source.stop().then(() => server.stop()))
  server.put(service('a'))
  const store = await openStore({ source, log })
  server.token = 'two'
  writeFileSync(join(directory, 'token'), 'two')
  for (const watch of server.watches) watch.end()
  server.put(service('b'))
  await waitUntil(() => store.get('Service', 'shop/b'))
  // An empty file, as while it is being replaced, does not take the token away.
  writeFileSync(join(directory, 'token'), '')
  for (const watch of server.watches) watch.end()
  server.put(service('c'))
  await waitUntil(() => store.get('Service', 'shop/c'))
  t.is(store.size('Service'), 3)
})

test('in-cluster: token and authority of the service account', async (t) => {
  const server = await ApiServer.start({ token: 'pod' })
  const directory = testDirectory(t)
  writeFileSync(join(directory, 'token'), 'pod')
  writeFileSync(join(directory, 'namespace'), 'kube-system')
  writeFileSync(join(directory, 'ca.crt'), server.certificates?.ca ?? '')
  const source = kubernetesSource({ inCluster: directory, apiServer: server.url, log, timing: quick })
  t.teardown(() => source.stop().then(() => server.stop()))
  server.put(service('a'))
  const store = await openStore({ source, log })
  t.is(store.size('Service'), 1)
  t.is(source.namespace, 'kube-system')
})

test('an exec plugin is run once, and again after a 401', async (t) => {
  const server = await ApiServer.start({ token: 'token-1' })
  const directory = testDirectory(t)
  const plugin = join(directory, 'plugin')
  writeFileSync(
    plugin,
    `#!/bin/sh
echo x >> "$COUNT"
n=$(wc -l < "$COUNT" | tr -d ' ')
echo "$KUBERNETES_EXEC_INFO" > "$COUNT.info"
echo "{\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"kind\\":\\"ExecCredential\\",\\"status\\":{\\"token\\":\\"token-$n\\"}}"
`,
    { mode: 0o755 },
  )
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: './plugin',
    env: [{ name: 'COUNT', value: join(directory, 'count') }],
    provideClusterInfo: true,
  }
  const kubeconfig = server.writeKubeconfig(join(directory, 'kubeconfig'), { exec })
  const source = kubernetesSource({ kubeconfig, log, timing: quick })
  t.teardown(() => source.stop().then(() => server.stop()))
  server.put(service('a'))
  const store = await openStore({ source, log })
  t.is(readFileSync(join(directory, 'count'), 'utf8'), 'x\n')
  const info = JSON.parse(readFileSync(join(directory, 'count.info'), 'utf8'))
  t.is(info.spec.cluster.server, server.url)
  server.token = 'token-2'
  for (const watch of server.watches) watch.end()
  server.put(service('b'))
  await waitUntil(() => store.get('Service', 'shop/b'))
})

test('a late 401 to an old token does not cost the new one', async (t) => {
  const directory = testDirectory(t)
  const command = join(directory, 'plugin')
  const body =
    '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t$n"}}'
  writeFileSync(
    command,
    `#!/bin/sh\necho x >> ${directory}/count\nn=$(wc -l < ${directory}/count | tr -d ' ')\necho ${JSON.stringify(body)}\n`,
    { mode: 0o755 },
  )
  const settings = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command,
    args: [],
    env: [],
    installHint: '',
  }
  const plugin = new ExecPlugin(settings, { where: 'user x', onCertificate: () => {} })
  const token = async () => (await plugin.credential()).token
  t.is(await token(), 't1')
  plugin.rejected('t1')
  t.is(await token(), 't2')
  plugin.rejected('t1')
  t.is(await token(), 't2')
})

test('a client certificate that is replaced on disk is used for a new connection', async (t) => {
  const server = await ApiServer.start()
  const directory = testDirectory(t)
  const write = () => {
    const { cert, key } = makeCertificates('client')
    writeFileSync(join(directory, 'client.crt'), cert)
    writeFileSync(join(directory, 'client.key'), key)
  }
  write()
  const kubeconfig = server.writeKubeconfig(join(directory, 'kubeconfig'), {
    'client-certificate': 'client.crt',
    'client-key': 'client.key',
  })
  const source = kubernetesSource({ kubeconfig, log, timing: quick })
  t.teardown(() => source.stop().then(() => server.stop()))
  const store = await openStore({ source, log })
  t.is(server.network.connections, 1)
  write()
  await waitUntil(() => {
    for (const watch of server.watches) watch.end()
    return server.network.connections > 1
  })
  server.put(service('a'))
  await waitUntil(() => store.get('Service', 'shop/a'))
})

test('proxy-url: a tunnel through an HTTP proxy', async (t) => {
  const server = await ApiServer.start()
  const asked: string[] = []
  const proxy = createServer((near) => {
    near.once('data', (head) => {
      asked.push(head.toString().split('\r\n')[0] ?? '')
      const far = dialTcp(Number(asked[0]?.split(' ')[1]?.split(':')[1]), '127.0.0.1')
      near.write('HTTP/1.1 200 Connection established\r\n\r\n')
      near.pipe(far).pipe(near)
      near.on('error', () => {})
      far.on('error', () => {})
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const directory = testDirectory(t)
  const kubeconfig = server.writeKubeconfig(join(directory, 'kubeconfig'))
  const config = JSON.parse(readFileSync(kubeconfig, 'utf8'))
  config.clusters[0].cluster['proxy-url'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  writeFileSync(kubeconfig, JSON.stringify(config))
  const source = kubernetesSource({ kubeconfig, log, timing: quick })
  t.teardown(async () => {
    await source.stop()
    await server.stop()
    proxy.close()
  })
  server.put(service('a'))
  const store = await openStore({ source, log })
  t.is(store.size('Service'), 1)
  t.deepEqual(asked, [`CONNECT 127.0.0.1:${server.network.port} HTTP/1.1`])
})

test('a server whose certificate another authority signed is not trusted', async (t) => {
  const { server, directory } = await cluster(t)
  const kubeconfig = server.writeKubeconfig(join(directory, 'other'))
  const config = JSON.parse(readFileSync(kubeconfig, 'utf8'))
  config.clusters[0].cluster['certificate-authority-data'] = Buffer.from(makeCertificates().ca).toString(
    'base64',
  )
  writeFileSync(kubeconfig, JSON.stringify(config))
  const source = kubernetesSource({ kubeconfig, log, timing: quick })
  t.teardown(() => source.stop())
  void source.start({ apply: () => {}, replace: () => {}, replaceAll: () => {} })
  await waitUntil(() => source.status().problems.some(({ message }) => /certificate/.test(message)))
  t.is(server.requests.length, 0)
})

test('what is wrong with a kubeconfig is said with file and field', (t) => {
  const directory = testDirectory(t)
  const file = join(directory, 'kubeconfig')
  const base = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    clusters: [{ name: 'k', cluster: { server: 'https://x:6443' } }],
    users: [{ name: 'u', user: { token: 't' } }],
  }
  const cases: [unknown, RegExp][] = [
    [{ ...base, 'current-context': 'other' }, /contexts has no context named other/],
    [{ ...base, clusters: [] }, /clusters has no cluster named k/],
    [
      { ...base, clusters: [{ name: 'k', cluster: { server: 5 } }] },
      /clusters\[0\]\.cluster\.server is 5; expected a string/,
    ],
    [{ ...base, clusters: [{ name: 'k', cluster: { server: 'x' } }] }, /x is no https/],
    [{ ...base, users: [{ name: 'u', user: { exec: { command: 'a' } } }] }, /exec\.apiVersion is missing/],
  ]
  mkdirSync(directory, { recursive: true })
  for (const [config, message] of cases) {
    writeFileSync(file, JSON.stringify(config))
    const error = t.throws(() => kubernetesSource({ kubeconfig: file, log }), { instanceOf: KubeconfigError })
    t.true(error.message.startsWith(`${file}: `), error.message)
    t.regex(error.message, message)
  }
  t.throws(() => kubernetesSource({ kubeconfig: join(directory, 'none'), log }), {
    message: /none: cannot be read/,
  })
})

test('custom resources appear and disappear while we run', async (t) => {
  const { server, open } = await cluster(t)
  server.hidden.add('apisixroutes')
  const store = await open()
  t.true(store.synced)
  const route = {
    apiVersion: 'apisix.apache.org/v2',
    kind: 'ApisixRoute',
    metadata: { name: 'r', namespace: 'shop' },
    spec: {
      http: [{ name: 'x', match: { paths: ['/*'] }, backends: [{ serviceName: 'a', servicePort: 80 }] }],
    },
  }
  server.put(route)
  server.hidden.delete('apisixroutes')
  await waitUntil(() => store.get('ApisixRoute', 'shop/r'))
  server.hidden.add('apisixroutes')
  await waitUntil(() => store.get('ApisixRoute', 'shop/r') === undefined)
  t.is(store.size('ApisixRoute'), 0)
})

test('ServiceImports are for DNS alone, and read where a cluster has them', async (t) => {
  const { server, open } = await cluster(t, {}, { components: ['dns'] })
  server.hidden.add('serviceimports')
  const store = await open()
  t.true(store.synced)
  t.deepEqual(server.requestsOf('list', 'serviceimports'), [])
  const metadata = { name: 'catalog', namespace: 'shop' }
  const spec = { type: 'ClusterSetIP', ips: ['10.42.0.1'], ports: [{ port: 80 }] }
  server.put({ kind: 'ServiceImport', metadata, spec } as never)
  server.hidden.delete('serviceimports')
  const found = await waitUntil(() => store.get('ServiceImport', 'shop/catalog'))
  t.deepEqual(found?.spec.ips, ['10.42.0.1'])
  const others = needingComponents.filter((component) => component !== 'dns')
  const needed = others.flatMap((component) => needsOf(component).map(({ kind }) => kind))
  t.false(needed.includes('ServiceImport'))
})

test('selectors: a node sees what concerns it, and sees it leave', async (t) => {
  const kinds = [{ kind: 'Pod' as const, fieldSelector: 'spec.nodeName=node1' }]
  const { server, open } = await cluster(t, {}, { kinds })
  const pod = (name: string, nodeName: string) => ({
    kind: 'Pod',
    metadata: { name, namespace: 'shop' },
    spec: { nodeName, containers: [{ name: 'c' }] },
  })
  server.put(pod('here', 'node1'), pod('there', 'node2'))
  const store = await open()
  t.deepEqual(
    [...store.list('Pod')].map(({ metadata }) => metadata.name),
    ['here'],
  )
  server.put(pod('there', 'node1'), pod('here', 'node2'))
  await waitUntil(() => store.get('Pod', 'shop/there') && !store.get('Pod', 'shop/here'))
})
