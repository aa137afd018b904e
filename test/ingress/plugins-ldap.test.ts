import net from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { escapeDn } from '../../ingress/plugins/ldap-auth/bind.ts'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { service, slice } from './support/objects.ts'

/** Octet strings of a bind request in order, found by their tags: the name (0x04) and the password (0x80). */
function readBind(message: Buffer): { name: string; password: string } {
  // 30 len, 02 01 id, 60 len, 02 01 03, 04 len name, 80 len password; lengths of one byte here.
  const nameAt = message.indexOf(Buffer.from([0x02, 0x01, 0x03, 0x04])) + 4
  const nameEnd = nameAt + 1 + (message[nameAt] ?? 0)
  const name = message.toString('utf8', nameAt + 1, nameEnd)
  return { name, password: message.toString('utf8', nameEnd + 2, nameEnd + 2 + (message[nameEnd + 1] ?? 0)) }
}

/** A directory that takes the passwords given, by name; and success for an empty one, as directories do. */
async function directory(t: ExecutionContext, passwords: Readonly<Record<string, string>>) {
  const asked: string[] = []
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', (message: Buffer) => {
      const { name, password } = readBind(message)
      asked.push(name)
      const code = password === '' || passwords[name] === password ? 0 : 49
      const answer = Buffer.from([
        0x30,
        0x0c,
        0x02,
        0x01,
        0x01,
        0x61,
        0x07,
        0x0a,
        0x01,
        code,
        0x04,
        0,
        0x04,
        0,
      ])
      // In pieces, as a network may cut it.
      socket.write(answer.subarray(0, 5))
      setImmediate(() => socket.write(answer.subarray(5)))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  t.teardown(close)
  return { port: (server.address() as net.AddressInfo).port, asked, close }
}

const BASE = 'ou=users,dc=example,dc=org'

test('ldap-auth lets in whom the directory and a consumer know', async (t) => {
  const ldap = await directory(t, {
    [`cn=ann,${BASE}`]: 'se:cret',
    [`cn=lost,${BASE}`]: 'x',
    [`cn=a\\,dc\\=b,${BASE}`]: 'y',
  })
  const backend = await httpBackend(t)
  const { url, put } = await testGateway(t)
  const conf = { base_dn: BASE, ldap_uri: `127.0.0.1:${ldap.port}` }
  await put('/routes/1', {
    uri: '/*',
    plugins: { 'ldap-auth': conf },
    upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
  })
  await put('/consumers', { username: 'ann', plugins: { 'ldap-auth': { user_dn: `cn=ann,${BASE}` } } })
  await put('/consumers', { username: 'odd', plugins: { 'ldap-auth': { user_dn: `cn=a\\,dc\\=b,${BASE}` } } })
  const as = async (credentials?: string) => {
    const headers = {
      'X-Consumer-Username': 'root',
      ...(credentials === undefined ? {} : { Authorization: credentials }),
    }
    const response = await fetch(url, { headers })
    return [response.status, (JSON.parse(await response.text()) as { message?: string }).message]
  }
  const basic = (text: string) => `Basic ${btoa(text)}`
  t.deepEqual(await as(), [401, 'Missing authorization in request'])
  t.deepEqual(await as('Bearer x'), [401, 'Invalid authorization in request'])
  t.deepEqual(await as(basic('ann:se:cret')), [200, undefined])
  t.is(backend.seen.at(-1)?.headers['x-consumer-username'], 'ann')
  for (const bad of ['ann:wrong', 'ann:', 'nobody:x', 'lost:x'])
    t.deepEqual(await as(basic(bad)), [401, 'Invalid user authorization'], bad)
  // A name with marks of the syntax is one value, not a place elsewhere in the tree.
  t.deepEqual(await as(basic('a,dc=b:y')), [200, undefined])
  t.deepEqual([...new Set(ldap.asked)], [`cn=ann,${BASE}`, `cn=a\\,dc\\=b,${BASE}`])
  t.is(escapeDn(' #a"b\\c '), '\\ #a\\"b\\\\c\\ ')
  ldap.close()
  t.deepEqual(await as(basic('ann:se:cret')), [401, 'Invalid user authorization'])
})

test('ApisixRoute and ApisixConsumer with ldapAuth; exprs on the body', async (t) => {
  const ldap = await directory(t, { [`uid=ann,${BASE}`]: 'secret' })
  const backend = await httpBackend(t)
  const apisix = (kind: string, name: string, spec: object) => ({
    apiVersion: 'apisix.apache.org/v2',
    kind,
    metadata: { name, namespace: 'default' },
    spec,
  })
  const backends = [{ serviceName: 'a', servicePort: 80 }]
  const { url, gateway } = await testGateway(t, {
    objects: [
      service('a', 80),
      slice('a', backend.port, [{ address: '127.0.0.1' }]),
      apisix('ApisixRoute', 'r', {
        http: [
          {
            name: 'ldap',
            match: { paths: ['/ldap'] },
            backends,
            authentication: {
              enable: true,
              type: 'ldapAuth',
              ldapAuth: { base_dn: BASE, ldap_uri: `127.0.0.1:${ldap.port}`, uid: 'uid' },
            },
          },
          {
            name: 'body',
            match: {
              paths: ['/body'],
              exprs: [{ subject: { scope: 'Body', name: 'model.name' }, op: 'Equal', value: 'big' }],
            },
            backends,
          },
        ],
      }),
      apisix('ApisixConsumer', 'ann', {
        authParameter: { ldapAuth: { value: { user_dn: `uid=ann,${BASE}` } } },
      }),
    ],
  })
  t.deepEqual(gateway.problems(), [])
  const ldapStatus = async (password: string) =>
    (await fetch(`${url}/ldap`, { headers: { Authorization: `Basic ${btoa(`ann:${password}`)}` } })).status
  t.is(await ldapStatus('secret'), 200)
  t.is(await ldapStatus('wrong'), 401)
  const bodyStatus = async (name: string) => {
    const headers = { 'Content-Type': 'application/json' }
    const body = JSON.stringify({ model: { name } })
    return (await fetch(`${url}/body`, { method: 'POST', headers, body })).status
  }
  t.is(await bodyStatus('big'), 200)
  t.is(await bodyStatus('small'), 404)
})
