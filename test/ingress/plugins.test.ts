import test, { type ExecutionContext } from 'ava'
import { PLUGINS } from '../../ingress/plugins/index.ts'
import { FixedWindows } from '../../ingress/plugins/limit-count/fixed-windows.ts'
import { SharedRecords } from '../../ingress/sharing/index.ts'
import { httpBackend } from './support/backend.ts'
import { type Answer, testGateway } from './support/gateway.ts'

async function withPlugins(
  t: ExecutionContext,
  plugins: Record<string, unknown>,
  more: Record<string, unknown> = {},
) {
  const backend = await httpBackend(t)
  const gateway = await testGateway(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const set = (next: Record<string, unknown>) =>
    gateway.put('/routes/1', { uri: '/*', plugins: next, upstream, ...more })
  await set(plugins)
  const get = (path = '/', init: RequestInit = {}) =>
    fetch(`${gateway.url}${path}`, { redirect: 'manual', ...init })
  return { ...gateway, backend, get, set }
}

const json = async (response: Response) => (await response.json()) as Answer

test('limit-count counts per key and window, tells the quota, refuses with the code and message given', async (t) => {
  const conf = {
    count: 2,
    time_window: 60,
    rejected_code: 429,
    rejected_msg: 'slow down',
    key: 'http_x_user',
  }
  const { get, set } = await withPlugins(t, { 'limit-count': conf })
  const as = (user: string) => get('/', { headers: { 'X-User': user } })
  const first = await as('a')
  t.is(first.status, 200)
  t.is(first.headers.get('x-ratelimit-limit'), '2')
  t.is(first.headers.get('x-ratelimit-remaining'), '1')
  t.is((await as('a')).headers.get('x-ratelimit-remaining'), '0')
  const refused = await as('a')
  t.is(refused.status, 429)
  t.is(refused.headers.get('x-ratelimit-remaining'), '0')
  t.deepEqual(await json(refused), { error_msg: 'slow down' } as unknown as Answer)
  t.is((await as('b')).status, 200)
  await set({ 'limit-count': { count: 1, time_window: 60 } })
  t.is((await as('a')).status, 200, 'editing the configuration starts over')
  const stock = await as('a')
  t.is(stock.status, 503)
  t.regex(await stock.text(), /503 Service Temporarily Unavailable/)
})

test('fixed windows end', (t) => {
  let now = 0
  const windows = new FixedWindows(new SharedRecords().within('windows'), () => now)
  t.deepEqual(windows.count('a', 100), { count: 1, resetMs: 100 })
  now = 60
  t.deepEqual(windows.count('a', 100), { count: 2, resetMs: 40 })
  now = 100
  t.deepEqual(windows.count('a', 100), { count: 1, resetMs: 100 })
})

test('key-auth finds consumers by header or query, hides credentials, clears identity fields', async (t) => {
  const { get, put, set, backend } = await withPlugins(t, { 'key-auth': {} })
  await put('/consumers/jack', {
    username: 'jack',
    plugins: { 'key-auth': { key: 'auth-one' } },
    labels: { custom_id: '42' },
  })
  const missing = await get()
  t.is(missing.status, 401)
  t.is(missing.headers.get('www-authenticate'), 'apikey realm="key"')
  t.deepEqual(await json(missing), { message: 'Missing API key in request' } as unknown as Answer)
  t.deepEqual(await json(await get('/', { headers: { apikey: 'x' } })), {
    message: 'Invalid API key in request',
  } as unknown as Answer)
  t.is((await get('/', { headers: { apikey: 'auth-one', 'X-Credential-Identifier': 'forged' } })).status, 200)
  const seen = backend.seen.at(-1)?.headers
  t.is(seen?.['x-consumer-username'], 'jack')
  t.is(seen?.['x-consumer-custom-id'], '42')
  t.is(seen?.['x-credential-identifier'], undefined)
  await set({ 'key-auth': { hide_credentials: true } })
  t.is((await get('/q?a=1&apikey=auth-one&b=2')).status, 200)
  t.is(backend.seen.at(-1)?.url, '/q?a=1&b=2')
})

test("a consumer's own plugins override the route's", async (t) => {
  const { get, put } = await withPlugins(t, {
    'key-auth': {},
    'limit-count': { count: 100, time_window: 60 },
  })
  const limited = { count: 1, time_window: 60, rejected_code: 429 }
  await put('/consumers', {
    username: 'jack',
    plugins: { 'key-auth': { key: 'one' }, 'limit-count': limited },
  })
  await put('/consumers', { username: 'rose', plugins: { 'key-auth': { key: 'two' } } })
  const as = (apikey: string) => get('/', { headers: { apikey } })
  t.is((await as('one')).headers.get('x-ratelimit-limit'), '1')
  t.is((await as('one')).status, 429)
  t.is((await as('two')).headers.get('x-ratelimit-limit'), '100')
})

test('basic-auth', async (t) => {
  const { get, put } = await withPlugins(t, { 'basic-auth': {} })
  await put('/consumers', {
    username: 'foo',
    plugins: { 'basic-auth': { username: 'foo', password: 'bar' } },
  })
  const as = (text: string) =>
    get('/', { headers: { Authorization: `Basic ${Buffer.from(text).toString('base64')}` } })
  t.is((await get()).status, 401)
  t.is((await as('foo:wrong')).status, 401)
  t.is((await as('who:bar')).status, 401)
  t.is((await as('foo:bar')).status, 200)
})

test('proxy-rewrite changes path, method, host and fields; captures cannot inject lines', async (t) => {
  const conf = {
    regex_uri: ['^/old/([^?]*)$', '/new/$1'],
    method: 'PUT',
    host: 'inner.org',
    headers: {
      set: { 'X-From': '$remote_addr', 'X-Arg': '$arg_a' },
      add: { 'X-Tag': '1' },
      remove: ['X-Secret'],
    },
  }
  const { get, set, backend } = await withPlugins(t, { 'proxy-rewrite': conf })
  await get('/old/a%0d%0aX-Evil:%201?a=1%0d%0aX-Evil:%202', { headers: { 'X-Secret': 's', 'X-Tag': '0' } })
  const seen = backend.seen.at(-1)
  t.is(seen?.method, 'PUT')
  t.is(seen?.url, '/new/a%0D%0AX-Evil:%201?a=1%0d%0aX-Evil:%202')
  t.like(seen?.headers, { host: 'inner.org', 'x-from': '127.0.0.1', 'x-tag': '0, 1' })
  t.is(seen?.headers['x-secret'], undefined)
  t.is(seen?.headers['x-evil'], undefined)
  t.is(seen?.headers['x-arg'], '1  X-Evil: 2')
  await set({ 'proxy-rewrite': { uri: '/fixed?own=1' } })
  await get('/x?b=2')
  t.is(backend.seen.at(-1)?.url, '/fixed?own=1&b=2')
})

test('response-rewrite changes status, fields and body', async (t) => {
  const { get, set } = await withPlugins(t, {
    'response-rewrite': {
      status_code: 201,
      body: 'new',
      headers: { set: { 'X-Server': '$balancer_ip' }, remove: ['Content-Type'] },
    },
  })
  const response = await get()
  t.is(response.status, 201)
  t.is(await response.text(), 'new')
  t.is(response.headers.get('x-server'), '127.0.0.1')
  t.is(response.headers.get('content-type'), null)
  await set({
    'response-rewrite': { filters: [{ regex: 'backend', scope: 'global', replace: 'rewritten' }] },
  })
  t.is((await json(await get())).name as unknown, 'rewritten')
})

test('redirect', async (t) => {
  const { get, set } = await withPlugins(t, {
    redirect: { uri: '/to$uri', ret_code: 301, append_query_string: true },
  })
  const moved = await get('/a?b=1')
  t.is(moved.status, 301)
  t.is(moved.headers.get('location'), '/to/a?b=1')
  await set({ redirect: { http_to_https: true } })
  t.regex((await get('/a?b=1')).headers.get('location') ?? '', /^https:\/\/127\.0\.0\.1\/a\?b=1$/)
  t.is((await get('/a', { method: 'POST' })).status, 308)
})

test('ip-restriction, request-id, fault-injection, mocking', async (t) => {
  const { get, set, backend } = await withPlugins(t, {
    'ip-restriction': { blacklist: ['127.0.0.0/8'], message: 'no' },
  })
  const refused = await get()
  t.is(refused.status, 403)
  t.deepEqual(await json(refused), { message: 'no' } as unknown as Answer)
  await set({ 'request-id': {} })
  const made = (await get()).headers.get('x-request-id')
  t.regex(made ?? '', /^[0-9a-f-]{36}$/)
  t.is(backend.seen.at(-1)?.headers['x-request-id'], made ?? '')
  t.is((await get('/', { headers: { 'X-Request-Id': 'mine' } })).headers.get('x-request-id'), 'mine')
  await set({
    'fault-injection': {
      abort: { http_status: 418, body: 'tea for $remote_addr', vars: [[['arg_x', '==', '1']]] },
    },
  })
  t.is((await get()).status, 200)
  const fault = await get('/?x=1')
  t.is(fault.status, 418)
  t.is(await fault.text(), 'tea for 127.0.0.1')
  const before = backend.seen.length
  await set({ mocking: { response_example: '{"a":1}', response_status: 202 } })
  const mocked = await get()
  t.is(mocked.status, 202)
  t.is(await mocked.text(), '{"a":1}')
  t.is(backend.seen.length, before)
})

test('cors answers preflights and marks answers', async (t) => {
  const { get } = await withPlugins(t, {
    cors: { allow_origins: 'https://a.org,https://b.org', allow_methods: 'GET', allow_headers: 'X-A' },
  })
  const preflight = await get('/', { method: 'OPTIONS', headers: { Origin: 'https://b.org' } })
  t.is(preflight.status, 200)
  t.is(preflight.headers.get('access-control-allow-origin'), 'https://b.org')
  const other = await get('/', { headers: { Origin: 'https://c.org' } })
  t.is(other.headers.get('access-control-allow-origin'), null)
  t.is(other.headers.get('vary'), 'Origin')
})

test('traffic-split by condition and weight', async (t) => {
  const canary = await httpBackend(t, { name: 'canary' })
  const upstream = { nodes: { [`127.0.0.1:${canary.port}`]: 1 } }
  const { get } = await withPlugins(t, {
    'traffic-split': {
      rules: [
        {
          match: [{ vars: [['http_x_canary', '==', 'yes']] }],
          weighted_upstreams: [{ upstream, weight: 1 }, { weight: 1 }],
        },
      ],
    },
  })
  const names = async (headers: Record<string, string>) =>
    Promise.all([1, 2, 3, 4].map(async () => String((await json(await get('/', { headers }))).name)))
  t.deepEqual((await names({ 'X-Canary': 'yes' })).sort(), ['backend', 'backend', 'canary', 'canary'])
  t.deepEqual(await names({}), Array(4).fill('backend'))
})

test('prometheus counts what happened', async (t) => {
  const { get, metrics } = await withPlugins(t, { prometheus: {} }, { name: 'shop' })
  await (await get()).text()
  await (await get()).text()
  const text = await metrics.metrics()
  t.regex(
    text,
    /^apisix_http_status\{code="200",route="[^"]+",matched_uri="[^"]+",matched_host="",service="",consumer="",node="127.0.0.1",request_type="traditional_http",request_llm_model="",llm_model="",response_source="upstream"\} 2$/m,
  )
  t.regex(text, /apisix_http_latency_count\{[^}]*type="request"[^}]*\} 2/)
  t.regex(text, /apisix_bandwidth\{[^}]*type="egress"[^}]*\} [1-9]/)
})

