import { createHash, createHmac, createSign, generateKeyPairSync } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function token(claims: object, secret: string, header: object = { alg: 'HS256', typ: 'JWT' }): string {
  const signed = `${encode(header)}.${encode(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

test('jwt-auth: good tokens pass, expired, forged and re-labelled ones do not', async (t) => {
  const backend = await httpBackend(t)
  const { put, url, admin } = await testGateway(t)
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const publicKey = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  await put('/consumers/ann', {
    username: 'ann',
    plugins: { 'jwt-auth': { key: 'ann-key', secret: 's3cret' } },
  })
  await put('/consumers/bob', {
    username: 'bob',
    plugins: { 'jwt-auth': { key: 'bob-key', algorithm: 'RS256', public_key: publicKey } },
  })
  await put('/routes/1', {
    uri: '/*',
    plugins: { 'jwt-auth': {} },
    upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
  })
  const ask = async (text: string | undefined) => {
    const headers: Record<string, string> = text === undefined ? {} : { Authorization: `Bearer ${text}` }
    const response = await fetch(url, { headers })
    return response.status === 200 ? 'ok' : `${response.status} ${await response.text()}`
  }
  const exp = Math.floor(Date.now() / 1000) + 1000
  t.is(await ask(undefined), '401 {"message":"Missing JWT token in request"}\n')
  t.is(await ask('x.y'), '401 {"message":"JWT token invalid"}\n')
  t.is(await ask(token({}, 's3cret')), '401 {"message":"missing user key in JWT token"}\n')
  t.is(await ask(token({ key: 'nobody' }, 's3cret')), '401 {"message":"Invalid user key in JWT token"}\n')
  const failed = '401 {"message":"failed to verify jwt"}\n'
  t.is(await ask(token({ key: 'ann-key', exp }, 'guess')), failed)
  t.is(await ask(token({ key: 'ann-key', exp: exp - 2000 }, 's3cret')), failed)
  t.is(await ask(token({ key: 'ann-key', nbf: exp }, 's3cret')), failed)
  t.is(await ask(`${encode({ alg: 'none' })}.${encode({ key: 'ann-key' })}.`), failed)
  // The public key as a shared secret, the classic confusion (CVE-2026-39999).
  t.is(await ask(token({ key: 'bob-key' }, publicKey)), failed)
  t.is(await ask(token({ key: 'ann-key', exp }, 's3cret')), 'ok')
  const signed = `${encode({ alg: 'RS256' })}.${encode({ key: 'bob-key', exp })}`
  t.is(await ask(`${signed}.${createSign('sha256').update(signed).sign(rsa.privateKey, 'base64url')}`), 'ok')
  t.deepEqual(
    backend.seen.map(({ headers }) => headers['x-consumer-username']),
    ['ann', 'bob'],
  )
  const bad = {
    username: 'eve',
    plugins: { 'jwt-auth': { key: 'k', algorithm: 'RS256', public_key: 'no key' } },
  }
  t.is((await admin('PUT', '/consumers/eve', bad)).status, 400)
})

test('hmac-auth: the signature covers target and fields, the date must be near, the body if asked for', async (t) => {
  const backend = await httpBackend(t)
  const { put, url } = await testGateway(t)
  await put('/consumers/ann', {
    username: 'ann',
    plugins: { 'hmac-auth': { key_id: 'ann-key', secret_key: 'sesame' } },
  })
  await put('/routes/1', {
    uri: '/*',
    plugins: { 'hmac-auth': { signed_headers: ['date'], validate_request_body: true } },
    upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
  })
  const ask = async (
    change: { path?: string; date?: string; secret?: string; body?: string; names?: string } = {},
  ) => {
    const date = change.date ?? new Date().toUTCString()
    const names = change.names ?? '@request-target date'
    const lines = names.split(' ').map((name) => (name === 'date' ? `date: ${date}` : 'POST /a?b=c'))
    const text = `ann-key\n${lines.join('\n')}\n`
    const signature = createHmac('sha256', change.secret ?? 'sesame')
      .update(text)
      .digest('base64')
    const response = await fetch(url + (change.path ?? '/a?b=c'), {
      method: 'POST',
      body: change.body ?? 'hello',
      headers: {
        Date: date,
        Digest: `SHA-256=${createHash('sha256').update('hello').digest('base64')}`,
        Authorization: `Signature keyId="ann-key",algorithm="hmac-sha256",headers="${names}",signature="${signature}"`,
      },
    })
    return response.status
  }
  t.is(await ask(), 200)
  t.is(await ask({ path: '/other' }), 401)
  t.is(await ask({ secret: 'guess' }), 401)
  t.is(await ask({ body: 'changed' }), 401)
  t.is(await ask({ names: '@request-target' }), 401)
  t.is(await ask({ date: new Date(Date.now() - 3_600_000).toUTCString() }), 401)
  t.is(backend.seen.length, 1)
})

test('forward-auth asks, passes on what it was told, clears what it was not, and fails closed', async (t) => {
  const asked: http.IncomingHttpHeaders[] = []
  const service = http.createServer((request, response) => {
    asked.push(request.headers)
    if (request.headers['x-token'] !== 'good') {
      response.writeHead(401, { 'X-Reason': 'no token' }).end('who are you')
    } else response.writeHead(200, { 'X-User': 'ann' }).end()
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  const backend = await httpBackend(t)
  const { put, url } = await testGateway(t)
  const conf = {
    uri: `http://127.0.0.1:${(service.address() as AddressInfo).port}/check`,
    request_headers: ['X-Token'],
    upstream_headers: ['X-User', 'X-Role'],
    client_headers: ['X-Reason'],
    timeout: 20_000,
  }
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/routes/1', { uri: '/*', plugins: { 'forward-auth': conf }, upstream })
  const refused = await fetch(`${url}/a?b=c`)
  t.deepEqual(
    [refused.status, refused.headers.get('x-reason'), await refused.text()],
    [401, 'no token', 'who are you'],
  )
  t.is(asked[0]?.['x-forwarded-uri'], '/a?b=c')
  t.is(asked[0]?.['x-forwarded-method'], 'GET')
  const passed = await fetch(url, { headers: { 'X-Token': 'good', 'X-User': 'root', 'X-Role': 'admin' } })
  t.is(passed.status, 200)
  t.is(backend.seen[0]?.headers['x-user'], 'ann')
  t.is(backend.seen[0]?.headers['x-role'], undefined)
  await new Promise<void>((resolve) => {
    service.close(() => resolve())
    service.closeAllConnections()
  })
  t.is((await fetch(url, { headers: { 'X-Token': 'good' } })).status, 403)
  t.is(backend.seen.length, 1)
})

test('consumer-restriction, csrf', async (t) => {
  const backend = await httpBackend(t)
  const { put, url } = await testGateway(t)
  for (const name of ['ann', 'bob'])
    await put(`/consumers/${name}`, { username: name, plugins: { 'key-auth': { key: `${name}-key` } } })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/routes/1', {
    uri: '/people',
    plugins: { 'key-auth': {}, 'consumer-restriction': { whitelist: ['ann'] } },
    upstream,
  })
  await put('/routes/2', {
    uri: '/anonymous',
    plugins: { 'consumer-restriction': { whitelist: ['ann'] } },
    upstream,
  })
  await put('/routes/3', { uri: '/form', plugins: { csrf: { key: 'salt' } }, upstream })
  const status = async (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    (await fetch(url + path, { method, headers })).status
  t.is(await status('/people', { apikey: 'ann-key' }), 200)
  t.is(await status('/people', { apikey: 'bob-key' }), 403)
  t.is(await status('/anonymous'), 401)
  const page = await fetch(`${url}/form`)
  const csrf = /apisix-csrf-token=([^;]+)/.exec(page.headers.get('set-cookie') ?? '')?.[1] ?? ''
  const cookie = `apisix-csrf-token=${csrf}`
  t.is(await status('/form', {}, 'POST'), 401)
  t.is(await status('/form', { 'apisix-csrf-token': csrf }, 'POST'), 401)
  t.is(await status('/form', { 'apisix-csrf-token': csrf, cookie }, 'POST'), 200)
  const forged = Buffer.from('{"random":1,"expires":9999999999,"sign":"00"}').toString('base64')
  t.is(
    await status('/form', { 'apisix-csrf-token': forged, cookie: `apisix-csrf-token=${forged}` }, 'POST'),
    401,
  )
})
