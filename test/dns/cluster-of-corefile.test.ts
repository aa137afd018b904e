/** `plexus dns` without --manifests or --kubeconfig: the cluster is where the Corefile's kubernetes plugin says. */
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { CorefileError, kubernetesDirective, parseCorefile } from '#dns'
import { ApiServer } from '../apiserver/api-server.ts'
import { testDirectory, tryCommand, waitUntil } from '../support/index.ts'
import { dig, freePort } from './support/index.ts'

const plexus = new URL('../../bin/plexus', import.meta.url).pathname
const environment = { ...process.env, KUBERNETES_SERVICE_HOST: '' }

const service = {
  kind: 'Service',
  metadata: { namespace: 'shop', name: 'catalog' },
  spec: { clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20'], ports: [{ port: 80 }] },
}

async function answerWith(t: ExecutionContext, directory: string, properties: string): Promise<string> {
  const [port, ready] = [await freePort(), join(directory, 'ready')]
  const corefile = join(directory, 'Corefile')
  writeFileSync(
    corefile,
    `.:${port} {\n  bind 127.0.0.1\n  kubernetes cluster.local {\n${properties}\n  }\n}\n`,
  )
  const argv = ['dns', '-conf', corefile, '-workers', '1', '--ready-file', ready, '--log-level=warn']
  const child = spawn(plexus, argv, { stdio: ['ignore', 'ignore', 'pipe'], env: environment })
  t.teardown(() => void child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await waitUntil(() => existsSync(ready) || child.exitCode !== null, { timeoutMs: 90_000 })
  t.is(child.exitCode, null, stderr)
  const { answer } = await dig(port, 'catalog.shop.svc.cluster.local', 'A')
  return answer.join()
}

test('kubeconfig FILE CONTEXT', async (t) => {
  const directory = testDirectory(t, 'corefile-kubeconfig')
  const server = await ApiServer.start({ token: 'secret' })
  t.teardown(() => server.stop())
  server.put(service)
  const file = server.writeKubeconfig(join(directory, 'kubeconfig'))
  t.regex(await answerWith(t, directory, `    kubeconfig ${file} test`), /A 10\.96\.0\.20$/)
})

test('endpoint URL with tls CERT KEY CACERT', async (t) => {
  const directory = testDirectory(t, 'corefile-endpoint')
  const server = await ApiServer.start()
  t.teardown(() => server.stop())
  server.put(service)
  const files = (['cert', 'key', 'ca'] as const).map((name) => {
    writeFileSync(join(directory, name), server.certificates?.[name] ?? '')
    return join(directory, name)
  })
  const properties = `    endpoint ${server.url}\n    tls ${files.join(' ')}`
  t.regex(await answerWith(t, directory, properties), /A 10\.96\.0\.20$/)
})

test('endpoint URL of a server that asks for nothing', async (t) => {
  const directory = testDirectory(t, 'corefile-plain')
  const server = await ApiServer.start({ mode: 'plain' })
  t.teardown(() => server.stop())
  server.put(service)
  t.regex(await answerWith(t, directory, `    endpoint ${server.url}`), /A 10\.96\.0\.20$/)
})

test('nothing named, and no pod: one line that says what to do, and 2', (t) => {
  const directory = testDirectory(t, 'corefile-nowhere')
  const corefile = join(directory, 'Corefile')
  writeFileSync(corefile, '.:5300 {\n  kubernetes cluster.local\n}\n')
  const { status, stderr } = tryCommand([plexus, 'dns', '-conf', corefile], { env: environment })
  t.is(status, 2, stderr)
  t.regex(
    stderr,
    /^plexus: .*Corefile:2: plugin\/kubernetes: where the cluster is described is missing: .*\n$/,
  )
})

test('what is wrong with it is said with file and line', (t) => {
  const read = (properties: string) =>
    kubernetesDirective(parseCorefile(`. {\n  kubernetes x {\n${properties}\n  }\n}`, 'C', {}))
  t.is(kubernetesDirective(parseCorefile('. {\n  whoami\n}', 'C', {})), undefined)
  t.like(read('ttl 3'), { where: 'C:2', kubeconfig: undefined, endpoint: undefined })
  for (const [properties, message] of [
    ['kubeconfig', /^C:3: plugin\/kubernetes: /],
    ['endpoint 10.0.0.1', /^C:3: plugin\/kubernetes: endpoint '10\.0\.0\.1' is no address/],
    ['endpoint http://a http://b', /^C:3: plugin\/kubernetes: /],
    ['endpoint https://a\ntls cert key', /^C:4: plugin\/kubernetes: /],
  ] as const)
    t.throws(() => read(properties), { instanceOf: CorefileError, message }, properties)
})
