/** Node-local mode: `plexus dns -localip` in a node's namespace, asked from a pod's. Black box, looked at with ip, nft, conntrack. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { joinNamespaces, type TestNamespace, testNamespace, waitUntil } from '../support/index.ts'

const local = '169.254.20.10'
const kubeDns = '10.96.0.10'
const plexus = new URL('../../bin/plexus', import.meta.url).pathname

const manifests = `
apiVersion: v1
kind: Service
metadata: { namespace: shop, name: catalog }
spec: { clusterIP: 10.96.0.20, ports: [{ name: http, port: 80 }] }
`

interface Node {
  readonly host: TestNamespace
  readonly pod: TestNamespace
  /** Starts a server; resolves when it serves. */
  start(name: string, flags?: readonly string[]): Promise<{ stop(signal: NodeJS.Signals): Promise<void> }>
}

function node(t: ExecutionContext, corefile: string): Node {
  const directory = mkdtempSync(join(tmpdir(), 'plexus-node-local-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'Corefile'), corefile)
  writeFileSync(join(directory, 'shop.yaml'), manifests)
  const host = testNamespace(t, 'node')
  const pod = testNamespace(t, 'pod')
  joinNamespaces(
    { namespace: host, name: 'veth0', addresses: ['10.244.0.1/24'] },
    { namespace: pod, name: 'eth0', addresses: ['10.244.0.2/24'] },
  )
  pod.run('ip', 'route', 'add', 'default', 'via', '10.244.0.1')
  // Something that makes the kernel track connections in this namespace, as kube-proxy's rules do.
  host.nft(
    'add table ip tracking; add chain ip tracking in { type filter hook input priority 0; }; add rule ip tracking in ct state established accept',
  )
  return {
    host,
    pod,
    async start(name, flags = []) {
      const readyFile = join(directory, name)
      const child = host.start(
        // biome-ignore format: one command line
        [plexus, 'dns', '--manifests', directory, '--ready-file', readyFile, '-conf', join(directory, 'Corefile'), '-localip', `${local},${kubeDns}`, '-workers', '1', ...flags],
        { env: { ...process.env, KUBE_DNS_UPSTREAM_SERVICE_HOST: '10.96.0.77' } },
      )
      let output = ''
      child.stderr?.on('data', (chunk: Buffer) => {
        output += chunk.toString()
      })
      await waitUntil(
        () => {
          if (child.exitCode !== null) throw new Error(`plexus ended with ${child.exitCode}: ${output}`)
          return host.try('test', '-e', readyFile).status === 0
        },
        { what: 'the server', timeoutMs: 90_000 },
      )
      return {
        stop: async (signal) => {
          child.kill(signal)
          await waitUntil(() => child.exitCode !== null || child.signalCode !== null)
        },
      }
    },
  }
}

const ask = (pod: TestNamespace, server: string, ...more: string[]): string =>
  pod
    .run('dig', `@${server}`, '+short', '+tries=1', '+time=10', 'catalog.shop.svc.cluster.local', ...more)
    .trim()

const tables = (host: TestNamespace): string[] =>
  host
    .nft('list', 'tables')
    .split('\n')
    .filter((line) => line.includes('plexus-dns-'))

const links = (host: TestNamespace): string[] =>
  host.json<{ ifname: string }[]>('ip', '-j', 'link').map(({ ifname }) => ifname)

test.serial(
  'addresses, rules, answers that leave no connection tracked; all of it gone afterwards',
  async (t) => {
    const { host, pod, start } = node(
      t,
      `.:53 {\n bind __PILLAR__LOCAL__DNS__\n kubernetes cluster.local\n}\n`,
    )
    const server = await start('ready')
    const [link] = host.json<{ addr_info: { local: string }[] }[]>(
      'ip',
      '-j',
      'addr',
      'show',
      'dev',
      'nodelocaldns',
    )
    t.deepEqual(
      link?.addr_info.map(({ local: address }) => address).filter((address) => address.includes('.')),
      [local, kubeDns],
    )
    const rules = host.nft('list', 'table', 'inet', tables(host)[0]?.split(' ').at(-1) ?? '')
    t.regex(rules, /priority raw/)
    t.regex(rules, /ip daddr 169\.254\.20\.10 udp dport 53 notrack/)
    t.regex(rules, /ip saddr 169\.254\.20\.10 tcp sport 53 notrack/)
    for (const address of [local, kubeDns]) {
      t.is(ask(pod, address), '10.96.0.20')
      t.is(ask(pod, address, '+tcp'), '10.96.0.20')
    }
    t.is(ask(host, local), '10.96.0.20', 'from the node itself')
    t.is(host.run('conntrack', '-L', '-p', 'udp').trim(), '')
    t.is(host.run('conntrack', '-L', '-p', 'tcp').trim(), '')
    // Of another port it does keep track: the lines above say something.
    pod.try('dig', '@10.244.0.1', '-p', '5300', '+tries=1', '+time=1', 'x.example')
    t.not(host.run('conntrack', '-L').trim(), '')
    await server.stop('SIGTERM')
    t.false(links(host).includes('nodelocaldns'))
    t.deepEqual(tables(host), [])
  },
)

test.serial('a killed server leaves no rule behind; the next one takes the interface over', async (t) => {
  const { host, pod, start } = node(t, `.:53 {\n bind ${local} ${kubeDns}\n kubernetes cluster.local\n}\n`)
  const first = await start('first')
  await first.stop('SIGKILL')
  await waitUntil(() => tables(host).length === 0, {
    what: 'the kernel to remove the table of a dead process',
  })
  t.true(links(host).includes('nodelocaldns'))
  const second = await start('second')
  t.is(ask(pod, kubeDns), '10.96.0.20')
  // A rolling update: the third is there before the second goes.
  const third = await start('third')
  await second.stop('SIGTERM')
  t.true(links(host).includes('nodelocaldns'), 'the interface stays while somebody uses it')
  t.is(tables(host).length, 1)
  t.is(ask(pod, kubeDns), '10.96.0.20')
  await third.stop('SIGTERM')
  t.false(links(host).includes('nodelocaldns'))
})

test.serial(
  "NodeLocal DNSCache's Corefile as its manifest has it; the upstream is asked over TCP",
  async (t) => {
    // biome-ignore format: as published
    const published = `cluster.local:53 {
    errors
    cache {
            success 9984 30
            denial 9984 5
    }
    reload
    loop
    bind __PILLAR__LOCAL__DNS__
    forward . __PILLAR__CLUSTER__DNS__ {
            force_tcp
    }
    prometheus :9253
    health 169.254.20.10:8080
    }
in-addr.arpa:53 {
    errors
    cache 30
    reload
    loop
    bind __PILLAR__LOCAL__DNS__
    forward . __PILLAR__CLUSTER__DNS__ {
            force_tcp
    }
    prometheus :9253
    }
.:53 {
    errors
    cache 30
    reload
    loop
    bind __PILLAR__LOCAL__DNS__
    forward . __PILLAR__UPSTREAM__SERVERS__
    prometheus :9253
    }
`
    const { host, pod, start } = node(t, published)
    host.run('ip', 'addr', 'add', '10.96.0.77/32', 'dev', 'lo')
    const upstream = host.start([
      process.execPath,
      new URL('./support/serve-tcp-only.ts', import.meta.url).pathname,
      '10.96.0.77',
    ])
    await new Promise<void>((resolve, reject) => {
      upstream.stdout?.once('data', () => resolve())
      upstream.once('exit', () => reject(new Error('the upstream ended')))
    })
    const server = await start('ready', ['-upstreamsvc', 'kube-dns-upstream'])
    t.is(ask(pod, kubeDns), '192.0.2.77')
    t.is(host.run('curl', '-s', `http://${local}:8080/health`), 'OK')
    t.regex(
      host.run('curl', '-s', 'http://127.0.0.1:9253/metrics'),
      /coredns_nodecache_setup_errors_total|coredns_dns_requests_total/,
    )
    await server.stop('SIGTERM')
  },
)
