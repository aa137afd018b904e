import { execFile } from 'node:child_process'
import { createVerify, generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import tls from 'node:tls'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { signV4 } from '../../ingress/secrets/signature-v4.ts'
import { httpBackend } from './support/backend.ts'
import { authority } from './support/certificates.ts'
import { collector } from './support/collector.ts'
import { temporaryDirectory, testGateway } from './support/gateway.ts'
import { until } from './support/until.ts'

// AWS Secrets Manager and Google Cloud's Secret Manager, as far as they are read, on small servers.

const EXAMPLE = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }

test('Signature Version 4 is what the published examples of AWS say', (t) => {
  const sign = (method: string, headers: Record<string, string>, body: string) =>
    signV4(
      {
        method,
        url: new URL('https://example.amazonaws.com/'),
        headers,
        body,
        region: 'us-east-1',
        service: 'service',
      },
      EXAMPLE,
      new Date('2015-08-30T12:36:00Z'),
    ).Authorization
  const credential = 'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request'
  t.is(
    sign('GET', {}, ''),
    `${credential}, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31`,
  )
  t.is(
    sign('POST', { 'Content-Type': 'application/x-www-form-urlencoded' }, 'Param1=value1'),
    `${credential}, SignedHeaders=content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a`,
  )
})

test('curl signs a request in the same way', async (t) => {
  const { uri: url, received: seen } = await collector(t)
  await promisify(execFile)('curl', [
    '-sf',
    ...['--aws-sigv4', 'aws:amz:eu-west-1:secretsmanager', '--user', 'AKID:SECRET'],
    ...['-H', 'Content-Type: application/x-amz-json-1.1', '-d', '{"SecretId":"a"}'],
    `${url}/`,
  ])
  const headers = seen[0]?.headers
  const stamp = String(headers?.['x-amz-date'])
  const iso = stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  const ours = signV4(
    {
      method: 'POST',
      url: new URL(`${url}/`),
      headers: { 'Content-Type': 'application/x-amz-json-1.1' },
      body: '{"SecretId":"a"}',
      region: 'eu-west-1',
      service: 'secretsmanager',
    },
    { accessKeyId: 'AKID', secretAccessKey: 'SECRET' },
    new Date(iso),
  )
  t.is(headers?.authorization, ours.Authorization)
})

