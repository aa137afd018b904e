import http from 'node:http'
import type net from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { parseGatewayConfig } from '#ingress'
import { httpBackend } from './support/backend.ts'
import { temporaryDirectory, testGateway } from './support/gateway.ts'
import { until } from './support/until.ts'

interface Vault {
  readonly uri: string
  /** By path below /v1, as the API has it. */
  readonly secrets: Map<string, object>
  readonly seen: http.IncomingMessage[]
}

/** HashiCorp Vault's KV API, as far as it is read. */
async function vault(t: ExecutionContext): Promise<Vault> {
  const secrets = new Map<string, object>()
  const seen: http.IncomingMessage[] = []
  const server = http.createServer((request, response) => {
    seen.push(request)
    const found = secrets.get(request.url?.replace('/v1/', '') ?? '')
    response.statusCode = request.headers['x-vault-token'] !== 'root' ? 403 : found === undefined ? 404 : 200
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(response.statusCode === 200 ? { data: found } : { errors: [] }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { uri: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, secrets, seen }
}

test('secrets from Vault: for consumers and plugins, both versions of its engine; without them nobody gets in', async (t) => {
  process.env.PLX_TEST_VAULT_TOKEN = 'root'
  const { uri, secrets, seen } = await vault(t)
  secrets.set('kv/apisix/ann', { key: 'from vault' })
  secrets.set('kv2/data/team/bob', { data: { key: 'version two' }, metadata: { version: 3 } })
  const backend = await httpBackend(t)
  const { url, put, admin } = await testGateway(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/consumers', { username: 'ann', plugins: { 'key-auth': { key: '$secret://vault/1/ann/key' } } })
  await put('/consumers', {
    username: 'bob',
    plugins: { 'key-auth': { key: '$secret://vault/two/bob/key' } },
  })
  await put('/routes/1', { uri: '/guarded', upstream, plugins: { 'key-auth': {} } })
  await put('/routes/2', {
    uri: '/rewritten',
    upstream,
    plugins: { 'proxy-rewrite': { headers: { set: { 'X-Key': '$secret://vault/1/ann/key' } } } },
  })
  const as = async (apikey: string) => (await fetch(`${url}/guarded`, { headers: { apikey } })).status
  // There is no manager yet: the reference itself is no password, and the route is not served without its plugin.
  t.is(await as('$secret://vault/1/ann/key'), 401)
  t.is(await as('from vault'), 401)
  t.is((await fetch(`${url}/rewritten`)).status, 404)
  await put('/secrets/vault/1', {
    uri,
    prefix: 'kv/apisix',
    token: '$env://PLX_TEST_VAULT_TOKEN',
    namespace: 'team',
  })
  await put('/secrets/vault/two', { uri, prefix: '/kv2/data/team/', token: 'root' })
  t.true(await until(async () => (await as('from vault')) === 200))
  t.true(await until(async () => (await as('version two')) === 200))
  t.true(await until(async () => (await fetch(`${url}/rewritten`)).status === 200))
  t.is(backend.seen.at(-1)?.headers['x-key'], 'from vault')
  t.true(seen.some(({ headers }) => headers['x-vault-namespace'] === 'team'))
  // What is stored is the reference.
  const shown = await admin('GET', '/consumers/ann')
  t.is(String(shown.body.value?.plugins?.['key-auth']?.key), '$secret://vault/1/ann/key')
  // A manager that is written again is asked again; while it refuses, what was known stays.
  secrets.set('kv/apisix/ann', { key: 'changed' })
  await put('/secrets/vault/1', { uri, prefix: 'kv/apisix', token: 'root' })
  t.true(await until(async () => (await as('changed')) === 200))
  t.is(await as('from vault'), 401)
  const asked = seen.length
  await put('/secrets/vault/1', { uri, prefix: 'kv/apisix', token: 'wrong' })
  t.true(await until(async () => seen.length > asked))
  t.is(await as('changed'), 200)
})

test('a gateway that starts, or takes over a changed configuration, has its secrets before it serves', async (t) => {
  const { uri, secrets } = await vault(t)
  secrets.set('kv/x/a', { value: 'v' })
  const dataDirectory = temporaryDirectory(t)
  const first = await testGateway(t, { config: { dataDirectory } })
  await first.put('/secrets/vault/1', { uri, prefix: 'kv/x', token: 'root' })
  const plugins = { mocking: { response_example: '$secret://vault/1/a/value' } }
  await first.put('/routes/1', { uri: '/a', plugins })
  await first.gateway.stop()
  const second = await testGateway(t, { config: { dataDirectory } })
  t.is(await (await fetch(`${second.url}/a`)).text(), 'v')
  const config = parseGatewayConfig(
    `apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }
nginx_config: { worker_processes: 1 }
plexus: { data_dir: ${dataDirectory} }`,
    'test',
  )
  for (const proxied of ['1m', '2m']) {
    const server = { ...config.server, maxBodySize: Number.parseInt(proxied, 10) * 1024 ** 2 }
    await second.gateway.reconfigure({ ...config, admin: undefined, server })
    t.is(await (await fetch(`${second.url}/a`)).text(), 'v')
  }
})

test('references that can lead nowhere are refused', async (t) => {
  const { admin } = await testGateway(t)
  for (const [key, message] of [
    ['$secret://azure/1/a/b', /secret manager azure is not available/],
    ['$secret://vault/1', /is not \$secret:\/\/<manager>\/<id>\/<path>\/<key>/],
  ] as const) {
    const refused = await admin('PUT', '/consumers', { username: 'sue', plugins: { 'key-auth': { key } } })
    t.is(refused.status, 400)
    t.regex(String(refused.body.error_msg), message)
  }
})
