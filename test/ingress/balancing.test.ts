import dgram from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { parseGatewayConfig } from '#ingress'
import type { Upstream } from '../../ingress/objects/index.ts'
import { DnsDiscovery, type DnsRecordType } from '../../ingress/upstream/dns-discovery.ts'
import { UpstreamGroup } from '../../ingress/upstream/index.ts'
import { warmth } from '../../ingress/upstream/slow-start.ts'
import { httpBackend } from './support/backend.ts'
import { KEY, testGateway } from './support/gateway.ts'
import { service, slice } from './support/objects.ts'

const none = () => undefined

test('chash takes its key from variables, fields, cookies, the consumer and combinations; remote_addr if there is none', (t) => {
  const variables: Record<string, string> = {
    remote_addr: '192.0.2.1',
    arg_user: 'ann',
    http_x_user: 'bob',
    cookie_session: 'c1',
    consumer_name: 'dora',
    uri: '/a',
  }
  const cases: readonly (readonly [Partial<Upstream>, string])[] = [
    [{ hash_on: 'vars', key: 'arg_user' }, 'ann'],
    [{ hash_on: 'header', key: 'X-User' }, 'bob'],
    [{ hash_on: 'cookie', key: 'session' }, 'c1'],
    [{ hash_on: 'consumer' }, 'dora'],
    [{ hash_on: 'vars_combinations', key: '$uri$arg_user' }, '/aann'],
    [{ hash_on: 'vars', key: 'arg_missing' }, '192.0.2.1'],
  ]
  const nodes = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`10.0.0.${n}:80`, 1]))
  const plain = new UpstreamGroup({ type: 'chash', key: 'arg_key', nodes })
  for (const [settings, key] of cases) {
    const group = new UpstreamGroup({ type: 'chash', nodes, ...settings })
    const picked = group.pick((name) => variables[name], undefined)?.name
    t.is(picked, plain.pick(() => key, undefined)?.name, `${settings.hash_on} ${settings.key}`)
  }
})

test('a server that joins gets up to its share slowly; one whose weight changes does not start anew', (t) => {
  const group = new UpstreamGroup({ nodes: { '10.0.0.1:80': 10, '10.0.0.2:80': 10 }, slow_start: 3600 })
  const [first] = group.servers
  if (first === undefined) return t.fail('no server')
  t.is(warmth(first, 3_600_000, performance.now()), 1)
  group.begun(first)
  group.update({ nodes: { '10.0.0.1:80': 20, '10.0.0.2:80': 20, '10.0.0.3:80': 20 }, slow_start: 3600 })
  t.is(group.servers[0]?.active, 1)
  const shares = new Map<string, number>()
  for (let n = 0; n < 210; n++) {
    const name = group.pick(none, undefined)?.name ?? ''
    shares.set(name, (shares.get(name) ?? 0) + 1)
  }
  t.is(shares.get('10.0.0.1:80'), 100)
  t.is(shares.get('10.0.0.2:80'), 100)
  t.is(shares.get('10.0.0.3:80'), 10)
  const joined = group.servers[2]
  if (joined === undefined) return t.fail('no server')
  for (const [age, share] of [
    [0, 0.1],
    [1800, 0.5],
    [3600, 1],
    [9999, 1],
  ] as const)
    t.true(Math.abs(warmth(joined, 3_600_000, joined.since + age * 1000) - share) < 1e-9)
})

test('endpoints hinted for the zone of the node come first, the others when those fail', async (t) => {
  const endpoints = (hinted: boolean) => {
    const plain = slice('web', 8080, [{ address: '10.0.0.1' }, { address: '10.0.0.2' }])
    const zones = ['here', 'there']
    return {
      ...plain,
      endpoints: plain.endpoints.map((one, index) => ({
        ...one,
        ...(hinted ? { hints: { forZones: [{ name: zones[index] }] } } : {}),
      })),
    }
  }
  const ingress = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      ingressClassName: 'apisix',
      defaultBackend: { service: { name: 'web', port: { number: 80 } } },
    },
  }
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'here' } },
  }
  const { admin, source } = await testGateway(t, {
    nodeName: 'n1',
    objects: [node, service('web', 80), endpoints(true), ingress],
  })
  const priorities = async () => {
    const { body } = await admin('GET', '/upstreams')
    const text = JSON.stringify(body)
    return [...text.matchAll(/"host":"([\d.]+)","port":8080,"weight":100,"priority":(-?\d+)/g)].map(
      ([, host, priority]) => `${host} ${priority}`,
    )
  }
  t.deepEqual(await priorities(), ['10.0.0.1 0', '10.0.0.2 -1'])
  source.apply(endpoints(false))
  for (let n = 0; n < 1000 && (await priorities())[1] !== '10.0.0.2 0'; n++) await sleep(20)
  t.deepEqual(await priorities(), ['10.0.0.1 0', '10.0.0.2 0'])
})

interface Zone {
  a: Record<string, string[]>
  srv: Record<
    string,
    { readonly target: string; readonly port: number; readonly weight: number; readonly priority: number }[]
  >
  silent?: boolean
}

const A = 1
const SRV = 33

function wireName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]))
  return Buffer.concat([...labels, Buffer.from([0])])
}

function numbers(...values: number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 255]))
}