test('secrets from AWS: names with slashes, fields of JSON, credentials from the environment', async (t) => {
  process.env.PLX_TEST_AWS = JSON.stringify({ secret: 'SECRET' })
  const secrets = new Map([
    ['plain', 'key of ann'],
    ['team/bob', JSON.stringify({ key: 'key of bob', pin: 1234 })],
  ])
  const { uri: endpoint, received: seen } = await collector(t, ({ method, url: path, headers, body }) => {
    const stamp = String(headers['x-amz-date'])
    const expected = signV4(
      {
        method,
        url: new URL(path, endpoint),
        headers: {
          'Content-Type': String(headers['content-type']),
          'X-Amz-Target': String(headers['x-amz-target']),
        },
        body,
        region: 'eu-central-1',
        service: 'secretsmanager',
      },
      { accessKeyId: 'AKID', secretAccessKey: 'SECRET', sessionToken: 'session' },
      new Date(stamp.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5')),
    )
    if (headers.authorization !== expected.Authorization)
      return [403, { __type: 'InvalidSignatureException' }]
    const value = secrets.get(JSON.parse(body).SecretId)
    return value === undefined
      ? [400, { __type: 'ResourceNotFoundException' }]
      : [200, { SecretString: value }]
  })
  const backend = await httpBackend(t)
  const { url, put, admin } = await testGateway(t)
  const manager = {
    access_key_id: 'AKID',
    secret_access_key: '$env://PLX_TEST_AWS/secret',
    session_token: 'session',
    region: 'eu-central-1',
    endpoint_url: endpoint,
  }
  const lacking = await admin('PUT', '/secrets/aws/1', { region: 'x' })
  t.is(lacking.status, 400)
  t.regex(String(lacking.body.error_msg), /property "(access_key_id|secret_access_key)" is required/)
  await put('/secrets/aws/1', manager)
  for (const [username, key] of [
    ['ann', '$secret://aws/1/plain'],
    ['bob', '$secret://aws/1/team/bob/key'],
    ['cat', '$secret://aws/1/team/bob/pin'],
    ['dan', '$secret://aws/1/team/bob/none'],
  ])
    await put('/consumers', { username, plugins: { 'key-auth': { key } } })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/routes/1', { uri: '/*', upstream, plugins: { 'key-auth': {} } })
  const as = async (apikey: string) => (await fetch(url, { headers: { apikey } })).status
  for (const key of ['key of ann', 'key of bob', '1234'])
    t.true(await until(async () => (await as(key)) === 200))
  t.is(await as('$secret://aws/1/team/bob/none'), 401)
  t.deepEqual(
    seen
      .map(({ body }) => JSON.parse(body).SecretId)
      .filter((name) => name.startsWith('team/bob/k') || name === 'plain'),
    ['plain', 'team/bob/key'],
  )
})

/** Google's token endpoint and Secret Manager. */
async function google(t: ExecutionContext, publicKey: string) {
  const secrets = new Map<string, string>()
  const tokens: object[] = []
  const started = await collector(t, ({ method, url: path, headers, body }) => {
    if (path === '/refused') return [401, {}]
    if (method === 'POST') {
      const form = new URLSearchParams(body)
      const [head = '', claims = '', signature = ''] = String(form.get('assertion')).split('.')
      const good = createVerify('RSA-SHA256')
        .update(`${head}.${claims}`)
        .verify(publicKey, signature, 'base64url')
      if (!good || form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer') return [401, {}]
      tokens.push(JSON.parse(Buffer.from(claims, 'base64url').toString()))
      return [200, { access_token: 'good', token_type: 'Bearer', expires_in: 3600 }]
    }
    const value = secrets.get(path)
    if (headers.authorization !== 'Bearer good' || value === undefined) return [404, {}]
    return [200, { payload: { data: Buffer.from(value).toString('base64') } }]
  })
  return { ...started, secrets, tokens }
}

test('secrets from Google Cloud, with an account of the object or of a key file, and certificates among them', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const { uri: entries, received: seen, secrets, tokens } = await google(t, publicKey)
  const issuer = authority(t)
  const pair = issuer.issue('shop.example')
  const place = (name: string) => `/projects/p1/secrets/${name}/versions/latest:access`
  secrets.set(place('plain'), 'key of ann')
  secrets.set(place('bob'), JSON.stringify({ key: 'key of bob' }))
  secrets.set(place('tls'), JSON.stringify({ cert: pair.cert, key: pair.key }))
  const account = {
    client_email: 'plexus@p1.example',
    private_key: privateKey,
    project_id: 'p1',
    token_uri: `${entries}/token`,
  }
  const file = path.join(temporaryDirectory(t), 'account.json')
  writeFileSync(file, JSON.stringify({ ...account, token_uri: `${entries}/refused` }))
  const backend = await httpBackend(t)
  const { url, put, admin, gateway } = await testGateway(t, {
    text: `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }], ssl: { listen: [{ ip: 127.0.0.1, port: 0 }] } }
deployment: { admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key_required: false } }
`,
  })
  t.is((await admin('PUT', '/secrets/gcp/1', { ssl_verify: true })).status, 400)
  await put('/secrets/gcp/1', { auth_config: { ...account, entries_uri: entries } })
  await put('/consumers', { username: 'ann', plugins: { 'key-auth': { key: '$secret://gcp/1/plain' } } })
  await put('/consumers', { username: 'bob', plugins: { 'key-auth': { key: '$secret://gcp/1/bob/key' } } })
  await put('/ssls/1', {
    snis: ['shop.example'],
    cert: '$secret://gcp/1/tls/cert',
    key: '$secret://gcp/1/tls/key',
  })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/routes/1', { uri: '/*', upstream, plugins: { 'key-auth': {} } })
  const as = async (apikey: string) => (await fetch(url, { headers: { apikey } })).status
  for (const key of ['key of ann', 'key of bob']) t.true(await until(async () => (await as(key)) === 200))
  t.like(tokens[0], {
    iss: 'plexus@p1.example',
    aud: `${entries}/token`,
    scope: 'https://www.googleapis.com/auth/cloud-platform',
  })

  const port = gateway.listen.at(-1)?.port ?? 0
  const shakesHands = () =>
    new Promise<boolean>((resolve) => {
      const socket = tls.connect(
        { host: '127.0.0.1', port, servername: 'shop.example', ca: issuer.ca },
        () => {
          socket.destroy()
          resolve(true)
        },
      )
      socket.on('error', () => resolve(false))
    })
  t.true(await until(shakesHands))

  // A key file says nothing of where the secrets are: it is the token that is asked for here, and refused.
  await put('/secrets/gcp/file', { auth_file: file })
  await put('/consumers', { username: 'cat', plugins: { 'key-auth': { key: '$secret://gcp/file/none' } } })
  t.true(await until(() => seen.some(({ url }) => url === '/refused')))
})
