// The real binary: flags, configuration errors, start, reload and stop.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type TestNamespace, testDirectory, testNamespace, tryCommand, waitUntil } from '../support/index.ts'

const plexus = join(import.meta.dirname, '..', '..', 'bin', 'plexus')

const corefile = '.:5300 {\n  bind 127.0.0.1\n  errors\n  kubernetes cluster.local\n}\n'
const service = (clusterIP: string): string => `
apiVersion: v1
kind: Service
metadata: { name: catalog, namespace: shop }
spec: { clusterIP: ${clusterIP}, ports: [{ name: http, port: 80 }] }
`

function agentFolder(t: ExecutionContext, extra = ''): { folder: string; config: string } {
  const folder = testDirectory(t, 'agent')
  mkdirSync(join(folder, 'cluster'))
  writeFileSync(join(folder, 'cluster', 'catalog.yaml'), service('10.96.0.20'))
  writeFileSync(join(folder, 'Corefile'), corefile)
  const config = join(folder, 'agent.yaml')
  writeFileSync(
    config,
    `nodeName: n1
manifests: [cluster]
health: { listen: 127.0.0.1:9253 }
control: { socket: agent.sock }
dns: { corefile: Corefile }
${extra}`,
  )
  return { folder, config }
}

async function startAgent(t: ExecutionContext, namespace: TestNamespace, folder: string, config: string) {
  const ready = join(folder, 'ready')
  const child = namespace.start([plexus, 'agent', '--config', config, '--ready-file', ready])
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()))
  await waitUntil(() => existsSync(ready) || child.exitCode !== null)
  t.true(existsSync(ready), log)
  return { child, ready, log: () => log }
}

test('a bad flag, a bad file and a bad component configuration end with 2 and one clear line', (t) => {
  const { folder, config } = agentFolder(t)
  const fails = (...argv: string[]): string => {
    const { status, stderr } = tryCommand([plexus, ...argv])
    t.is(status, 2, stderr)
    t.is(stderr.trim().split('\n').length, 1, stderr)
    return stderr
  }
  t.regex(fails('agent', '--config', config, '--confg', 'x'), /unknown option '--confg'/)
  t.regex(fails('agent'), /required option '--config <file>'/)
  t.regex(fails('agent', '--config', join(folder, 'none.yaml')), /none\.yaml: cannot be read/)
  t.regex(fails('overlay', '--manifests', folder), /--node-name is missing/)
  t.regex(fails('proxy', '--node-name', 'n1'), /give --manifests DIR/)
  t.regex(fails('proxy', '--node-name', 'n1', '--manifests', join(folder, 'none')), /none is no directory/)
  t.regex(fails('frobnicate'), /unknown command 'frobnicate'/)
  t.regex(fails('get', 'cheese'), /'cheese' is invalid.*services/)
  writeFileSync(join(folder, 'Corefile'), '.:5300 {\n  frobnicate\n}\n')
  t.regex(fails('agent', '--config', config), /Corefile:2.*frobnicate/)
  t.regex(fails('agent', '--config', config, '--check'), /Corefile:2.*frobnicate/)
})

test('--check accepts a good configuration and starts nothing', (t) => {
  const { config } = agentFolder(t)
  const { status, stdout } = tryCommand([plexus, 'agent', '--config', config, '--check'])
  t.is(status, 0)
  t.regex(stdout, /agent\.yaml: good/)
})

