import { readFileSync } from 'node:fs'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parse, stringify } from 'yaml'
import { parseGatewayConfig } from '#ingress'
import { httpBackend } from './support/backend.ts'
import { KEY, temporaryDirectory, testGateway } from './support/gateway.ts'

// /apisix/admin/configs: APISIX's API-driven standalone mode, in which all objects are one document.

const VIEWER = '4054f7cf07e344346cd3f287985e76a2'
const text = (rest = '') => `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }
nginx_config: { worker_processes: 1 }
deployment:
  role: traditional
  role_traditional: { config_provider: yaml }
  admin:
    admin_listen: { ip: 127.0.0.1, port: 0 }
    admin_key: [{ name: admin, key: ${KEY}, role: admin }, { name: viewer, key: ${VIEWER}, role: viewer }]
${rest}`

type Headers = Record<string, string>

async function standalone(t: ExecutionContext, rest?: string) {
  const started = await testGateway(t, { text: text(rest) })
  const url = `http://127.0.0.1:${started.gateway.adminListen?.port}/apisix/admin/configs`
  const call = (method: string, body?: string, headers: Headers = {}) =>
    fetch(url, {
      method,
      headers: { 'X-API-KEY': KEY, ...headers },
      ...(body === undefined ? {} : { body }),
    })
  return {
    ...started,
    call,
    put: (document: unknown, digest: string, headers: Headers = {}) =>
      call('PUT', JSON.stringify(document), { 'X-Digest': digest, ...headers }),
    async document() {
      return (await (await call('GET')).json()) as Record<string, unknown>
    },
    status: async (path: string, headers: Headers = {}) =>
      (await fetch(started.url + path, { headers })).status,
  }
}

async function message(response: Response): Promise<[number, unknown]> {
  return [response.status, ((await response.json()) as { error_msg: unknown }).error_msg]
}

test('a whole configuration is put, told apart by its digest, and read back', async (t) => {
  const { port } = await httpBackend(t)
  const { call, put, document, status } = await standalone(t)
  const route = (id: string) => ({ id, uri: `/${id}`, upstream: { nodes: { [`127.0.0.1:${port}`]: 1 } } })

  const empty = await call('GET')
  t.is(empty.headers.get('x-digest'), null)
  t.like(await empty.json(), { routes_conf_version: 0, ssls_conf_version: 0, plugins_conf_version: 0 })

  const first = await put({ routes: [route('r1')] }, 'd1')
  t.is(first.status, 202)
  t.is(first.headers.get('x-digest'), 'd1')
  t.true(Number(first.headers.get('x-last-modified')) > 0)
  t.is(await status('/r1'), 200)
  t.is((await put({ routes: [route('r2')] }, 'd1')).status, 204)
  t.is(await status('/r2'), 404)

  const head = await call('HEAD')
  t.is(head.status, 200)
  t.is(head.headers.get('x-digest'), 'd1')
  t.is(head.headers.get('x-last-modified'), first.headers.get('x-last-modified'))
  t.like(await document(), { routes_conf_version: 1, upstreams_conf_version: 1, routes: [route('r1')] })

  const yaml = await call('PUT', stringify({ routes: [route('r2')] }), {
    'X-Digest': 'd2',
    'Content-Type': 'application/yaml',
  })
  t.is(yaml.status, 202)
  t.is(await status('/r1'), 404)
  t.is(await status('/r2'), 200)
  const shown = await call('GET', undefined, { Accept: 'application/yaml' })
  t.is(shown.headers.get('content-type'), 'application/yaml')
  t.like(parse(await shown.text()), { routes_conf_version: 2, routes: [route('r2')] })

  t.is((await put({}, 'd3')).status, 202)
  t.is(await status('/r2'), 404)
})

