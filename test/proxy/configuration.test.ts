import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  DEFAULT_CONFIGURATION,
  loadProxyConfiguration,
  ProxyConfigurationError,
  parseProxyConfiguration,
} from '#proxy'
import { testDirectory } from '../support/index.ts'

const HEAD = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

test('a configuration without fields means the defaults', (t) => {
  t.deepEqual(parseProxyConfiguration(HEAD, 'f.yaml'), { config: DEFAULT_CONFIGURATION, warnings: [] })
  t.deepEqual(loadProxyConfiguration(undefined), DEFAULT_CONFIGURATION)
})

test('fields are read with their types', (t) => {
  const text = `${HEAD}mode: nftables
clusterCIDR: 10.244.0.0/16, fd00:244::/56
hostnameOverride: n7
nodePortAddresses: [primary, 10.0.0.0/8]
nftables: { masqueradeBit: 5, masqueradeAll: true, syncPeriod: 1m30s, minSyncPeriod: 500ms }
detectLocalMode: BridgeInterface
detectLocal: { bridgeInterface: cni0 }
conntrack: { maxPerCore: 0, udpTimeout: 10s, tcpBeLiberal: true }
healthzBindAddress: "[::1]:10256"
`
  const { config, warnings } = parseProxyConfiguration(text, 'f.yaml')
  t.deepEqual(warnings, [])
  t.like(config, {
    clusterCIDR: ['10.244.0.0/16', 'fd00:244::/56'],
    hostnameOverride: 'n7',
    nodePortAddresses: ['primary', '10.0.0.0/8'],
    nftables: { masqueradeBit: 5, masqueradeAll: true, syncPeriod: 90_000, minSyncPeriod: 500 },
    detectLocalMode: 'BridgeInterface',
    healthzBindAddress: '[::1]:10256',
  })
  t.like(config.conntrack, { maxPerCore: undefined, udpTimeout: 10_000, tcpBeLiberal: true })
})

const rejected: [field: string, body: string][] = [
  ['nftables.masqueradeBit', 'nftables: { masqueradeBit: 32 }'],
  ['nftables.syncPeriod', 'nftables: { syncPeriod: 30 }'],
  ['nftables', 'nftables: [1]'],
  ['clusterCIDR', 'clusterCIDR: 10.0.0.1'],
  ['clusterCIDR', 'clusterCIDR: 10.0.0.0/8,11.0.0.0/8'],
  ['nodePortAddresses[1]', 'nodePortAddresses: [primary, eth0]'],
  ['detectLocalMode', 'detectLocalMode: Everything'],
  ['detectLocal.bridgeInterface', 'detectLocalMode: BridgeInterface'],
  ['detectLocal.interfaceNamePrefix', 'detectLocal: { interfaceNamePrefix: a-name-too-long-for-linux }'],
  ['healthzBindAddress', 'healthzBindAddress: localhost:1'],
  ['mode', 'mode: userspace'],
  ['hostnameOverride', 'hostnameOverride: 7'],
  ['serviceProxyName', 'serviceProxyName: a/b'],
]

for (const [index, [field, body]] of rejected.entries()) {
  test(`an error names the field: ${field} (${index})`, (t) => {
    const error = t.throws(() => parseProxyConfiguration(HEAD + body, 'some/file.yaml'), {
      instanceOf: ProxyConfigurationError,
    })
    t.is(error.field, field)
    t.true(error.message.startsWith(`some/file.yaml: ${field}: `), error.message)
  })
}

test('kind, syntax and missing file are errors of the file', (t) => {
  t.throws(() => parseProxyConfiguration('kind: Pod', 'f'), { message: /^f: apiVersion: / })
  t.throws(() => parseProxyConfiguration('a: [', 'f'), { instanceOf: ProxyConfigurationError })
  t.throws(() => parseProxyConfiguration('', 'f'), { instanceOf: ProxyConfigurationError })
  t.throws(() => loadProxyConfiguration('/nonexistent/config.yaml'), {
    message: /^\/nonexistent\/config.yaml: cannot be read/,
  })
})

test('what is not understood is said once and by name', (t) => {
  const file = join(testDirectory(t), 'config.yaml')
  writeFileSync(
    file,
    `${HEAD}mode: ipvs\nipvs: { scheduler: rr }\nnftables: { speed: 9 }\nnodePortAddresses: [127.0.0.0/8, primary]\nfoo: 1\nclientConnection: { kubeconfig: /k, qps: 5, contentType: '' }\n`,
  )
  const warnings: string[] = []
  const log = { warn: (_: object, text: string) => warnings.push(text) }
  const { clientConnection } = loadProxyConfiguration(file, { log: log as never })
  t.deepEqual(clientConnection, { kubeconfig: '/k' })
  t.deepEqual(warnings.map((text) => text.split(':')[0]).sort(), [
    'foo',
    'ipvs',
    'mode',
    'nftables.speed',
    'nodePortAddresses',
  ])
})