/** A name server on a free UDP port that says what `zone` says at the moment (RFC 1035 §4; dns2 cannot write SRV). */
async function nameServer(t: ExecutionContext, zone: Zone): Promise<number> {
  const socket = dgram.createSocket('udp4')
  socket.on('message', (query, from) => {
    if (zone.silent === true) return
    let end = 12
    const labels: string[] = []
    for (let length = query.readUInt8(end); length > 0; length = query.readUInt8(end)) {
      labels.push(query.toString('latin1', end + 1, end + 1 + length))
      end += 1 + length
    }
    const name = labels.join('.')
    const type = query.readUInt16BE(end + 1)
    const addresses = (zone.a[name] ?? []).map((address) => Buffer.from(address.split('.').map(Number)))
    const services = (zone.srv[name] ?? []).map(({ target, port, weight, priority }) =>
      Buffer.concat([numbers(priority, weight, port), wireName(target)]),
    )
    const records = type === A ? addresses : type === SRV ? services : []
    const gone = zone.a[name] === undefined && zone.srv[name] === undefined
    const answers = records.map((record) =>
      Buffer.concat([numbers(0xc00c, type, 1, 0, 1, record.length), record]),
    )
    const head = numbers(query.readUInt16BE(0), gone ? 0x8183 : 0x8180, 1, answers.length, 0, 0)
    socket.send(Buffer.concat([head, query.subarray(12, end + 5), ...answers]), from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  t.teardown(() => socket.close())
  return socket.address().port
}

test('discovery by DNS: A and SRV are followed; a silent name server changes nothing, a name that is gone has no servers', async (t) => {
  const backend = await httpBackend(t, { name: 'one', host: '127.0.0.1' })
  const zone: Zone = {
    a: { 'web.test': ['127.0.0.1'], 'good.test': ['127.0.0.1'] },
    srv: { '_http._tcp.web.test': [{ target: 'good.test', port: backend.port, weight: 5, priority: 1 }] },
  }
  const port = await nameServer(t, zone)
  const { url, put, gateway } = await testGateway(t, {
    text: `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }
discovery: { dns: { servers: ["127.0.0.1:${port}"] } }
deployment: { admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: a, key: ${KEY}, role: admin }] } }`,
  })
  const upstream = (service_name: string) => ({ discovery_type: 'dns', service_name, type: 'roundrobin' })
  await put('/routes/a', { uri: '/a', upstream: upstream(`web.test:${backend.port}`) })
  await put('/routes/srv', { uri: '/srv', upstream: upstream('_http._tcp.web.test') })
  const settles = async (path: string, status: number) => {
    for (let n = 0; n < 1500; n++) {
      if ((await fetch(`${url}${path}`)).status === status) return true
      await sleep(20)
    }
    return false
  }
  t.true(await settles('/a', 200))
  t.true(await settles('/srv', 200))
  const nodes = () =>
    gateway
      .describeRoutes()
      .find(({ id }) => id === 'a')
      ?.nodes.join()
  zone.a['web.test'] = ['127.0.0.1', '127.0.0.2']
  for (let n = 0; n < 1500 && nodes() !== `127.0.0.1:${backend.port},127.0.0.2:${backend.port}`; n++)
    await sleep(20)
  t.is(nodes(), `127.0.0.1:${backend.port},127.0.0.2:${backend.port}`)
  zone.silent = true
  await sleep(1500)
  t.is((await fetch(`${url}/srv`)).status, 200)
  zone.silent = false
  zone.a = {}
  zone.srv = {}
  t.true(await settles('/a', 503))
  t.true(await settles('/srv', 503))
})

test('DNS records in the order wanted; the port in the name goes first', async (t) => {
  const zone: Zone = {
    a: { 'both.test': ['10.0.0.1'], 'target.test': ['10.0.0.2'] },
    srv: {
      'both.test': [{ target: 'target.test', port: 81, weight: 0, priority: 3 }],
      'portless.test': [{ target: 'target.test', port: 0, weight: 7, priority: 0 }],
    },
  }
  const servers = [`127.0.0.1:${await nameServer(t, zone)}`]
  const found = (name: string, order?: readonly DnsRecordType[]) =>
    new Promise((resolve) => {
      const discovery = new DnsDiscovery(name, { servers, order }, resolve)
      t.teardown(() => discovery.close())
    })
  const service = { host: '10.0.0.2', weight: 1, priority: -3 }
  t.deepEqual(await found('both.test'), [{ ...service, port: 81 }])
  t.deepEqual(await found('both.test:82'), [{ ...service, port: 82 }])
  t.deepEqual(await found('both.test:82', ['A', 'SRV']), [
    { host: '10.0.0.1', port: 82, weight: 1, priority: 0 },
  ])
  t.deepEqual(await found('portless.test'), [{ host: '10.0.0.2', weight: 7, priority: 0 }])
  t.deepEqual(await found('target.test', ['CNAME', 'SRV', 'A']), [
    { host: '10.0.0.2', weight: 1, priority: 0 },
  ])
  for (const order of ['[B]', '[A, A]'])
    t.throws(() => parseGatewayConfig(`discovery: { dns: { order: ${order} } }`, 'x.yaml'), {
      message: /x\.yaml.*discovery\.dns\.order/,
    })
  t.throws(() => parseGatewayConfig('discovery: { dns: { resolv_conf: /nowhere } }', 'x.yaml'), {
    message: /discovery\.dns\.resolv_conf/,
  })
})
