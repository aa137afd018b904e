import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { parse, stringify } from 'yaml'
import {
  stopProcess,
  type Teardown,
  type TestNamespace,
  testDirectory,
  testNamespace,
  waitUntil,
} from '../support/index.ts'
import { node, service, slice } from './support/objects.ts'

const root = join(import.meta.dirname, '..', '..')
const bin = join(root, 'bin', 'plexus')

/** `plexus proxy` as a process in a namespace, on a directory of manifests. */
async function run(
  t: Teardown,
  options: { objects: Record<string, object>; args?: string[]; prepare?: (n: TestNamespace) => void },
) {
  const namespace = testNamespace(t, 'cmd')
  namespace.run('ip', 'addr', 'add', '192.0.2.1/32', 'dev', 'lo')
  options.prepare?.(namespace)
  const directory = testDirectory(t)
  const manifests = join(directory, 'manifests')
  mkdirSync(manifests)
  const put = (name: string, object: object) =>
    writeFileSync(join(manifests, `${name}.yaml`), stringify(object))
  for (const [name, object] of Object.entries(options.objects)) put(name, object)
  const ready = join(directory, 'ready')
  const child = namespace.start([
    bin,
    'proxy',
    '--manifests',
    manifests,
    '--node-name',
    'n1',
    '--ready-file',
    ready,
    ...(options.args ?? []),
  ])
  await waitUntil(() => existsSync(ready), { what: 'the ready file', timeoutMs: 60_000 })
  const curl = (url: string) => {
    const { stdout } = namespace.try('curl', '-sS', '-m', '5', '-D', '-', url)
    const [head = '', body = ''] = stdout.split('\r\n\r\n')
    return { code: Number(/^HTTP\S+ (\d+)/.exec(head)?.[1] ?? 0), head, body }
  }
  return { namespace, put, curl, stop: () => stopProcess(child) }
}

const taint = { key: 'ToBeDeletedByClusterAutoscaler', value: '1', effect: 'NoSchedule' }
const n1 = node({ name: 'n1', addresses: ['192.0.2.1'] })
const tainted = { ...n1, spec: { ...n1.spec, taints: [taint] } }

test.serial('health, metrics, mode and configuration are served where kube-proxy serves them', async (t) => {
  const { curl, put } = await run(t, {
    objects: { n1, web: service({ name: 'web' }) },
    args: ['--cluster-cidr=10.244.0.0/16', '-v', '2'],
  })
  const health = 'http://192.0.2.1:10256'
  await waitUntil(() => curl(`${health}/healthz`).code === 200, { what: '/healthz' })
  const answer = JSON.parse(curl(`${health}/healthz`).body)
  t.like(answer, {
    healthy: true,
    nodeEligible: true,
    status: { IPv4: { healthy: true }, IPv6: { healthy: true } },
  })
  t.is(answer.lastUpdated, answer.currentTime)
  put('n1', tainted)
  await waitUntil(() => curl(`${health}/healthz`).code === 503, { what: 'the taint' })
  t.false(JSON.parse(curl(`${health}/healthz`).body).nodeEligible)
  const live = curl(`${health}/livez`)
  t.is(live.code, 200)
  t.deepEqual(Object.keys(JSON.parse(live.body)), ['lastUpdated', 'currentTime', 'healthy', 'status'])

  const metrics = 'http://127.0.0.1:10249'
  const text = curl(`${metrics}/metrics`).body
  t.regex(text, /kubeproxy_proxy_healthz_total\{code="503"\} [1-9]/)
  t.regex(text, /kubeproxy_sync_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} [1-9]/)
  t.regex(text, /process_cpu_seconds_total/)
  t.is(curl(`${metrics}/proxyMode`).body, 'nftables')
  t.like(JSON.parse(curl(`${metrics}/configz`).body)['kubeproxy.config.k8s.io'], {
    clusterCIDR: '10.244.0.0/16',
    nftables: { syncPeriod: '30s', masqueradeBit: 14 },
    conntrack: { tcpEstablishedTimeout: '24h0m0s' },
  })
  t.is(curl('http://192.0.2.1:10249/metrics').code, 0, 'metrics are on loopback only')
})

test.serial(
  'healthCheckNodePort: 200 with local ready endpoints only, and the port follows the Service',
  async (t) => {
    const local = (healthCheckNodePort: number) =>
      service({
        name: 'web',
        vips: ['203.0.113.5'],
        ports: [{ port: 80, nodePort: 30_080 }],
        spec: { externalTrafficPolicy: 'Local', healthCheckNodePort },
      })
    const endpoints = (...list: Parameters<typeof slice>[0]['endpoints']) =>
      slice({ service: 'web', endpoints: list })
    const { curl, put } = await run(t, {
      objects: {
        n1,
        web: local(31_000),
        slice: endpoints(
          { address: '10.244.1.5', node: 'n1' },
          { address: '10.244.1.6', node: 'n1' },
          { address: '10.244.2.5', node: 'n2' },
        ),
      },
    })
    const url = (port = 31_000) => `http://192.0.2.1:${port}/`
    await waitUntil(() => curl(url()).code === 200, { what: 'the health check port' })
    const { head, body } = curl(url())
    t.regex(head, /x-load-balancing-endpoint-weight: 2\r/i)
    t.regex(head, /x-content-type-options: nosniff/i)
    t.deepEqual(JSON.parse(body), {
      service: { namespace: 'shop', name: 'web' },
      localEndpoints: 2,
      serviceProxyHealthy: true,
    })

    put('slice', endpoints({ address: '10.244.1.5', node: 'n1', terminating: true, serving: true }))
    await waitUntil(() => curl(url()).code === 503, { what: 'terminating endpoints not to count' })
    t.like(JSON.parse(curl(url()).body), { localEndpoints: 0 })
    put('slice', endpoints({ address: '10.244.1.5', node: 'n1' }))
    put('web', local(31_001))
    await waitUntil(() => curl(url(31_001)).code === 200, { what: 'the new port' })
    await waitUntil(() => curl(url()).code === 0, { what: 'the old port to close' })
  },
)

