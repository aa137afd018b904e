// Pods and EndpointSlices in the form a node keeps them: nothing of what is read may get lost, however they came.
import { deserialize, serialize } from 'node:v8'
import test from 'ava'
import fc from 'fast-check'
import { decodeObject, Store } from '#watch'
import { compactObject, revivedObject } from '../../watch/compact/compact.ts'
import { CompactObject } from '../../watch/compact/compact-object.ts'
import { openEnvelope } from '../../watch/kubernetes/wire/envelope.ts'
import { messages } from '../../watch/kubernetes/wire/messages.ts'
import { WireError } from '../../watch/kubernetes/wire/protobuf-reader.ts'
import { readObject } from '../../watch/kubernetes/wire/received.ts'
import { sameObject } from '../../watch/store/equal.ts'
import { writeObject } from '../apiserver/protobuf-writer.ts'
import { log } from './objects.ts'

interface Raw {
  readonly kind: 'Pod' | 'EndpointSlice'
  readonly [field: string]: unknown
}

/** As the general way decodes it: the nested form, untrimmed. */
function decoded(raw: Raw) {
  const outcome = decodeObject(raw)
  if (outcome.outcome !== 'object') throw new Error(`${raw.kind} does not decode`)
  return outcome.object
}

function received(raw: Raw) {
  const envelope = openEnvelope(writeObject(raw))
  const message = messages[raw.kind]
  if (message === undefined) throw new Error(`${raw.kind} has no message`)
  return readObject(envelope.reader, message, envelope)
}

const nested = (object: object): unknown => JSON.parse(JSON.stringify(object))

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?$/)
const text = fc.oneof(label, fc.constantFrom('', 'zürich', '東京', 'x'.repeat(200)))
const ipv4 = fc.ipV4()
const ipv6 = fc.constantFrom('fd00::1', 'fd00::2:0', '2001:db8::ff')
const times = fc.constantFrom('2026-01-01T00:00:00Z', '1999-12-31T23:59:59Z')
const map = fc.dictionary(label, text, { maxKeys: 3, noNullPrototype: true })

const metadata = fc.record(
  {
    name: fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?$/),
    namespace: label,
    uid: text,
    resourceVersion: fc.constantFrom('1', '123456789', '999999999999999', 'opaque', '007', ''),
    labels: map,
    annotations: fc.oneof(
      map,
      fc.constant({ 'kubectl.kubernetes.io/last-applied-configuration': '{}', a: 'b' }),
    ),
    creationTimestamp: times,
    deletionTimestamp: times,
  },
  { requiredKeys: ['name', 'namespace'] },
)

const names = fc.array(fc.record({ name: label }), { maxLength: 2 })

function endpoint(address: fc.Arbitrary<string>) {
  return fc.record(
    {
      addresses: fc.array(address, { minLength: 1, maxLength: 2 }),
      conditions: fc.record(
        { ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() },
        { requiredKeys: [] },
      ),
      hostname: text,
      nodeName: text,
      zone: text,
      targetRef: fc.record(
        { kind: fc.constantFrom('Pod', 'Node', ''), namespace: label, name: text, uid: text },
        { requiredKeys: [] },
      ),
      hints: fc.record({ forZones: names, forNodes: names }, { requiredKeys: [] }),
    },
    { requiredKeys: ['addresses'] },
  )
}

const ports = fc.array(
  fc.record(
    {
      name: text,
      port: fc.integer({ min: 1, max: 65535 }),
      protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'),
      appProtocol: label,
    },
    { requiredKeys: [] },
  ),
  { maxLength: 3 },
)

const slices = fc.constantFrom('IPv4', 'IPv6').chain((addressType) =>
  fc.record({
    apiVersion: fc.constant('discovery.k8s.io/v1'),
    kind: fc.constant('EndpointSlice' as const),
    metadata,
    addressType: fc.constant(addressType),
    endpoints: fc.array(endpoint(addressType === 'IPv4' ? ipv4 : ipv6), { maxLength: 5 }),
    ports,
  }),
)

