/** Random and damaged queries over the wire: never fatal, and the same octets get the same answer the second time. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test from 'ava'
import { decodeMessage, encodeMessage, Type } from '../../dns/wire/index.ts'
import { ask, clusterOf, dig, queryFor, sendUdp, serve } from './support/index.ts'

const service = (name: string, spec: object): unknown => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name },
  spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
})
const objects = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
  service('catalog', { clusterIP: '10.96.0.20' }),
  service('peers', { clusterIP: 'None' }),
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: 'peers-a', labels: { 'kubernetes.io/service-name': 'peers' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.244.0.1'], conditions: { ready: true } }],
  },
]
const corefile = `. {
  bind 127.0.0.1
  errors
  prometheus 127.0.0.1:0
  kubernetes cluster.local in-addr.arpa {
    pods insecure
  }
  cache 30
  loadbalance
}`

/** xorshift: the same run again from its printed seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const names = [
  'catalog.shop.svc.cluster.local',
  'CaTaLoG.shop.svc.CLUSTER.local',
  'peers.shop.svc.cluster.local',
  '_http._tcp.catalog.shop.svc.cluster.local',
  '10-244-0-1.shop.pod.cluster.local',
  'none.shop.svc.cluster.local',
  'cluster.local',
  'dns-version.cluster.local',
  '20.0.96.10.in-addr.arpa',
  '1.0.244.10.in-addr.arpa',
]
const types = [Type.A, Type.AAAA, Type.SRV, Type.PTR, Type.TXT, Type.SOA, Type.NS, Type.ANY, 65_280]

function randomQuery(random: (below: number) => number): Buffer {
  const edns =
    random(2) === 0
      ? undefined
      : { udpSize: [512, 1232, 4096][random(3)] ?? 512, version: 0, dnssecOk: random(2) === 0, options: [] }
  return encodeMessage(
    queryFor(names[random(names.length)] ?? '.', types[random(types.length)] ?? Type.A, {
      id: random(65_536),
      recursionDesired: random(2) === 0,
      checkingDisabled: random(4) === 0,
      edns,
    }),
  )
}

test.serial('the second answer to the same octets is the first one', async (t) => {
  const { store, source } = await clusterOf(t, ...objects)
  const { port } = await serve(t, corefile, { store })
  const seed = Date.now() & 0xffff
  t.log(`seed ${seed}`)
  const random = randomFrom(seed)
  for (let i = 0; i < 300; i += 1) {
    const query = randomQuery(random)
    const first = await sendUdp(port, query)
    query.writeUInt16BE(random(65_536), 0)
    const second = await sendUdp(port, query)
    t.is(second?.readUInt16BE(0), query.readUInt16BE(0))
    t.deepEqual(second?.subarray(2), first?.subarray(2), query.toString('hex'))
    // Now and then the cluster changes, and what was kept must not be given again.
    if (i % 50 !== 49) continue
    const address = `10.96.1.${i % 250}`
    source.apply(service('catalog', { clusterIP: address }))
    for (let tries = 0; tries < 1000; tries += 1) {
      const [record] = (await ask(port, 'catalog.shop.svc.cluster.local', Type.A))?.answer ?? []
      if (record?.kind === 'address' && record.address === address) break
      t.true(tries < 999, 'the change shows')
    }
  }
})

test.serial('damaged queries are answered or dropped, and nothing else happens', async (t) => {
  const { store } = await clusterOf(t, ...objects)
  const { port, lines } = await serve(t, corefile, { store })
  const seed = Date.now() & 0xffff
  t.log(`seed ${seed}`)
  const random = randomFrom(seed)
  const socket = createSocket('udp4')
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  t.teardown(() => void socket.close())
  let answers = 0
  socket.on('message', (octets) => {
    answers += 1
    t.notThrows(() => decodeMessage(octets), octets.toString('hex'))
  })
  for (let i = 0; i < 3000; i += 1) {
    const octets = Buffer.from(randomQuery(random))
    for (let n = random(6); n > 0; n -= 1) octets[random(octets.length)] = random(256)
    socket.send(octets.subarray(0, random(4) === 0 ? random(octets.length + 1) : octets.length))
    if (i % 100 === 99) t.is((await dig(port, 'catalog.shop.svc.cluster.local', 'A')).status, 'NOERROR')
  }
  t.true(answers > 0)
  t.false(lines.some((line) => line.includes('a plugin failed on a query')))
})
