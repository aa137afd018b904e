import test from 'ava'
import { httpBackend } from './support/backend.ts'
import { KEY, testGateway } from './support/gateway.ts'
import { exchange } from './support/raw-client.ts'

const text = (apisix: string, http = '') => `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }], ${apisix} }
nginx_config: { worker_processes: 1, http: { ${http} } }
deployment:
  admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: admin, key: ${KEY}, role: admin }] }
`

const FIELDS = [
  'x-real-ip',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'forwarded',
] as const

for (const [who, trusted] of [
  ['nobody is named', undefined],
  ['the peer is believed', '127.0.0.0/8'],
  ['others are believed', '10.0.0.0/8'],
] as const) {
  test(`what servers are told of the client: ${who}`, async (t) => {
    const backend = await httpBackend(t)
    const config = text(trusted === undefined ? '' : `trusted_addresses: ["${trusted}"]`)
    const { port, put } = await testGateway(t, { text: config })
    const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
    await put('/routes/1', { uri: '/*', upstream })
    const told = async (head: string) => {
      await exchange(port, `GET / HTTP/1.1\r\n${head}Connection: close\r\n\r\n`)
      const { headers } = backend.seen.at(-1) ?? { headers: {} as Record<string, unknown> }
      return FIELDS.map((name) => headers[name])
    }
    const believed = trusted === '127.0.0.0/8'
    const chain = trusted === '10.0.0.0/8' ? '127.0.0.1' : '9.9.9.9, 127.0.0.1'
    const forged = [
      'X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.org\r\n',
      'X-Forwarded-Port: 1\r\nForwarded: for=9.9.9.9\r\n',
    ].join('')
    t.deepEqual(
      await told(`Host: A.example:8443\r\n${forged}`),
      believed
        ? ['127.0.0.1', chain, 'https', 'b.org', '1', 'for=9.9.9.9']
        : ['127.0.0.1', chain, 'http', 'A.example:8443', '8443', undefined],
    )
    const observed = ['127.0.0.1', '127.0.0.1', 'http', 'a.example', String(port), undefined]
    t.deepEqual(await told('Host: a.example\r\n'), observed)
    t.deepEqual(await told('Host: a.example\r\nX-Forwarded-Proto: \r\nX-Forwarded-Port: \r\n'), observed)
  })
}

test('a chain that is dropped decides on no route', async (t) => {
  const backend = await httpBackend(t)
  const { url, put } = await testGateway(t, { text: text('trusted_addresses: ["10.0.0.0/8"]') })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const vars = [['http_x_forwarded_for', '==', '7.7.7.7']]
  await put('/routes/1', { uri: '/dropped', vars, upstream })
  await put('/routes/2', { uri: '/kept', vars: [['original_x_forwarded_for', '==', '7.7.7.7']], upstream })
  const headers = { 'x-forwarded-for': '7.7.7.7' }
  t.is((await fetch(`${url}/dropped`, { headers })).status, 404)
  t.is((await fetch(`${url}/kept`, { headers })).status, 200)
})

test('real_ip_from: the client is who a balancer in front says, for routes and servers', async (t) => {
  const backend = await httpBackend(t)
  const http = 'real_ip_from: [127.0.0.0/8, "unix:"], real_ip_header: X-Forwarded-For, real_ip_recursive: on'
  const { url, put } = await testGateway(t, { text: text('', http) })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/routes/1', { uri: '/', remote_addrs: ['192.0.2.0/24'], upstream })
  const asked = (chain: string) => fetch(url, { headers: { 'x-forwarded-for': chain } })
  t.is((await asked('6.6.6.6, 192.0.2.7, 127.0.0.9')).status, 200)
  t.is(backend.seen.at(-1)?.headers['x-real-ip'], '192.0.2.7')
  t.is((await asked('192.0.2.7, 6.6.6.6')).status, 404)
  t.is((await fetch(url)).status, 404)
})
