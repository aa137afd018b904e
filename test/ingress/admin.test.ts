import { appendFileSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { parseGatewayConfig } from '#ingress'
import { KEY, temporaryDirectory, testGateway } from './support/gateway.ts'

const UPSTREAM = { nodes: { '127.0.0.1:1980': 1 } }
const VIEWER = '4054f7cf07e344346cd3f287985e76a2'

test('keys and roles', async (t) => {
  const { admin, gateway } = await testGateway(t)
  const failed = (description: string) => ({
    status: 401,
    body: { error_msg: 'failed to check token', description },
  })
  const list = (headers: Record<string, string>) => admin('GET', '/routes', undefined, headers)
  t.deepEqual(await list({}), failed('missing apikey') as never)
  t.deepEqual(await list({ 'X-API-KEY': 'x' }), failed('wrong apikey') as never)
  t.deepEqual(await list({ 'X-API-KEY': VIEWER }), { status: 200, body: { total: 0, list: [] } } as never)
  t.deepEqual(await list({ Cookie: `x_api_key=${VIEWER}` }), {
    status: 200,
    body: { total: 0, list: [] },
  } as never)
  t.is((await admin('GET', `/routes?api_key=${VIEWER}`, undefined, {})).status, 200)
  t.is((await admin('GET', '/routes', undefined, { x_api_key: VIEWER })).status, 200)
  const denied = await admin('PUT', '/upstreams/1', UPSTREAM, { 'X-API-KEY': VIEWER })
  t.deepEqual(denied, failed('invalid method for role viewer') as never)
  const response = await fetch(`http://127.0.0.1:${gateway.adminListen?.port}/apisix/admin/routes`, {
    headers: { 'X-API-KEY': KEY },
  })
  t.is(response.headers.get('x-api-version'), 'v3')
})

test('without a configured key one is generated, kept in a 0600 file and demanded', async (t) => {
  const dataDirectory = temporaryDirectory(t)
  const text =
    'apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }\ndeployment: { admin: { admin_listen: { port: 0 } } }'
  const first = await testGateway(t, { text, config: { dataDirectory } })
  const file = path.join(dataDirectory, 'admin.key')
  t.is(statSync(file).mode & 0o777, 0o600)
  const key = readFileSync(file, 'utf8').trim()
  t.true(key.length >= 32)
  t.is((await first.admin('GET', '/routes')).status, 401, 'the well-known key opens nothing')
  t.is((await first.admin('GET', '/routes', undefined, { 'X-API-KEY': key })).status, 200)
  t.is(first.gateway.adminListen?.host, '127.0.0.1')
})

test('validation speaks as APISIX does', async (t) => {
  const { admin } = await testGateway(t)
  const cases: readonly (readonly [path: string, body: unknown, message: string | RegExp])[] = [
    [
      '/routes/1',
      { upstream: UPSTREAM },
      'invalid configuration: value should match only one schema, but matches none',
    ],
    [
      '/routes/1',
      { uri: '/x' },
      'invalid configuration: object matches none of the required: ["plugins"] or ["upstream"] or ["upstream_id"] or ["service_id"]',
    ],
    [
      '/routes/1',
      { uri: '/x', upstream: UPSTREAM, nope: 1 },
      'invalid configuration: additional properties forbidden, found nope',
    ],
    [
      '/routes/1',
      { uri: 1, upstream: UPSTREAM },
      'invalid configuration: property "uri" validation failed: wrong type: expected string, got number',
    ],
    [
      '/routes/1',
      { uri: '/x', upstream: UPSTREAM, methods: ['GET', 'GETT'] },
      'invalid configuration: property "methods" validation failed: failed to validate item 2: matches none of the enum values',
    ],
    [
      '/routes/1',
      { uri: '/x', upstream: UPSTREAM, host: 'a', hosts: ['b'] },
      'only one of host or hosts is allowed',
    ],
    [
      '/routes/1',
      { uri: '/x', upstream_id: '9' },
      'failed to fetch upstream info by upstream id [9], response code: 404',
    ],
    [
      '/routes/1',
      { uri: '/x', upstream: UPSTREAM, vars: [['a', '=', 'b']] },
      "failed to validate the 'vars' expression: invalid operator '='",
    ],
    ['/routes/1', { uri: '/x', upstream: UPSTREAM, plugins: { nope: {} } }, 'unknown plugin [nope]'],
    [
      '/routes/1',
      { uri: '/x', upstream: UPSTREAM, plugins: { 'limit-count': { count: 1 } } },
      'failed to check the configuration of plugin limit-count err: value should match only one schema, but matches none',
    ],
    ['/routes/1', { uri: '/x', upstream: UPSTREAM, id: '2' }, 'wrong route id'],
    [
      '/routes/1',
      { uri: '/x', upstream: UPSTREAM, create_time: 1 },
      'the property is forbidden:  create_time',
    ],
    ['/upstreams/1', { nodes: UPSTREAM.nodes, type: 'chash' }, 'missing key'],
    [
      '/upstreams/1',
      { nodes: UPSTREAM.nodes, pass_host: 'rewrite' },
      "`upstream_host` can't be empty when `pass_host` is `rewrite`",
    ],
    ['/upstreams/1', { nodes: { '127.0.0.1:99999': 1 } }, 'invalid port 99999'],
    ['/upstreams/1', { nodes: { '127.0.0.1:1': -1 } }, /nodes/],
    ['/routes/1', '{"uri": ', /^invalid request body: /],
  ]
  for (const [url, body, message] of cases) {
    const answer = await admin('PUT', url, body)
    t.is(answer.status, 400, JSON.stringify(body))
    const text = String(answer.body.error_msg)
    if (typeof message === 'string') t.is(text, message)
    else t.regex(text, message)
  }
  t.deepEqual(await admin('GET', '/nonsense'), {
    status: 404,
    body: { error_msg: 'Unsupported resource type: nonsense' },
  } as never)
  t.is((await admin('POST', '/consumers', {})).status, 405)
})

test('PUT, POST, PATCH and GET with their envelopes, filters and paging', async (t) => {
  const { admin } = await testGateway(t)
  const created = await admin('PUT', '/routes/r1', {
    uri: '/a',
    name: 'shop',
    upstream: UPSTREAM,
    labels: { team: 'x' },
  })
  t.is(created.status, 201)
  t.deepEqual(Object.keys(created.body), ['key', 'value'])
  const again = await admin('PUT', '/routes/r1', {
    uri: '/a',
    name: 'shop',
    upstream: UPSTREAM,
    labels: { team: 'x' },
  })
  t.is(again.status, 200)
  t.is(again.body.value?.create_time, created.body.value?.create_time)
  const posted = await admin('POST', '/routes', { uris: ['/b', '/c'], upstream: UPSTREAM })
  t.is(posted.status, 201)
  t.regex(String(posted.body.value?.id), /^\d{20}$/)
  t.is(
    (
      await admin('PATCH', '/routes/r1', {
        upstream: { nodes: { '127.0.0.1:1980': null, '127.0.0.1:1981': 2 } },
      })
    ).status,
    200,
  )
  t.is((await admin('PATCH', '/routes/r1/upstream/retries', '3')).status, 200)
  const read = await admin('GET', '/routes/r1')
  t.deepEqual(read.body.value?.upstream?.nodes as unknown, { '127.0.0.1:1981': 2 })
  t.is(read.body.value?.upstream?.retries as unknown, 3)
  t.deepEqual(Object.keys(read.body), ['key', 'value', 'createdIndex', 'modifiedIndex'])
  t.is((await admin('PATCH', '/routes/r1', { priority: 'high' })).status, 400)
  t.is(
    (await admin('PATCH', '/routes/r1/uri/x', { a: 1 })).body.error_msg as unknown,
    'invalid sub-path: /uri/x',
  )
  t.is((await admin('PATCH', '/routes/none', {})).status, 404)
  const total = async (query: string) => (await admin('GET', `/routes?${query}`)).body.total as unknown
  t.is(await total('name=sh'), 1)
  t.is(await total('label=team'), 1)
  t.is(await total('uri=/c'), 1)
  t.is(await total('page=1&page_size=10'), 2)
  t.is(
    (await admin('GET', '/routes?page=1&page_size=9')).body as unknown,
    'page_size must be between 10 and 500',
  )
})

test('what was acknowledged survives; a line cut short by a crash does not stop the start', async (t) => {
  const dataDirectory = temporaryDirectory(t)
  const first = await testGateway(t, { config: { dataDirectory } })
  await first.put('/upstreams/u', UPSTREAM)
  await first.put('/routes/1', { uri: '/a', upstream_id: 'u' })
  await first.put('/routes/2', { uri: '/b', upstream_id: 'u' })
  t.is((await first.admin('DELETE', '/routes/2')).status, 200)
  const before = (await first.admin('GET', '/routes/1')).body
  await first.gateway.stop()
  const file = path.join(dataDirectory, 'objects.jsonl')
  t.is(statSync(file).mode & 0o777, 0o600)
  appendFileSync(file, '{"kind":"routes","id":"3","rev')
  const second = await testGateway(t, { config: { dataDirectory } })
  t.deepEqual((await second.admin('GET', '/routes/1')).body, before)
  t.is((await second.admin('GET', '/routes')).body.total as unknown, 1)
  t.is((await fetch(`${second.url}/b`)).status, 404)
  await second.put('/routes/4', { uri: '/d', upstream_id: 'u' })
  await second.gateway.stop()
  const third = await testGateway(t, { config: { dataDirectory } })
  t.is((await third.admin('GET', '/routes')).body.total as unknown, 2)
})

test('services, plugin configs and duplicate keys', async (t) => {
  const { admin, put, url } = await testGateway(t)
  await put('/services/s', { upstream: { nodes: {} }, plugins: { mocking: { response_example: 'service' } } })
  await put('/plugin_configs/p', { plugins: { mocking: { response_example: 'shared' } } })
  await put('/routes/1', { uri: '/s', service_id: 's' })
  await put('/routes/2', { uri: '/p', service_id: 's', plugin_config_id: 'p' })
  t.is(await (await fetch(`${url}/s`)).text(), 'service')
  t.is(await (await fetch(`${url}/p`)).text(), 'shared')
  await put('/services/s', { plugins: { mocking: { response_example: 'changed' } } })
  t.is(await (await fetch(`${url}/s`)).text(), 'changed')
  const inUse = await admin('DELETE', '/services/s')
  t.is(
    inUse.body.error_msg as unknown,
    'can not delete this service directly, route [1] is still using it now',
  )
  t.is((await admin('DELETE', '/plugin_configs/p')).status, 400)
  t.is((await admin('DELETE', '/plugin_configs/p?force=true')).status, 200)
  await put('/consumers', { username: 'bob', plugins: { 'key-auth': { key: 'k' } } })
  const duplicate = await admin('PUT', '/consumers', {
    username: 'eve',
    plugins: { 'key-auth': { key: 'k' } },
  })
  t.is(duplicate.body.error_msg as unknown, 'duplicate key of plugin key-auth found with consumer: bob')
})

test('configuration errors name file and field; keys without a meaning are listed', (t) => {
  const parse = (text: string) => parseGatewayConfig(text, '/etc/config.yaml')
  const config = parse(
    'apisix:\n  node_listen: 8000\n  enable_heartbeat: true\ndeployment:\n  certs: { cert: x }\n',
  )
  t.deepEqual(config.listen, [{ host: '0.0.0.0', port: 8000, http2: true }])
  t.deepEqual(config.admin?.listen, { host: '127.0.0.1', port: 9180 })
  t.deepEqual(config.ignored, ['apisix.enable_heartbeat', 'deployment.certs'])
  const both = 'node_listen: 9080, ssl: { listen: [9443] }, stream_proxy: { tcp: [9100], udp: [9200] }'
  const ports = (mode: string) => {
    const { listen, tlsListen, stream } = parse(`apisix: { ${both}, proxy_mode: ${mode} }`)
    return [listen, tlsListen, stream.tcp, stream.udp].map((list) => list.length).join('')
  }
  t.deepEqual(['http', 'stream', 'http&stream'].map(ports), ['1100', '0011', '1111'])
  t.is(parse('apisix: { max_post_args_readable_size: 0 }').readableBody, Number.MAX_SAFE_INTEGER)
  for (const [text, message] of [
    ['apisix: { max_post_args_readable_size: lots }', /max_post_args_readable_size: must be a number/],
    ['apisix: { proxy_mode: both }', /apisix\.proxy_mode: "both" is not one of/],
    ['apisix: { node_listen: [x] }', '/etc/config.yaml: apisix.node_listen[0]: "x" is not a port'],
    ['apisix: { router: { http: radix } }', /apisix\.router\.http: "radix" is not one of/],
    [
      'deployment: { admin: { admin_key: [{ key: a, role: root }] } }',
      /deployment\.admin\.admin_key\[0\]\.role/,
    ],
    ['deployment: { admin: { allow_admin: [x] } }', /deployment\.admin\.allow_admin: invalid ip address: x/],
    [
      'nginx_config: { http: { send_timeout: soon } }',
      /nginx_config\.http\.send_timeout: "soon" is not a time/,
    ],
    ['apisix: [', /^\/etc\/config\.yaml: /],
  ] as const) {
    t.throws(() => parse(text), { code: 'GW_CONFIG', message })
  }
})
