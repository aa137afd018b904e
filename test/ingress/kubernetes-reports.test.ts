import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { testGateway } from './support/gateway.ts'
import { ingress, route, service, slice } from './support/objects.ts'

const upstream = (name: string, spec: Record<string, unknown>) => ({
  apiVersion: 'apisix.apache.org/v2',
  kind: 'ApisixUpstream',
  metadata: { name, namespace: 'default' },
  spec,
})
const backends = [{ serviceName: 'httpbin', servicePort: 80 }]

test('what of an ApisixUpstream has no effect is told on it', async (t) => {
  const { gateway, source } = await testGateway(t, {
    objects: [
      service('plain', 80),
      upstream('good', {
        loadbalancer: { type: 'chash', hashOn: 'header', key: 'x-user' },
        healthCheck: { active: { unhealthy: { interval: '1s', timeout: 4 } } },
      }),
      upstream('elsewhere', { ingressClassName: 'other', healthCheck: { passive: {} } }),
      upstream('passive', { healthCheck: { passive: {} } }),
      upstream('keyless', { loadbalancer: { type: 'chash', hashOn: 'header', key: 'x user' } }),
      upstream('registry', { discovery: { type: 'nacos', serviceName: 'x' } }),
      upstream('mutual', { portLevelSettings: [{ port: 80, tlsSecret: { name: 'none', namespace: '' } }] }),
      upstream('inside', { externalNodes: [{ type: 'Service', name: 'plain' }] }),
    ],
  })
  const told = () => gateway.problems().map(({ object, field, message }) => `${object} ${field}: ${message}`)
  t.deepEqual(told().sort(), [
    'ApisixUpstream default/inside spec.externalNodes[0].name: Service default/plain is not of type ExternalName',
    'ApisixUpstream default/keyless spec: invalid configuration: failed to match pattern "^[a-zA-Z0-9-_]+$" with "x user"',
    'ApisixUpstream default/mutual spec.portLevelSettings[0].tlsSecret: Secret default/none does not exist, or has no certificate and key',
    'ApisixUpstream default/passive spec.healthCheck: object matches none of the required: ["active"] or ["active","passive"]',
    'ApisixUpstream default/registry spec: discovery_type nacos is not available: give nodes, or dns',
  ])
  source.apply(upstream('passive', { retries: 1 }), upstream('registry', {}))
  source.apply(service('plain', 80, { type: 'ExternalName', externalName: 'a.example' }))
  for (let n = 0; n < 1000 && told().length > 2; n++) await sleep(20)
  t.is(told().length, 2)
})

test('port settings go over those of the whole; the count of timeouts is called timeout', async (t) => {
  const { admin } = await testGateway(t, {
    objects: [
      service('httpbin', 80),
      upstream('httpbin', {
        scheme: 'https',
        healthCheck: { active: { unhealthy: { interval: '2s', timeout: 4 } } },
        portLevelSettings: [{ port: 80, scheme: 'http' }],
      }),
      route('a', { match: { paths: ['/*'] }, backends }),
    ],
  })
  const [made] = (await admin('GET', '/upstreams')).body.list as unknown as {
    value: Record<string, unknown>
  }[]
  t.like(made?.value, { scheme: 'http', checks: { active: { unhealthy: { interval: 2, timeouts: 4 } } } })
})

test('rules without backends, plugins nobody made, plugins that streams do not have', async (t) => {
  const redirect = [{ name: 'redirect', enable: true, config: { uri: '/there', ret_code: 302 } }]
  const stream = {
    name: 'rule1',
    protocol: 'TCP',
    match: { ingressPort: 9100 },
    backend: backends[0],
    plugins: [{ name: 'cors', enable: true }],
  }
  const { gateway, url, source } = await testGateway(t, {
    objects: [
      service('httpbin', 80),
      slice('httpbin', 80, []),
      route('moved', { match: { paths: ['/moved'] }, plugins: redirect }),
      route('empty', { match: { paths: ['/empty'] } }),
      route('shared', { match: { paths: ['/shared'] }, plugin_config_name: 'limits', backends }),
      { ...route('tcp', {}), spec: { stream: [stream] } },
      {
        ...ingress,
        metadata: {
          ...ingress.metadata,
          annotations: { 'k8s.apisix.apache.org/plugin-config-name': 'limits' },
        },
      },
    ],
  })
  const told = () => gateway.problems().map(({ object, field, message }) => `${object} ${field}: ${message}`)
  t.deepEqual(told().sort(), [
    'ApisixRoute default/empty spec.http[0].backends: neither backends nor upstreams',
    'ApisixRoute default/shared spec.http[0].plugin_config_name: ApisixPluginConfig default/limits does not exist',
    'ApisixRoute default/tcp spec.stream[0].plugins[0]: unknown plugin [cors]',
    'Ingress default/httpserver-ingress metadata.annotations[k8s.apisix.apache.org/plugin-config-name]: ApisixPluginConfig default/limits does not exist',
  ])
  const moved = await fetch(`${url}/moved`, { redirect: 'manual' })
  t.is(moved.status, 302)
  t.is((await fetch(`${url}/empty`)).status, 404)
  source.apply({
    apiVersion: 'apisix.apache.org/v2',
    kind: 'ApisixPluginConfig',
    metadata: { name: 'limits', namespace: 'default' },
    spec: { plugins: redirect },
  })
  for (let n = 0; n < 1000 && told().length > 2; n++) await sleep(20)
  t.is(told().length, 2)
})