test('_meta: disable, filter, priority, error_response', async (t) => {
  const limit = { count: 1, time_window: 60 }
  const { get, set } = await withPlugins(t, { 'key-auth': { header: 7, _meta: { disable: true } } })
  t.is((await get()).status, 200)
  await set({ 'key-auth': { _meta: { filter: [['arg_auth', '==', '1']], error_response: { oops: 1 } } } })
  t.is((await get()).status, 200)
  const refused = await get('/?auth=1')
  t.is(refused.status, 401)
  t.deepEqual(await json(refused), { oops: 1 } as unknown as Answer)
  await set({
    mocking: { response_example: 'mocked' },
    'limit-count': { ...limit, _meta: { priority: 20_000 } },
  })
  t.is((await get()).status, 200)
  t.is((await get()).status, 503, 'limit-count now runs before mocking')
})

test('global rules run for every request, also without a route', async (t) => {
  const { get, put, admin, backend } = await withPlugins(t, {})
  await put('/global_rules/1', { plugins: { 'request-id': {} } })
  t.truthy((await get()).headers.get('x-request-id'))
  await admin('DELETE', '/routes/1')
  const missing = await get()
  t.is(missing.status, 404)
  t.truthy(missing.headers.get('x-request-id'))
  t.deepEqual(await json(missing), { error_msg: '404 Route Not Found' } as unknown as Answer)
  t.is(backend.seen.length, 1)
})

test('the registry is in the order of priorities and has no name twice', (t) => {
  const priorities = PLUGINS.map(({ priority }) => priority)
  t.deepEqual(
    priorities,
    [...priorities].sort((a, b) => b - a),
  )
  t.is(new Set(PLUGINS.map(({ name }) => name)).size, PLUGINS.length)
})
