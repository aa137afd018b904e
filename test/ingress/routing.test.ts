import test from 'ava'
import { httpBackend } from './support/backend.ts'
import { KEY, testGateway } from './support/gateway.ts'

const text = (apisix: string) => `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }], ${apisix} }
nginx_config: { worker_processes: 1 }
deployment:
  admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: admin, key: ${KEY}, role: admin }] }
`

test('paths with parameters: matched, shown, traced, and to be used in plugins', async (t) => {
  const backend = await httpBackend(t)
  const { url, put, gateway } = await testGateway(t, {
    text: text('router: { http: radixtree_uri_with_parameter }'),
  })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/services/1', { hosts: ['bar.example'], upstream })
  await put('/routes/host', { uri: '/:name/hello', service_id: '1' })
  await put('/routes/any', {
    uri: '/:name/hello',
    priority: -1,
    plugins: {
      'proxy-rewrite': { uri: '/users/$uri_param_name', headers: { set: { 'X-Name': '$uri_param_name' } } },
    },
    upstream,
  })
  await put('/routes/rest', {
    uri: '/files/:owner/*path',
    plugins: {
      'proxy-rewrite': { headers: { set: { 'X-Path': '$uri_param_owner:$uri_param_path:$uri_param_none' } } },
    },
    upstream,
  })
  t.is((await fetch(`${url}/john%20doe/hello`)).status, 200)
  t.is(backend.seen.at(-1)?.url, '/users/john%20doe')
  t.is(backend.seen.at(-1)?.headers['x-name'], 'john doe')
  t.is((await fetch(`${url}/files/john/a/b`)).status, 200)
  t.is(backend.seen.at(-1)?.headers['x-path'], 'john:a/b:')
  t.is((await fetch(`${url}//hello`)).status, 404)
  t.is((await fetch(`${url}/a/b/hello`)).status, 404)
  const trace = (target: string) =>
    gateway.trace({ method: 'GET', url: target, headers: {}, remoteAddress: '10.0.0.1' })
  t.is(trace('http://bar.example/john/hello').route, 'host')
  t.is(trace('http://foo.example/john/hello').route, 'any')
  t.deepEqual(
    trace('http://foo.example/john/hello').steps.map(({ route, result }) => [route, result]),
    [
      ['host', 'hosts are bar.example'],
      ['any', 'taken'],
    ],
  )
  t.regex(trace('/files/john/a/b').summary, /route rest .*, with owner = john, path = a\/b/)
  t.deepEqual(
    gateway
      .describeRoutes()
      .map(({ uri }) => uri)
      .sort(),
    ['/:name/hello', '/:name/hello', '/files/:owner/*path'],
  )
})

test('what routes see of a path: escaped slashes, tail slashes, parameters after semicolons', async (t) => {
  const backend = await httpBackend(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const slash = await testGateway(t, {
    text: text('match_uri_encoded_slash: true, router: { http: radixtree_uri_with_parameter }'),
  })
  await slash.put('/routes/1', {
    uri: '/v1/:id/list',
    plugins: { 'proxy-rewrite': { headers: { set: { 'X-Seen': '$uri $uri_param_id' } } } },
    upstream,
  })
  t.is((await fetch(`${slash.url}/v1/a%2Fb/list`)).status, 200)
  t.is(backend.seen.at(-1)?.url, '/v1/a%2Fb/list')
  t.is(backend.seen.at(-1)?.headers['x-seen'], '/v1/a/b/list a%2Fb')
  t.is(
    slash.gateway.trace({ method: 'GET', url: '/v1/a%2fb/list', headers: {}, remoteAddress: '' }).route,
    '1',
  )

  const servlet = await testGateway(t, {
    text: text('delete_uri_tail_slash: true, normalize_uri_like_servlet: true'),
  })
  await servlet.put('/routes/1', { uri: '/open', upstream })
  await servlet.put('/routes/2', { uri: '/open/admin', plugins: { 'key-auth': {} }, upstream })
  t.is((await fetch(`${servlet.url}/open/`)).status, 200)
  t.is(backend.seen.at(-1)?.url, '/open/')
  t.is((await fetch(`${servlet.url}/open;x=1/admin;jsessionid=2`)).status, 401)
  t.is((await fetch(`${servlet.url}/x/..;/open`)).status, 400)
})