const containers = fc.array(
  fc.record(
    {
      name: label,
      ports: fc.array(
        fc.record(
          {
            name: label,
            containerPort: fc.integer({ min: 1, max: 65535 }),
            protocol: fc.constantFrom('TCP', 'UDP'),
            hostPort: fc.integer({ min: 1, max: 65535 }),
            hostIP: ipv4,
          },
          { requiredKeys: ['containerPort'] },
        ),
        { maxLength: 2 },
      ),
      restartPolicy: fc.constant('Always'),
    },
    { requiredKeys: ['name'] },
  ),
  { minLength: 1, maxLength: 3 },
)

const pods = fc.array(fc.oneof(ipv4, ipv6), { maxLength: 2 }).chain((addresses) =>
  fc.record({
    apiVersion: fc.constant('v1'),
    kind: fc.constant('Pod' as const),
    metadata,
    spec: fc.record(
      {
        nodeName: text,
        hostname: text,
        subdomain: text,
        hostNetwork: fc.boolean(),
        setHostnameAsFQDN: fc.boolean(),
        dnsPolicy: fc.constantFrom('ClusterFirst', 'Default', 'None'),
        serviceAccountName: label,
        restartPolicy: fc.constantFrom('Always', 'Never'),
        terminationGracePeriodSeconds: fc.integer({ min: 0, max: 1000 }),
        containers,
        initContainers: containers,
      },
      { requiredKeys: ['containers'] },
    ),
    status: fc.record(
      {
        phase: fc.constantFrom('Pending', 'Running', 'Failed'),
        podIP: fc.constant(addresses[0] ?? ''),
        podIPs: fc.constant(addresses.map((ip) => ({ ip }))),
        hostIP: ipv4,
        conditions: fc.array(
          fc.record({
            type: fc.constantFrom('Ready', 'Initialized'),
            status: fc.constantFrom('True', 'False', 'Unknown'),
          }),
          { maxLength: 2 },
        ),
      },
      { requiredKeys: [] },
    ),
  }),
)

const objects: fc.Arbitrary<Raw> = fc.oneof(slices, pods)

test('what protobuf brings is at once what its JSON becomes', (t) => {
  fc.assert(
    fc.property(objects, (raw) => {
      const expected = compactObject(decoded(raw))
      const object = received(raw)
      t.true(object instanceof CompactObject)
      t.deepEqual(nested(object), nested(expected))
      t.true(sameObject(object as CompactObject, expected))
    }),
    { numRuns: 300 },
  )
})

test('of a slice nothing is lost in compact form', (t) => {
  fc.assert(
    fc.property(slices, (raw) => {
      const object = decoded(raw)
      t.deepEqual(nested(compactObject(object)), nested(object))
    }),
    { numRuns: 200 },
  )
})

test('a compact object survives a structured clone, and is the same again', (t) => {
  fc.assert(
    fc.property(objects, (raw) => {
      const object = compactObject(decoded(raw))
      const revived = revivedObject(deserialize(serialize(object)))
      t.true(revived instanceof CompactObject)
      t.deepEqual(nested(revived), nested(object))
    }),
    { numRuns: 100 },
  )
})

test('two objects are the same exactly if their nested forms are, whatever their own', (t) => {
  const withoutVersion = (object: object): string =>
    JSON.stringify(object, (name, value) => (name === 'resourceVersion' ? '' : value))
  fc.assert(
    fc.property(slices, slices, fc.boolean(), (one, other, equal) => {
      const [a, b] = [decoded(one), decoded(equal ? one : other)]
      const same = withoutVersion(a) === withoutVersion(b)
      t.is(sameObject(compactObject(a), compactObject(b)), same)
      t.is(sameObject(compactObject(a), b), same)
      t.is(sameObject(a, compactObject(b)), same)
    }),
    { numRuns: 100 },
  )
})

test('damaged bytes are refused with a WireError or read as something, never anything else', (t) => {
  const damages = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
  let refused = 0
  fc.assert(
    fc.property(objects, damages, fc.nat(), (raw, damage, cut) => {
      const bytes = writeObject(raw)
      for (const [place, value] of damage) bytes[place % bytes.length] = value
      const message = messages[raw.kind]
      if (message === undefined) throw new Error(`${raw.kind} has no message`)
      try {
        const envelope = openEnvelope(bytes.subarray(0, cut % 3 === 0 ? cut % bytes.length : bytes.length))
        const object = readObject(envelope.reader, message, { apiVersion: '', kind: raw.kind })
        JSON.stringify(object)
      } catch (error) {
        if (!(error instanceof WireError)) throw error
        refused++
      }
    }),
    { numRuns: 1500 },
  )
  t.true(refused > 0)
})