test.serial('a port that is taken is tried again, unless bindAddressHardFail', async (t) => {
  const { namespace, curl } = await run(t, {
    objects: { n1 },
    prepare: (ns) => void ns.start(['nc', '-lk', '10256']),
  })
  t.is(curl('http://127.0.0.1:10249/proxyMode').body, 'nftables')
  const manifests = testDirectory(t)
  const strict = namespace.try(
    ...[
      'timeout',
      '20',
      bin,
      'proxy',
      '--manifests',
      manifests,
      '--node-name',
      'n1',
      '--bind-address-hard-fail',
    ],
    ...['--healthz-bind-address=0.0.0.0:10256', '--metrics-bind-address='],
  )
  t.is(strict.status, 1)
  t.regex(strict.stderr, /EADDRINUSE/)
})

test.serial('a changed configuration file is taken over, a broken one is not', async (t) => {
  const file = join(testDirectory(t), 'config.yaml')
  const configure = (fields: object) =>
    writeFileSync(
      file,
      stringify({
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        ...fields,
      }),
    )
  configure({ nftables: { masqueradeAll: false } })
  const { curl, namespace, put } = await run(t, { objects: { n1 }, args: ['--config', file] })
  const masqueradeAll = (): unknown => {
    const { body } = curl('http://127.0.0.1:10249/configz')
    return body === '' ? undefined : JSON.parse(body)['kubeproxy.config.k8s.io'].nftables.masqueradeAll
  }
  await waitUntil(() => masqueradeAll() === false, { what: 'the configuration' })
  configure({ nftables: { masqueradeAll: true } })
  await waitUntil(() => masqueradeAll() === true, { what: 'the changed configuration' })
  configure({ nftables: { masqueradeAll: 'perhaps' } })
  put('web', service({ name: 'web' }))
  await waitUntil(() => namespace.nft('list', 'table', 'ip', 'plexus-proxy').includes('10.96.0.10'), {
    what: 'a Service that came after the broken file',
  })
  await waitUntil(() => masqueradeAll() !== undefined, { what: 'the listener' })
  t.is(masqueradeAll(), true)
})

test.serial('conntrack settings are written; --cleanup leaves the tables of others', async (t) => {
  const { namespace, stop } = await run(t, {
    objects: { n1 },
    args: [
      '--conntrack-udp-timeout=77s',
      '--conntrack-tcp-timeout-close-wait',
      '30m',
      '--conntrack-tcp-be-liberal',
    ],
    prepare: (ns) => void ns.nft('add', 'table', 'ip', 'kube-proxy'),
  })
  const sysctl = (name: string) => namespace.run('sysctl', '-n', `net.netfilter.nf_conntrack_${name}`).trim()
  t.is(sysctl('udp_timeout'), '77')
  t.is(sysctl('tcp_timeout_close_wait'), '1800')
  t.is(sysctl('tcp_be_liberal'), '1')
  t.is(sysctl('tcp_timeout_established'), '86400')
  t.regex(namespace.nft('list', 'tables'), /table ip plexus-proxy/)
  await stop()
  t.is(namespace.try(bin, 'proxy', '--cleanup').status, 0)
  t.is(namespace.nft('list', 'tables').trim(), 'table ip kube-proxy')
})

test.serial(
  '--write-config-to writes what the flags mean, which --config reads back; bad flags end with 2',
  (t) => {
    const namespace = testNamespace(t, 'flags')
    const file = join(testDirectory(t), 'config.yaml')
    const flags = [
      '--masquerade-all',
      '--nodeport-addresses=10.0.0.0/8,primary',
      '--detect-local-mode',
      'BridgeInterface',
    ]
    const written = namespace.try(
      bin,
      'proxy',
      ...flags,
      '--pod-bridge-interface=cni0',
      '--write-config-to',
      file,
    )
    t.is(written.status, 0, written.stderr)
    t.like(parse(readFileSync(file, 'utf8')), {
      kind: 'KubeProxyConfiguration',
      detectLocalMode: 'BridgeInterface',
      detectLocal: { bridgeInterface: 'cni0' },
      nftables: { masqueradeAll: true },
      nodePortAddresses: ['10.0.0.0/8', 'primary'],
      healthzBindAddress: '0.0.0.0:10256',
    })
    const again = join(testDirectory(t), 'again.yaml')
    t.is(namespace.try(bin, 'proxy', '--config', file, '--write-config-to', again).status, 0)
    t.is(readFileSync(again, 'utf8'), readFileSync(file, 'utf8'))
    for (const bad of [['--speed=9'], ['--masquerade-all=perhaps'], ['--cluster-cidr', 'here'], ['stray']]) {
      const { status, stderr } = namespace.try(bin, 'proxy', '--manifests', '/tmp', ...bad)
      t.is(status, 2, stderr)
      t.is(stderr.trim().split('\n').length, 1, stderr)
    }
  },
)
