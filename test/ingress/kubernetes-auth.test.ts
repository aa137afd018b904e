import { generateKeyPairSync, sign } from 'node:crypto'
import test from 'ava'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { route, service, slice } from './support/objects.ts'

test('jwtAuth and hmacAuth with consumers whose keys are in Secrets', async (t) => {
  const backend = await httpBackend(t)
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const base64 = (data: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(data).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
    )
  const secret = (name: string, data: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'default' },
    data: base64(data),
  })
  const consumer = (name: string, authParameter: Record<string, unknown>) => ({
    apiVersion: 'apisix.apache.org/v2',
    kind: 'ApisixConsumer',
    metadata: { name, namespace: 'default' },
    spec: { authParameter },
  })
  const backends = [{ serviceName: 'httpbin', servicePort: 80 }]
  const { url, gateway, admin } = await testGateway(t, {
    objects: [
      service('httpbin', 80),
      slice('httpbin', backend.port, [{ address: '127.0.0.1' }]),
      secret('jwt', { key: 'ann', algorithm: 'EdDSA', public_key: pem, exp: '60', base64_secret: 'false' }),
      consumer('ann', { jwtAuth: { secretRef: { name: 'jwt' } } }),
      consumer('bob', { hmacAuth: { value: { access_key: 'bob', secret_key: 'word' } } }),
      route('jwt', {
        match: { paths: ['/jwt'] },
        backends,
        authentication: { enable: true, type: 'jwtAuth', jwtAuth: { header: 'x-token' } },
      }),
      route('hmac', {
        match: { paths: ['/hmac'] },
        backends,
        authentication: { enable: true, type: 'hmacAuth' },
      }),
      route('ldap', {
        match: { paths: ['/ldap'] },
        backends,
        authentication: { enable: true, type: 'ldapAuth' },
      }),
    ],
  })
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'EdDSA', typ: 'JWT' })}.${part({ key: 'ann', exp: Math.floor(Date.now() / 1000) + 600 })}`
  const token = `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`
  t.is((await fetch(`${url}/jwt`)).status, 401)
  const answer = await fetch(`${url}/jwt`, { headers: { 'x-token': token } })
  const { headers } = (await answer.json()) as { headers: Record<string, string> }
  t.is(headers['x-consumer-username'], 'default_ann')
  t.is((await fetch(`${url}/hmac`)).status, 401)
  const bob = await admin('GET', '/consumers/default_bob')
  t.is(String(bob.body.value?.plugins?.['hmac-auth']?.key_id), 'bob')
  // What is not available is not open either.
  t.is((await fetch(`${url}/ldap`)).status, 404)
  t.deepEqual(
    gateway.problems().map(({ object }) => object),
    ['ApisixRoute default/ldap'],
  )
})
