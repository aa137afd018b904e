import test from 'ava'
import { authority } from './support/certificates.ts'
import { testGateway } from './support/gateway.ts'

const UPSTREAM = { nodes: { '127.0.0.1:1980': 1 } }

test('answers to what cannot be done, in the words of APISIX', async (t) => {
  const { admin } = await testGateway(t)
  const { cert, key } = authority(t).issue('a')
  const refusals: [method: string, path: string, body: unknown, status: number, message: string][] = [
    ['PUT', '/routes/1', undefined, 400, 'missing configurations'],
    ['POST', '/routes', undefined, 400, 'missing configurations'],
    ['PUT', '/routes/1', '[1]', 400, 'invalid configuration: wrong type: expected object, got table'],
    ['PUT', '/routes/1', '1', 400, 'invalid configuration: wrong type: expected object, got number'],
    ['PATCH', '/routes', { uri: '/x' }, 400, 'missing route id'],
    ['DELETE', '/plugin_configs', undefined, 400, 'missing plugin config id'],
    ['POST', '/global_rules', {}, 405, 'not supported `POST` method for global rule'],
    ['PATCH', '/stream_routes/1', {}, 405, 'not supported `PATCH` method for stream route'],
    [
      'PUT',
      '/consumers',
      { username: 'a@b' },
      400,
      'invalid configuration: property "username" validation failed: failed to match pattern "^[a-zA-Z0-9_\\\\-]+$" with "a@b"',
    ],
    [
      'PUT',
      '/consumers',
      { username: 7 },
      400,
      'invalid configuration: property "username" validation failed: wrong type: expected string, got number',
    ],
    ['PUT', '/upstreams/1', { nodes: { '127.0.0.1:x': 1 } }, 400, 'invalid port x'],
    ['PUT', '/upstreams/1', { nodes: { '127.0.0.1:': 1 } }, 400, 'invalid port '],
    ['PUT', '/secrets/foo/1', {}, 400, 'invalid secret manager: foo'],
    ['GET', '/plugins', undefined, 404, 'not found'],
    ['GET', '/plugins/list?subsystem=x', undefined, 400, 'invalid subsystem passed'],
    ['GET', '/plugins?subsystem=x', undefined, 400, 'unsupported subsystem: x'],
    ['GET', '/plugins/cors?subsystem=stream', undefined, 404, 'plugin not found in subsystem stream'],
    [
      'DELETE',
      '/plugins/reload',
      undefined,
      405,
      'please use PUT method to reload the plugins, DELETE method is not allowed.',
    ],
    ['GET', '/schema/plugins/cheese', undefined, 404, 'not found schema: cheese'],
    ['PUT', '/routes?ttl=soon', { uri: '/x' }, 400, 'invalid argument ttl: should be a number'],
    ['PUT', '/plugin_metadata', {}, 400, 'missing plugin name'],
    [
      'PUT',
      '/global_rules/1',
      { plugins: { gzip: { _meta: { prefunction: 'x' } } } },
      400,
      'failed to check the configuration of plugin gzip err: property "_meta" validation failed: additional properties forbidden, found prefunction',
    ],
    [
      'PUT',
      '/global_rules/1',
      { plugins: { gzip: { _meta: { pre_function: 'return function() end' } } } },
      400,
      'failed to load _meta.pre_function in plugin gzip: Lua functions are not available',
    ],
    [
      'PUT',
      '/global_rules/1',
      { plugins: { gzip: { _meta: { filter: ['uri', '==', '/'] } } } },
      400,
      "failed to validate the 'vars' expression: rule should be wrapped inside brackets",
    ],
    ['PATCH', '/secrets', {}, 400, 'no secret id'],
    ['POST', '/schema/validate/stream_routes', { plugins: { cors: {} } }, 400, 'unknown plugin [cors]'],
    ['POST', '/schema/validate/stream_routes', { server_addr: ':/8' }, 400, 'invalid server_addr: :/8'],
    [
      'POST',
      '/routes',
      { uri: '/x', remote_addr: '10.0.0.0/33', upstream: UPSTREAM },
      400,
      'invalid configuration: property "remote_addr" validation failed: object matches none of the required',
    ],
    [
      'POST',
      '/upstreams',
      { nodes: [{ host: 'fd00::1', port: 80, weight: 1 }] },
      400,
      "invalid configuration: IPv6 address must be enclosed with '[' and ']'",
    ],
    [
      'POST',
      '/upstreams',
      { nodes: {}, tls: { client_cert: 'x'.repeat(200) } },
      400,
      'invalid configuration: property "tls" validation failed: failed to validate dependent schema for "client_cert": property "client_key" is required',
    ],
    [
      'POST',
      '/upstreams',
      { nodes: {}, tls: { client_cert: 'x'.repeat(200), client_key: 'y'.repeat(200), client_cert_id: 1 } },
      400,
      'invalid configuration: property "tls" validation failed: failed to validate dependent schema for "client_cert_id": value wasn\'t supposed to match schema',
    ],
    [
      'POST',
      '/ssls',
      { cert, sni: 'a', key: 'bm8gUEVN'.repeat(8) },
      400,
      'failed to decrypt previous encrypted key',
    ],
    [
      'POST',
      '/ssls',
      { cert, key, sni: 'a', client: { ca: 'x'.repeat(200) } },
      400,
      'failed to validate client_cert: failed to parse cert: PEM_read_bio_X509_AUX() failed',
    ],
    [
      'POST',
      '/upstreams',
      { nodes: {}, type: 'chash', key: 'colour' },
      400,
      'invalid configuration: failed to match pattern "^((uri|server_name|server_addr|request_uri|remote_port|remote_addr|query_string|host|hostname|mqtt_client_id)|arg_[0-9a-zA-z_-]+)$" with "colour"',
    ],
    [
      'POST',
      '/upstreams',
      { nodes: {}, type: 'chash', hash_on: 'cookie', key: 'a b' },
      400,
      'invalid configuration: failed to match pattern "^[a-zA-Z0-9-_]+$" with "a b"',
    ],
    ['GET', '/plugins/cors?schema_type=consumer', undefined, 404, 'plugin not found in subsystem http'],
    ['POST', '/schema/validate/cheese', {}, 404, 'Unsupported resource type: cheese'],
    [
      'POST',
      '/schema/validate/routes',
      { uri: '/a' },
      400,
      'invalid configuration: object matches none of the required: ["script"] or ["plugins"] or ["upstream"] or ["upstream_id"] or ["service_id"]',
    ],
  ]
  const large = JSON.stringify({ desc: 'x'.repeat(2 ** 21) })
  const size = `request size ${large.length} is greater than the maximum size 1572864 allowed`
  refusals.push(['PUT', '/routes/1', large, 400, `invalid request body: ${size}`])
  for (const [method, path, body, status, message] of refusals) {
    const answer = await admin(method, path, body)
    t.is(answer.status, status, `${method} ${path}`)
    const text = String(answer.body.error_msg)
    if (path === '/schema/validate/routes')
      t.regex(text, /^invalid configuration: object matches none of the required/)
    else t.is(text, message, `${method} ${path}`)
  }
})

