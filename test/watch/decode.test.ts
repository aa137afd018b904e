import test from 'ava'
import { canonicalAddress, canonicalCIDR, decodeObject, formatPath, mustDecode } from '#watch'
import { pod, service, slice } from './objects.ts'

/** The problems of an object as 'field message' lines. */
function problemsOf(raw: unknown): string[] {
  const decoded = decodeObject(raw)
  if (decoded.outcome !== 'invalid') return [decoded.outcome]
  return decoded.problems.map(({ path, message }) => `${formatPath(path)} ${message}`)
}

test('an out of range port is named with its path, value and limits', (t) => {
  t.deepEqual(problemsOf(service('a', { ports: [{ port: 70000 }] })), [
    'spec.ports[0].port is 70000; expected a whole number from 1 to 65535',
  ])
})

test('every problem of an object is found, not only the first', (t) => {
  const problems = problemsOf(
    service('a', {
      type: 'Clusterip',
      clusterIP: '10.0.0.300',
      ports: [{ port: 80 }, { port: '81' }],
      selector: { app: 1 },
    }),
  )
  t.deepEqual(
    problems.map((problem) => problem.split(' ')[0]),
    [
      'spec.type',
      'spec.clusterIP',
      'spec.ports[1].port',
      'spec.ports[0].name',
      'spec.ports[1].name',
      'spec.ports[1].name',
      'spec.selector.app',
    ],
  )
})

test('a Service gets the defaults of the API', (t) => {
  const object = mustDecode({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'a' },
    spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] },
  })
  if (object.kind !== 'Service') return t.fail()
  t.is(object.metadata.namespace, 'default')
  t.is(object.spec.type, 'ClusterIP')
  t.deepEqual(object.spec.clusterIPs, ['10.96.0.1'])
  t.deepEqual(object.spec.ipFamilies, ['IPv4'])
  t.is(object.spec.sessionAffinity, 'None')
  t.is(object.spec.sessionAffinityTimeout, 10800)
  t.is(object.spec.externalTrafficPolicy, 'Cluster')
  t.like(object.spec.ports[0], { protocol: 'TCP', targetPort: 80, nodePort: 0, name: '' })
})

test('clusterIP and clusterIPs are one; a contradiction is a problem', (t) => {
  const object = mustDecode(service('a', { clusterIP: undefined, clusterIPs: ['10.96.0.9', 'FD00:0::0009'] }))
  if (object.kind !== 'Service') return t.fail()
  t.is(object.spec.clusterIP, '10.96.0.9')
  t.deepEqual(object.spec.clusterIPs, ['10.96.0.9', 'fd00::9'])
  t.regex(
    problemsOf(service('a', { clusterIPs: ['10.96.0.8'] }))[0] ?? '',
    /^spec.clusterIPs is .*begins with clusterIP/,
  )
})

test('leading zeros of addresses are decimal (CVE-2021-29923), not octal', (t) => {
  t.is(canonicalAddress('010.008.000.001'), '10.8.0.1')
  t.is(canonicalAddress('::ffff:010.0.0.1'), '10.0.0.1')
  t.is(canonicalAddress('10.0.0.256'), undefined)
  t.is(canonicalAddress('10.0.1'), undefined)
  t.is(canonicalAddress('0x0a.0.0.1'), undefined)
  t.is(canonicalAddress('fe80::1%eth0'), undefined)
  t.is(canonicalCIDR('10.1.2.3/16'), '10.1.0.0/16')
  t.is(canonicalCIDR('fd00:1:2:3::4/33'), 'fd00:1::/33')
  t.is(canonicalCIDR('10.0.0.0/33'), undefined)
})

test('nil conditions of a slice endpoint mean ready, serving, not terminating', (t) => {
  const object = mustDecode(slice('a-1', 'a', [{ addresses: ['10.1.0.1'], conditions: { ready: null } }]))
  if (object.kind !== 'EndpointSlice') return t.fail()
  t.deepEqual(object.endpoints[0]?.conditions, { ready: true, serving: true, terminating: false })
})

test('an endpoint of the wrong family is a problem', (t) => {
  t.deepEqual(problemsOf(slice('a-1', 'a', [{ addresses: ['fd00::1'] }])), [
    'endpoints[0].addresses[0] is "fd00::1"; expected an IPv4 address',
  ])
})

test('Secrets are decoded, stringData lies over data, and bad base64 is not quoted back', (t) => {
  const raw = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } }
  const object = mustDecode({ ...raw, data: { a: 'aGk=', b: 'aGk=' }, stringData: { b: 'ho' } })
  if (object.kind !== 'Secret') return t.fail()
  t.is(object.data['a']?.toString(), 'hi')
  t.is(object.data['b']?.toString(), 'ho')
  const problems = problemsOf({ ...raw, data: { key: 'hunter2!' } })
  t.is(problems.length, 1)
  t.notRegex(problems[0] ?? '', /hunter2/)
})

test('ApisixRoute: defaults, durations in seconds, expressions', (t) => {
  const object = mustDecode({
    apiVersion: 'apisix.apache.org/v2',
    kind: 'ApisixRoute',
    metadata: { name: 'r' },
    spec: {
      http: [
        {
          name: 'rule1',
          timeout: { read: '1m30s', connect: '500ms' },
          match: {
            hosts: ['local.httpbin.org'],
            paths: ['/*'],
            exprs: [{ subject: { scope: 'Header', name: 'X-A' }, op: 'In', set: ['1'] }],
          },
          backends: [{ serviceName: 'httpbin', servicePort: 80 }],
          plugins: [{ name: 'cors' }],
        },
      ],
    },
  })
  if (object.kind !== 'ApisixRoute') return t.fail()
  const rule = object.spec.http[0]
  t.deepEqual(rule?.timeout, { connect: 0.5, send: undefined, read: 90 })
  t.like(rule?.backends[0], { weight: 100, resolveGranularity: 'endpoint', servicePort: 80 })
  t.deepEqual(rule?.plugins, [{ name: 'cors', enable: true, config: {}, secretRef: '' }])
  t.deepEqual(rule?.match.exprs[0]?.set, ['1'])
})