const name = { name: 'a', namespace: 'shop' }
const wrong: Readonly<Record<string, Raw>> = {
  'a name that is none': {
    kind: 'Pod',
    metadata: { name: 'A_b', namespace: 'shop' },
    spec: { containers: [{ name: 'c' }] },
  },
  'no namespace': { kind: 'Pod', metadata: { name: 'a' }, spec: { containers: [{ name: 'c' }] } },
  'no container': { kind: 'Pod', metadata: name, spec: { nodeName: 'n' } },
  'a phase that is none': {
    kind: 'Pod',
    metadata: name,
    spec: { containers: [{ name: 'c' }] },
    status: { phase: 'Odd' },
  },
  'an address that is none': {
    kind: 'Pod',
    metadata: name,
    spec: { containers: [{ name: 'c' }] },
    status: { podIP: '10.1' },
  },
  'two first addresses': {
    kind: 'Pod',
    metadata: name,
    spec: { containers: [{ name: 'c' }] },
    status: { podIP: '10.1.0.1', podIPs: [{ ip: '10.1.0.2' }] },
  },
  'an address of another family': {
    kind: 'EndpointSlice',
    metadata: name,
    addressType: 'IPv6',
    endpoints: [{ addresses: ['10.1.0.1'] }],
  },
  'an address with leading zeros': {
    kind: 'EndpointSlice',
    metadata: name,
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.01.0.1'] }],
  },
  'an endpoint without address': {
    kind: 'EndpointSlice',
    metadata: name,
    addressType: 'IPv4',
    endpoints: [{ addresses: [] }],
  },
  'names instead of addresses': {
    kind: 'EndpointSlice',
    metadata: name,
    addressType: 'FQDN',
    endpoints: [{ addresses: ['a.example'] }],
  },
  'a port that is none': {
    kind: 'EndpointSlice',
    metadata: name,
    addressType: 'IPv4',
    ports: [{ port: 70000 }],
  },
}

for (const [what, raw] of Object.entries(wrong)) {
  test(`${what}: looked at by the decoder that says what is wrong`, (t) => {
    const apiVersion = raw.kind === 'Pod' ? 'v1' : 'discovery.k8s.io/v1'
    t.false(received({ apiVersion, ...raw }) instanceof CompactObject)
  })
}

test('indexes and views of compact objects', (t) => {
  const store = new Store({ log })
  const put = (raw: Raw): void => store.apply([{ object: compactObject(decoded(raw)) }])
  const slice = (address: string): Raw => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...name, labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], nodeName: 'n1', targetRef: { kind: 'Pod', name: 'p' } }],
    ports: [{ name: 'http', port: 80 }],
  })
  const pod = (ip: string): Raw => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: name,
    spec: { nodeName: 'n1', containers: [{ name: 'c' }] },
    status: { podIP: ip },
  })
  put(slice('10.1.0.1'))
  put(pod('10.1.0.1'))
  t.is(store.endpoints.of('shop/web').ports[0]?.endpoints[0]?.podName, 'p')
  t.deepEqual([...store.endpoints.servicesOf('10.1.0.1')], ['shop/web'])
  t.deepEqual(
    [...store.lookup('Pod', 'ip', '10.1.0.1')].map(({ metadata }) => metadata.name),
    ['a'],
  )
  put(slice('10.1.0.2'))
  put(pod('10.1.0.2'))
  t.is(store.endpoints.of('shop/web').addresses[0]?.address, '10.1.0.2')
  t.deepEqual([...store.endpoints.servicesOf('10.1.0.1')], [])
  t.deepEqual([...store.endpoints.servicesOf('10.1.0.2')], ['shop/web'])
  t.deepEqual([...store.lookup('Pod', 'ip', '10.1.0.1')], [])
  t.is([...store.lookup('Pod', 'node', 'n1')].length, 1)
})