test('plugins and schemas are shown, objects checked without being stored', async (t) => {
  const { admin } = await testGateway(t)
  t.deepEqual((await admin('GET', '/plugins/list?subsystem=stream')).body as unknown, [
    'ip-restriction',
    'prometheus',
  ])
  const all = (await admin('GET', '/plugins?all=true')).body
  t.is(Number(all['key-auth']?.priority), 2500)
  t.is(String(all['key-auth']?.type), 'auth')
  t.is(String(all['key-auth']?.consumer_schema?.type), 'object')
  const consumer = await admin('GET', '/plugins/key-auth?schema_type=consumer')
  t.deepEqual(consumer.body.required as unknown, ['key'])
  const { properties } = (await admin('GET', '/schema/plugins/cors')).body
  t.is(String(properties?._meta?.properties?.disable?.type), 'boolean')
  t.deepEqual(await admin('PUT', '/plugins/reload'), { status: 200, body: 'done' as never })
  t.is((await admin('POST', '/schema/validate/routes', { uri: '/a', upstream_id: 'x' })).status, 200)
  t.is((await admin('GET', '/routes')).body.total as unknown, 0)
  t.deepEqual(
    await admin('POST', '/configs/validate', { routes: [{ id: '1', uri: '/a', upstream: UPSTREAM }] }),
    {
      status: 200,
      body: {},
    },
  )
  const bad = await admin('POST', '/configs/validate', {
    routes: [{ id: '1', uri: '/a', upstream: UPSTREAM }, { id: '2' }],
    consumers: [{ username: 'ann', plugins: { cheese: {} } }],
  })
  t.is(bad.status, 400)
  t.is(String(bad.body.error_msg), 'Configuration validation failed')
  const errors = bad.body.errors as unknown as Record<string, unknown>[]
  t.deepEqual(
    errors.map(({ resource_type, resource_id, index }) => [resource_type, resource_id, index]),
    [
      ['routes', '2', 1],
      ['consumers', 'ann', 0],
    ],
  )
  const secret = await admin('PUT', '/secrets/vault/1', {
    uri: 'http://127.0.0.1:8200',
    prefix: 'kv/x',
    token: 't',
  })
  t.is(secret.status, 201)
  t.is(String(secret.body.value?.id), 'vault/1')
})