test('ApisixRoute: what is missing is named', (t) => {
  const route = (http: object[]) => ({
    apiVersion: 'apisix.apache.org/v2',
    kind: 'ApisixRoute',
    metadata: { name: 'r' },
    spec: { http },
  })
  t.deepEqual(problemsOf(route([{ name: 'a', match: {}, backends: [{ servicePort: 80 }] }])), [
    'spec.http[0].match.paths is missing; expected at least one path',
    'spec.http[0].backends[0].serviceName is missing; expected a non-empty string',
  ])
  const rule = { name: 'a', match: { paths: ['/'] }, timeout: { read: 'soon' } }
  t.regex(problemsOf(route([rule]))[0] ?? '', /^spec.http\[0\].timeout.read is "soon"; expected a duration/)
})

test('Ingress: pathType default, backend by name or number, never both', (t) => {
  const ingress = (port: object) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'i' },
    spec: {
      rules: [
        { host: 'a.example', http: { paths: [{ path: '/', backend: { service: { name: 's', port } } }] } },
      ],
    },
  })
  const object = mustDecode(ingress({ name: 'http' }))
  if (object.kind !== 'Ingress') return t.fail()
  t.like(object.spec.rules[0]?.paths[0], { pathType: 'ImplementationSpecific', path: '/' })
  t.deepEqual(object.spec.rules[0]?.paths[0]?.backend.service?.port, { name: 'http', number: 0 })
  t.regex(problemsOf(ingress({ name: 'http', number: 80 }))[0] ?? '', /both name and number/)
  t.regex(problemsOf(ingress({}))[0] ?? '', /port name or number/)
})

test('NetworkPolicy: policyTypes default as the API sets it', (t) => {
  const policy = (spec: object) => {
    const object = mustDecode({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'p' },
      spec,
    })
    return object.kind === 'NetworkPolicy' ? object.spec.policyTypes : undefined
  }
  t.deepEqual(policy({ podSelector: {} }), ['Ingress'])
  t.deepEqual(policy({ podSelector: {}, egress: [{}] }), ['Ingress', 'Egress'])
  t.deepEqual(policy({ podSelector: {}, policyTypes: ['Egress'] }), ['Egress'])
})

test('ServiceImport: trimmed, with defaults; every wrong field is named', (t) => {
  const serviceImport = (spec: object) => ({
    apiVersion: 'multicluster.x-k8s.io/v1alpha1',
    kind: 'ServiceImport',
    metadata: { name: 'catalog', namespace: 'shop' },
    spec,
  })
  const object = mustDecode(
    serviceImport({ type: 'ClusterSetIP', ips: ['10.42.0.1', 'FD00:0::1'], ports: [{ port: 80 }] }),
  )
  if (object.kind !== 'ServiceImport') return t.fail()
  t.deepEqual(object.spec, {
    type: 'ClusterSetIP',
    ips: ['10.42.0.1', 'fd00::1'],
    ports: [{ name: '', protocol: 'TCP', port: 80 }],
  })
  const headless = mustDecode(serviceImport({ type: 'Headless' }))
  t.like(headless, { spec: { type: 'Headless', ips: [], ports: [] } })
  t.deepEqual(
    problemsOf(serviceImport({ type: 'Service', ips: ['10.42.0'], ports: [{ port: 0, protocol: 'tcp' }] })),
    [
      'spec.type is "Service"; expected one of ClusterSetIP, Headless',
      'spec.ips[0] is "10.42.0"; expected an IP address',
      'spec.ports[0].protocol is "tcp"; expected one of TCP, UDP, SCTP',
      'spec.ports[0].port is 0; expected a whole number from 1 to 65535',
    ],
  )
  t.deepEqual(problemsOf(serviceImport({ type: 'ClusterSetIP', ips: ['10.42.0.1', '10.42.0.2'] })), [
    'spec.ips has two addresses of one family',
  ])
  t.deepEqual(problemsOf({ ...serviceImport({}), spec: undefined }).slice(0, 1), [
    'spec is missing; expected an object',
  ])
})

test('what kubectl apply writes into annotations is dropped, other annotations stay', (t) => {
  const annotations = {
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
    'flannel.alpha.coreos.com/public-ip': '1.2.3.4',
  }
  const object = mustDecode(pod('p', { metadata: { annotations } }))
  t.deepEqual(object.metadata.annotations, { 'flannel.alpha.coreos.com/public-ip': '1.2.3.4' })
})

test('kinds and versions nobody reads are told apart from mistakes', (t) => {
  t.deepEqual(problemsOf({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x' } }), ['unknown'])
  t.deepEqual(problemsOf({ apiVersion: 'extensions/v1beta1', kind: 'Ingress', metadata: { name: 'x' } }), [
    'unknown',
  ])
  t.deepEqual(problemsOf({ kind: 'Service' }), ['apiVersion is missing; expected a non-empty string'])
  t.deepEqual(problemsOf('Service'), [
    ' is "Service"; expected an object',
    'kind is missing; expected a non-empty string',
    'apiVersion is missing; expected a non-empty string',
  ])
})