test('the agent serves, follows its files, answers status and stops with 0', async (t) => {
  const { folder, config } = agentFolder(t)
  const namespace = testNamespace(t, 'agent')
  const { child, ready, log } = await startAgent(t, namespace, folder, config)
  const dig = (name: string): string =>
    namespace.run('dig', '+short', '+time=2', '@127.0.0.1', '-p', '5300', name).trim()
  t.is(dig('catalog.shop.svc.cluster.local'), '10.96.0.20')

  const readyz = JSON.parse(namespace.run('curl', '-s', 'http://127.0.0.1:9253/readyz')) as { ready: boolean }
  t.true(readyz.ready)
  t.regex(namespace.run('curl', '-s', 'http://127.0.0.1:9253/metrics'), /process_cpu_seconds_total/)
  const status = tryCommand([plexus, 'status', '--socket', join(folder, 'agent.sock')])
  t.is(status.status, 0, status.stderr)
  t.regex(status.stdout, /dns\s+ready/)

  writeFileSync(join(folder, 'cluster', 'catalog.yaml'), service('10.96.0.21'))
  await waitUntil(() => dig('catalog.shop.svc.cluster.local') === '10.96.0.21')

  // A bad manifest is told with its line; what was good goes on.
  writeFileSync(join(folder, 'cluster', 'bad.yaml'), 'kind: Service\nmetadata: [\n')
  await waitUntil(() =>
    /bad\.yaml/.test(tryCommand([plexus, 'status', '--socket', join(folder, 'agent.sock')]).stdout),
  )
  t.is(dig('catalog.shop.svc.cluster.local'), '10.96.0.21')

  // A bad configuration file is refused while running; the agent serves on.
  const good = readFileSync(config, 'utf8')
  writeFileSync(config, `${good}nonsense: 1\n`)
  await waitUntil(() => log().includes('nonsense'))
  t.is(dig('catalog.shop.svc.cluster.local'), '10.96.0.21')

  child.kill('SIGTERM')
  await waitUntil(() => child.exitCode !== null)
  t.is(child.exitCode, 0, log())
  t.false(existsSync(ready))
  t.is(tryCommand([plexus, 'status', '--socket', join(folder, 'agent.sock')]).status, 1)
})

test('a changed configuration starts, restarts and stops what it concerns, and nothing else', async (t) => {
  const { folder, config } = agentFolder(t)
  const { child, log } = await startAgent(t, testNamespace(t, 'reload'), folder, config)
  const good = readFileSync(config, 'utf8')
  const starts = (component: string): number =>
    log().match(new RegExp(`"component":"${component}","ms":\\d+,"msg":"component serves"`, 'g'))?.length ?? 0
  const reloads = (): number => log().match(/configuration reloaded/g)?.length ?? 0
  // The ready file is there before all of the log has come through its pipe.
  await waitUntil(() => starts('dns') === 1)
  t.is(starts('cni'), 0)

  writeFileSync(config, `${good}cni: { socket: first.sock }\n`)
  await waitUntil(() => reloads() === 1)
  t.true(existsSync(join(folder, 'first.sock')))

  writeFileSync(config, `${good}cni: { socket: second.sock }\n`)
  await waitUntil(() => reloads() === 2)
  t.deepEqual(
    [existsSync(join(folder, 'first.sock')), existsSync(join(folder, 'second.sock'))],
    [false, true],
  )

  child.kill('SIGHUP')
  await waitUntil(() => reloads() === 3)
  t.deepEqual([starts('dns'), starts('cni')], [1, 2], log())

  writeFileSync(config, good)
  await waitUntil(() => reloads() === 4)
  t.false(existsSync(join(folder, 'second.sock')))
  t.is(starts('dns'), 1)
})

test('a component whose port is taken makes the agent not ready, and starts when the port is free', async (t) => {
  const { folder, config } = agentFolder(t)
  const namespace = testNamespace(t, 'taken')
  const squatter = namespace.start([
    process.execPath,
    '-e',
    "require('node:net').createServer().listen(5300, '127.0.0.1', () => console.log('up'))",
  ])
  await new Promise((resolve) => squatter.stdout?.once('data', resolve))
  await startAgent(t, namespace, folder, config)
  const readyz = (): { ready: boolean; components: { dns: { detail?: string } } } =>
    JSON.parse(namespace.run('curl', '-s', 'http://127.0.0.1:9253/readyz'))
  t.false(readyz().ready)
  t.regex(readyz().components.dns.detail ?? '', /5300/)
  squatter.kill('SIGKILL')
  await waitUntil(() => readyz().ready)
  t.pass()
})