test('versions say which lists and which items have changed', async (t) => {
  const { port } = await httpBackend(t)
  const { put, document, status } = await standalone(t)
  const upstream = { nodes: { [`127.0.0.1:${port}`]: 1 } }
  const routes = (uri: string, modifiedIndex: number) => [{ id: 'r1', uri, modifiedIndex, upstream }]

  t.is((await put({ routes_conf_version: 15, routes: routes('/a', 1) }, '1')).status, 202)
  t.like(await document(), { routes_conf_version: 15, services_conf_version: 1 })
  // The list is as it was, whatever comes with the same version.
  t.is((await put({ routes_conf_version: 15, routes: [] }, '2')).status, 202)
  t.is(await status('/a'), 200)
  t.like(await document(), { routes_conf_version: 15, routes: routes('/a', 1), services_conf_version: 2 })
  // So is the item.
  t.is((await put({ routes_conf_version: 16, routes: routes('/b', 1) }, '3')).status, 202)
  t.deepEqual([await status('/a'), await status('/b')], [200, 404])
  t.is((await put({ routes_conf_version: 17, routes: routes('/b', 2) }, '4')).status, 202)
  t.deepEqual([await status('/a'), await status('/b')], [404, 200])
  t.deepEqual(await message(await put({ routes_conf_version: 16 }, '5')), [
    400,
    'routes_conf_version must be greater than or equal to (17)',
  ])
  t.deepEqual(await message(await put({ routes_conf_version: 'x' }, '5')), [
    400,
    'routes_conf_version must be a number',
  ])
  t.is(await status('/b'), 200)
})

test('a configuration that is not good changes nothing', async (t) => {
  const { port } = await httpBackend(t)
  const { call, put, status, admin } = await standalone(t)
  const upstream = { nodes: { [`127.0.0.1:${port}`]: 1 } }
  t.is((await put({ routes: [{ id: 1, uri: '/a', upstream }] }, 'good')).status, 202)
  const bad: readonly [unknown, string][] = [
    [{ services: [{ id: 's', plugins: { nothing: {} } }] }, 'unknown plugin [nothing]'],
    [
      { routes: [{ id: 1, uri: 123 }] },
      'invalid configuration: property "uri" validation failed: wrong type: expected string, got number',
    ],
    [{ routes: [1, 2].map((n) => ({ id: 'r', uri: `/${n}`, upstream })) }, 'found duplicate id r in routes'],
    [{ consumers: [{ username: 'a' }, { username: 'a' }] }, 'found duplicate username a in consumers'],
    [
      {
        consumers: ['a', 'b'].map((username) => ({ username, plugins: { 'key-auth': { key: 'k' } } })),
      },
      'duplicate key of plugin key-auth found with consumer: a',
    ],
  ]
  for (const [document, wanted] of bad) t.deepEqual(await message(await put(document, 'bad')), [400, wanted])
  t.deepEqual(await message(await call('PUT', '{}')), [400, 'missing digest header'])
  t.deepEqual(await message(await call('PUT', '', { 'X-Digest': 'bad' })), [
    400,
    'invalid request body: empty request body',
  ])
  t.regex(
    String((await message(await call('PUT', '{abcd', { 'X-Digest': 'bad' })))[1]),
    /^invalid request body: /,
  )
  t.is(await status('/a'), 200)
  t.is((await call('HEAD')).headers.get('x-digest'), 'good')

  const checked = await admin('POST', '/configs/validate', {
    routes: [{ id: 'r', uri: '/', upstream }, { id: 'bad' }],
    consumers: [{ id: 'x/credentials/y', plugins: { 'key-auth': { key: 'k' } } }],
    ssls_conf_version: 'x',
  })
  t.is(checked.status, 400)
  t.like(checked.body, {
    error_msg: 'Configuration validation failed',
    errors: [
      { resource_type: 'routes', resource_id: 'bad', index: 1 },
      { resource_type: 'ssls', error: 'ssls_conf_version must be a number' },
    ],
  })
})

