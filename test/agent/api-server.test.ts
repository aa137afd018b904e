// The agent on an API server instead of manifests: follows it, and serves the last known state while it is away.
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ApiServer } from '../apiserver/api-server.ts'
import { command, startProcess, stopProcess, testDirectory, tryCommand, waitUntil } from '../support/index.ts'

const plexus = join(import.meta.dirname, '..', '..', 'bin', 'plexus')

const service = (name: string, clusterIP: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function startAgent(t: ExecutionContext, folder: string, config: string) {
  const ready = join(folder, 'ready')
  rmSync(ready, { force: true })
  const child = startProcess([plexus, 'agent', '--config', config, '--ready-file', ready])
  t.teardown(() => stopProcess(child))
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()))
  await waitUntil(() => existsSync(ready) || child.exitCode !== null)
  t.true(existsSync(ready), log)
  return child
}

test('an agent follows the API server, and starts from its snapshot while that is away', async (t) => {
  const server = await ApiServer.start({ token: 'secret' })
  t.teardown(() => server.stop())
  server.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } } as never)
  server.put(service('catalog', '10.96.0.20'))
  const folder = testDirectory(t, 'apiagent')
  server.writeKubeconfig(join(folder, 'kubeconfig'))
  const [dns, health] = [await freePort(), await freePort()]
  writeFileSync(join(folder, 'Corefile'), `.:${dns} {\n  bind 127.0.0.1\n  kubernetes cluster.local\n}\n`)
  const config = join(folder, 'agent.yaml')
  writeFileSync(
    config,
    JSON.stringify({
      nodeName: 'n1',
      kubeconfig: 'kubeconfig',
      snapshot: 'snapshot',
      health: { listen: `127.0.0.1:${health}` },
      control: { socket: 'agent.sock' },
      dns: { corefile: 'Corefile' },
    }),
  )
  const dig = (name: string): string => {
    const query = `${name}.shop.svc.cluster.local`
    return command(['dig', '+short', '+time=2', '@127.0.0.1', '-p', String(dns), query]).trim()
  }
  const readyz = () =>
    JSON.parse(command(['curl', '-s', `http://127.0.0.1:${health}/readyz`])) as {
      ready: boolean
      components: { cache: { ok: boolean; detail?: string } }
    }

  const first = await startAgent(t, folder, config)
  // A component that could not start at once is started again.
  await waitUntil(() => dig('catalog') === '10.96.0.20')
  server.put(service('orders', '10.96.0.30'))
  await waitUntil(() => dig('orders') === '10.96.0.30')
  t.true(readyz().ready)
  // Only what DNS needs is watched: no Ingress, no Secret.
  t.deepEqual(
    server.requests.filter(({ plural }) => plural === 'secrets' || plural === 'ingresses'),
    [],
  )
  await waitUntil(() => existsSync(join(folder, 'snapshot')))
  await stopProcess(first)

  server.network.refuse({ refusing: true })
  const second = await startAgent(t, folder, config)
  t.is(dig('catalog'), '10.96.0.20')
  t.true(readyz().ready)
  t.regex(readyz().components.cache.detail ?? '', /snapshot/)
  const status = tryCommand([plexus, 'status', '--socket', join(folder, 'agent.sock')])
  t.regex(status.stdout, /cache\s+ready\s+.*snapshot/)

  server.delete('Service', 'shop/catalog')
  server.network.refuse({ refusing: false })
  await waitUntil(() => dig('catalog') === '')
  t.true(readyz().ready)
  await stopProcess(second)
})

test('a kubeconfig that cannot be used ends the start with 2 and names file and field', (t) => {
  const folder = testDirectory(t, 'badkube')
  writeFileSync(join(folder, 'kubeconfig'), 'apiVersion: v1\nkind: Config\ncurrent-context: nowhere\n')
  writeFileSync(
    join(folder, 'agent.yaml'),
    'nodeName: n1\nkubeconfig: kubeconfig\ncontrol: { socket: agent.sock }\n',
  )
  const { status, stderr } = tryCommand([plexus, 'agent', '--config', join(folder, 'agent.yaml')])
  t.is(status, 2, stderr)
  t.regex(stderr, /kubeconfig.*nowhere/)
  t.is(stderr.trim().split('\n').length, 1, stderr)
})
