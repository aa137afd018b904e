import test, { type ExecutionContext } from 'ava'
import { httpBackend } from './support/backend.ts'
import { collector } from './support/collector.ts'
import { testGateway } from './support/gateway.ts'
import { route, service, slice } from './support/objects.ts'

/** A wolf server with one user, who may read but not write. */
async function wolf(t: ExecutionContext) {
  let failures = 0
  const userInfo = { id: 7, username: 'ann', nickname: 'Änn' }
  const { uri: server, received: seen } = await collector(t, (request) => {
    const { pathname, searchParams } = new URL(request.url, 'http://wolf')
    if (failures > 0) {
      failures--
      return [500, {}]
    }
    if (pathname === '/wolf/rbac/login.rest') {
      const good = (JSON.parse(request.body) as { password?: string }).password === 'right'
      return [200, good ? { ok: true, data: { token: 'secret', userInfo } } : { ok: false, reason: 'no' }]
    }
    if (request.headers['x-rbac-token'] !== 'secret') return [401, { reason: 'token is no good' }]
    if (pathname !== '/wolf/rbac/access_check') return [200, { ok: true, data: { userInfo } }]
    const may = searchParams.get('action') === 'GET'
    return [may ? 200 : 403, { reason: may ? undefined : 'not allowed', data: { userInfo } }]
  })
  return {
    server,
    seen,
    fail(times: number) {
      failures = times
    },
  }
}

test('wolf decides on each request, and says who the user is', async (t) => {
  const { server, seen, fail } = await wolf(t)
  const backend = await httpBackend(t)
  const { url, put } = await testGateway(t)
  await put('/consumers', { username: 'shop', plugins: { 'wolf-rbac': { server, appid: 'shop' } } })
  await put('/routes/1', {
    uri: '/*',
    plugins: { 'wolf-rbac': {} },
    upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
  })
  for (const name of ['login', 'change_pwd', 'user_info'])
    await put(`/routes/${name}`, { uri: `/apisix/plugin/wolf-rbac/${name}`, plugins: { 'public-api': {} } })
  const api = async (method: string, name: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}/apisix/plugin/wolf-rbac/${name}`, {
      method,
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const wrong = await api('POST', 'login', { appid: 'shop', username: 'ann', password: 'wrong' })
  t.deepEqual(wrong, { status: 200, body: { message: 'request to wolf-server failed!' } })
  t.deepEqual(await api('POST', 'login', { appid: 'none' }), {
    status: 400,
    body: { message: 'appid not found' },
  })
  const { body } = await api('POST', 'login', { appid: 'shop', username: 'ann', password: 'right' })
  const token = String(body.rbac_token)
  t.is(token, 'V1#shop#secret')
  t.like(await api('GET', 'user_info', undefined, { Authorization: token }), {
    body: { user_info: { username: 'ann' } },
  })
  const changed = await api(
    'PUT',
    'change_pwd',
    { oldPassword: 'a', newPassword: 'b' },
    { 'X-RBAC-Token': token },
  )
  t.like(changed, { status: 200, body: { message: 'success to change password' } })

  const ask = async (options: RequestInit = {}, path = '/goods') => {
    const response = await fetch(url + path, options)
    const text = await response.text()
    const { message } = (text.startsWith('{') ? JSON.parse(text) : {}) as { message?: string }
    return { status: response.status, message, user: response.headers.get('x-username') }
  }
  t.deepEqual(await ask(), { status: 401, message: 'Missing rbac token in request', user: null })
  t.is((await ask({ headers: { Authorization: 'x' } })).message, 'invalid rbac token: parse failed')
  t.is((await ask({ headers: { Authorization: 'V1#none#x' } })).message, 'Invalid appid in rbac token')
  t.deepEqual(await ask({ headers: { Authorization: 'V1#shop#x' } }), {
    status: 401,
    message: 'token is no good',
    user: null,
  })
  const forged = { 'X-UserId': '1', 'X-Username': 'root', Cookie: `x-rbac-token=${token}` }
  t.deepEqual(await ask({ headers: forged }), { status: 200, message: undefined, user: 'ann' })
  t.like(backend.seen.at(-1)?.headers, {
    'x-userid': '7',
    'x-username': 'ann',
    'x-nickname': '%C3%84nn',
    'x-consumer-username': 'shop',
  })
  t.like(new URL(seen.at(-1)?.url ?? '', server), {
    pathname: '/wolf/rbac/access_check',
    search: '?appID=shop&action=GET&resName=%2Fgoods&clientIP=127.0.0.1',
  })
  const argument = `/goods?rbac_token=${encodeURIComponent(token)}`
  t.deepEqual(await ask({ method: 'DELETE' }, argument), { status: 403, message: 'not allowed', user: 'ann' })
  fail(2)
  t.is((await ask({}, argument)).status, 200)
  fail(3)
  t.deepEqual(await ask({}, argument), { status: 500, message: 'request to wolf-server failed', user: null })
})

test('wolfRBAC of ApisixRoute and ApisixConsumer', async (t) => {
  const { server } = await wolf(t)
  const backend = await httpBackend(t)
  const { url, gateway } = await testGateway(t, {
    objects: [
      service('shop', 80),
      slice('shop', backend.port, [{ address: '127.0.0.1' }]),
      {
        apiVersion: 'apisix.apache.org/v2',
        kind: 'ApisixConsumer',
        metadata: { name: 'shop', namespace: 'default' },
        spec: { authParameter: { wolfRBAC: { value: { server, appid: 'shop' } } } },
      },
      route('shop', {
        match: { paths: ['/*'] },
        backends: [{ serviceName: 'shop', servicePort: 80 }],
        authentication: { enable: true, type: 'wolfRBAC' },
      }),
    ],
  })
  t.deepEqual(gateway.problems(), [])
  t.is((await fetch(url)).status, 401)
  t.is((await fetch(url, { headers: { Authorization: 'V1#shop#secret' } })).status, 200)
})