test('consumers swap their keys, credentials come among them, and nobody else writes', async (t) => {
  const { port } = await httpBackend(t)
  const { call, put, status, admin } = await standalone(t)
  const route = {
    id: 1,
    uri: '/*',
    plugins: { 'key-auth': {} },
    upstream: { nodes: { [`127.0.0.1:${port}`]: 1 } },
  }
  const people = (keys: readonly string[]) => ({
    routes: [route],
    consumers: [
      ...keys.map((key, index) => ({ username: `c${index}`, plugins: { 'key-auth': { key } } })),
      { id: 'c0/credentials/more', plugins: { 'key-auth': { key: 'more' } } },
    ],
  })
  t.is((await put(people(['k0', 'k1']), '1')).status, 202)
  t.is((await put(people(['k1', 'k0']), '2')).status, 202)
  for (const key of ['k0', 'k1', 'more']) t.is(await status('/', { apikey: key }), 200)
  t.is(await status('/', { apikey: 'none' }), 401)

  t.is((await admin('PUT', '/routes/2', { uri: '/2', service_id: 1 })).status, 400)
  t.is((await admin('PUT', '/routes/2', { uri: '/2', plugins: {} })).status, 405)
  t.is((await admin('DELETE', '/routes/1')).status, 400)
  t.is((await call('PUT', '{}', { 'X-API-KEY': VIEWER, 'X-Digest': '3' })).status, 401)
  t.is((await call('HEAD', undefined, { 'X-API-KEY': 'wrong' })).status, 401)
  const seen = await (await call('GET', undefined, { 'X-API-KEY': VIEWER })).text()
  t.true(seen.includes('c0/credentials/more'))
  t.false(seen.includes('"k0"') || seen.includes('"more"'))
})

test('with a data directory the configuration is there again after a start, its secrets encrypted meanwhile', async (t) => {
  const { port } = await httpBackend(t)
  const directory = temporaryDirectory(t)
  const rest = `
plexus: { data_dir: ${directory} }
`
  const keyring = text(rest).replace(
    'apisix: {',
    'apisix: { data_encryption: { keyring: [0123456789abcdef] },',
  )
  const first = await standalone(t, rest)
  await first.gateway.reconfigure(parseGatewayConfig(keyring, 'test'))
  const document = {
    routes: [
      { id: 1, uri: '/*', plugins: { 'key-auth': {} }, upstream: { nodes: { [`127.0.0.1:${port}`]: 1 } } },
    ],
    consumers: [{ username: 'jack', plugins: { 'key-auth': { key: 'secret-of-jack' } } }],
  }
  t.is((await first.put(document, 'kept')).status, 202)
  await first.gateway.stop()
  t.false(readFileSync(path.join(directory, 'configs.json'), 'utf8').includes('secret-of-jack'))

  const { gateway, url } = await testGateway(t, { text: keyring })
  t.is((await fetch(url, { headers: { apikey: 'secret-of-jack' } })).status, 200)
  // Nor does another configuration lose it.
  await gateway.reconfigure(
    parseGatewayConfig(keyring.replace('nginx_config', 'plugins: [key-auth]\nnginx_config'), 'test'),
  )
  t.is((await fetch(url, { headers: { apikey: 'secret-of-jack' } })).status, 200)
})

test('a configuration in memory outlives a changed config.yaml', async (t) => {
  const { port } = await httpBackend(t)
  const { gateway, put, status, call } = await standalone(t)
  const upstream = { nodes: { [`127.0.0.1:${port}`]: 1 } }
  t.is((await put({ routes: [{ id: 1, uri: '/*', upstream }] }, 'one')).status, 202)
  await gateway.reconfigure(parseGatewayConfig(`${text()}\nplugins: [key-auth]\n`, 'test'))
  t.is(await status('/'), 200)
  t.is((await call('HEAD')).headers.get('x-digest'), 'one')
})

test('config.yaml may name environment variables', (t) => {
  process.env.PLX_TEST_PORT = '8123'
  const variable = (name: string) => ['$', '{{', name, '}}'].join('')
  const parse = (name: string) =>
    parseGatewayConfig(`# ${variable('NO')}\napisix: { node_listen: ${variable(name)} }`, 'x.yaml')
  t.is(parse('PLX_TEST_PORT').listen[0]?.port, 8123)
  t.is(parse(' PLX_TEST_NONE := 8124 ').listen[0]?.port, 8124)
  t.throws(() => parse('PLX_TEST_NONE'), {
    code: 'GW_CONFIG',
    message: 'x.yaml: environment variable PLX_TEST_NONE is not set',
  })
})
