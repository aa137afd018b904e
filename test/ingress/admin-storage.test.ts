import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { parseGatewayConfig } from '#ingress'
import { httpBackend } from './support/backend.ts'
import { etcdServer, HAS_ETCD } from './support/etcd.ts'
import { temporaryDirectory, testGateway } from './support/gateway.ts'

const etcdTest = HAS_ETCD ? test : test.skip
// The word APISIX ships with; its ciphertexts have to be read.
const KEYRING = ['qeddd145sfvddff3']

async function until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let n = 0; n < 1000; n++) {
    if (await holds()) return true
    await sleep(20)
  }
  return false
}

const etcdConfig = (url: string) => ({
  etcd: {
    hosts: ['http://127.0.0.1:1', url],
    prefix: '/apisix',
    timeoutMs: 20_000,
    user: undefined,
    password: undefined,
    tls: { cert: undefined, key: undefined, verify: true, sni: undefined },
  },
  keyring: KEYRING,
})

etcdTest("two gateways and APISIX's own layout in a real etcd", async (t) => {
  const etcd = await etcdServer(t)
  const backend = await httpBackend(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 }, type: 'roundrobin' }
  // What APISIX leaves there: "directories", objects, and some that cannot be used.
  await etcd.put('/apisix/routes/', 'init_dir')
  await etcd.put(
    '/apisix/routes/old',
    JSON.stringify({
      id: 'old',
      uri: '/old',
      upstream,
      status: 1,
      priority: 0,
      create_time: 1,
      update_time: 1,
    }),
  )
  await etcd.put(
    '/apisix/routes/bad',
    JSON.stringify({ id: 'bad', uri: '/bad', plugins: { 'no-such-plugin': {} } }),
  )
  const first = await testGateway(t, { config: etcdConfig(etcd.url) })
  const second = await testGateway(t, { config: etcdConfig(etcd.url) })
  t.is((await fetch(`${first.url}/old`)).status, 200)
  t.is((await fetch(`${first.url}/bad`)).status, 404)
  t.regex(await first.metrics.metrics(), /^apisix_etcd_reachable 1$/m)
  const old = await first.admin('GET', '/routes/old')
  t.true(
    Number(old.body.createdIndex) > 1 && Number(old.body.modifiedIndex) === Number(old.body.createdIndex),
  )

  await first.put('/routes/new', { uri: '/new', upstream, plugins: { 'key-auth': {} } })
  await first.put('/consumers', { username: 'ann', plugins: { 'key-auth': { key: 'open sesame' } } })
  await first.put('/consumers/ann/credentials/c1', { plugins: { 'key-auth': { key: 'another key' } } })
  // Written there is seen here at once, and soon at the other.
  t.is((await fetch(`${first.url}/new`, { headers: { apikey: 'open sesame' } })).status, 200)
  for (const apikey of ['open sesame', 'another key'])
    t.true(
      await until(async () => (await fetch(`${second.url}/new`, { headers: { apikey } })).status === 200),
    )
  const stored = await etcd.read('/apisix/')
  t.true('/apisix/consumers/ann/credentials/c1' in stored)
  t.false((stored['/apisix/consumers/ann'] ?? '').includes('open sesame'))
  const read = await second.admin('GET', '/consumers/ann')
  t.is(String(read.body.value?.plugins?.['key-auth']?.key), 'open sesame')

  // Somebody else writes, and takes away.
  await etcd.put('/apisix/routes/theirs', JSON.stringify({ id: 'theirs', uri: '/theirs', upstream }))
  t.true(await until(async () => (await fetch(`${first.url}/theirs`)).status === 200))
  await etcd.remove('/apisix/routes/theirs')
  t.true(await until(async () => (await fetch(`${first.url}/theirs`)).status === 404))
  const patched = await second.admin('PATCH', '/routes/new', { desc: 'changed' })
  t.is(patched.status, 200)
  t.is(JSON.parse((await etcd.read('/apisix/routes/new'))['/apisix/routes/new'] ?? '{}').desc, 'changed')
  const leased = await first.admin('PUT', '/routes/short?ttl=1', { uri: '/short', upstream })
  t.truthy(leased.body.lease_id)
  t.true(await until(async () => !('/apisix/routes/short' in (await etcd.read('/apisix/routes/')))))
  t.true(await until(async () => (await second.admin('GET', '/routes/short')).status === 404))
  // Revisions before this are gone: a watch from there is refused, and everything is read again.
  const { header } = (await etcd.call('/v3/kv/range', { key: 'AA==' })) as { header: { revision: string } }
  await etcd.call('/v3/kv/compaction', { revision: header.revision })
  t.is((await first.admin('DELETE', '/consumers/ann')).status, 200)
  t.deepEqual(Object.keys(await etcd.read('/apisix/consumers/')), [])
})

etcdTest(
  'an etcd that goes away: requests go on, writes fail, a restart begins with what was known',
  async (t) => {
    const etcd = await etcdServer(t)
    const backend = await httpBackend(t)
    const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
    const dataDirectory = temporaryDirectory(t)
    const config = { ...etcdConfig(etcd.url), dataDirectory }
    const first = await testGateway(t, { config })
    await first.put('/routes/1', { uri: '/*', upstream, plugins: { csrf: { key: 'secret word' } } })
    await etcd.stop()
    t.is((await fetch(first.url)).status, 200)
    t.is((await first.admin('PUT', '/routes/2', { uri: '/2', upstream })).status, 503)
    await first.gateway.stop()
    t.false(readFileSync(path.join(dataDirectory, 'etcd-state.json'), 'utf8').includes('secret word'))
    const again = await testGateway(t, { config })
    t.is((await fetch(again.url)).status, 200)
    await etcd.start()
    t.true(
      await until(
        async () => (await again.admin('PUT', '/routes/2', { uri: '/2', upstream })).status === 201,
      ),
    )
    t.is((await fetch(`${again.url}/2`)).status, 200)
  },
)

test('secrets are encrypted in the journal, readable again, and hidden in the control API', async (t) => {
  const dataDirectory = temporaryDirectory(t)
  const config = { dataDirectory, keyring: KEYRING, control: { host: '127.0.0.1', port: 0 } }
  const first = await testGateway(t, { config })
  await first.put('/consumers', { username: 'ann', plugins: { 'key-auth': { key: 'open sesame' } } })
  await first.put('/routes/1', {
    uri: '/*',
    plugins: {
      'key-auth': {},
      csrf: { key: 'secret word' },
      'loki-logger': { endpoint_addrs: ['http://127.0.0.1:1'], headers: { 'X-Key': 'secret words' } },
    },
    upstream: { nodes: { '127.0.0.1:1': 1 }, checks: { active: {} } },
  })
  const control = `http://127.0.0.1:${first.gateway.controlListen?.port}/v1`
  const get = async (where: string) => (await fetch(control + where)).text()
  t.false((await get('/routes')).includes('secret word'))
  t.regex(await get('/route/1'), /"csrf":\{"key":"\*{8}"/)
  t.regex(await get('/route/9'), /route\[9\] not found/)
  t.regex(await get('/schema'), /"limit-count":\{"priority":1002/)
  t.regex(await get('/healthcheck/routes/1'), /"status":"(?:mostly_)?(?:un)?healthy"/)
  t.regex(await get('/healthcheck/things/1'), /invalid src type things/)
  await first.gateway.stop()
  const written = readFileSync(path.join(dataDirectory, 'objects.jsonl'), 'utf8')
  t.false(written.includes('open sesame') || written.includes('secret word'))
  const second = await testGateway(t, {
    config: { dataDirectory, keyring: ['edd1c9f0985e76a2', ...KEYRING] },
  })
  t.is(
    String((await second.admin('GET', '/consumers/ann')).body.value?.plugins?.['key-auth']?.key),
    'open sesame',
  )
})

test('objects with a ttl go by themselves, also after a restart', async (t) => {
  const config = { dataDirectory: temporaryDirectory(t) }
  const first = await testGateway(t, { config })
  const body = { uri: '/*', upstream: { nodes: { '127.0.0.1:1': 1 } } }
  t.is(
    String((await first.admin('PUT', '/routes/1?ttl=x', body)).body.error_msg),
    'invalid argument ttl: should be a number',
  )
  t.is((await first.admin('PUT', '/routes/1?ttl=2', body)).status, 201)
  t.is((await first.admin('PUT', '/routes/2?ttl=600', body)).status, 201)
  await first.gateway.stop()
  const second = await testGateway(t, { config })
  t.true(await until(async () => (await second.admin('GET', '/routes/1')).status === 404))
  t.is((await second.admin('GET', '/routes/2')).status, 200)
})

test('standalone: apisix.yaml is read, read again, and left alone when it is not complete', async (t) => {
  const backend = await httpBackend(t)
  const file = path.join(temporaryDirectory(t), 'apisix.yaml')
  process.env.PLX_TEST_PORT = String(backend.port)
  const node = ['"127.0.0.1:$', '{{PLX_TEST_PORT}}": 1'].join('')
  const write = (uri: string, end = '#END\n') =>
    writeFileSync(
      file,
      `routes:
  - uri: ${uri}
    plugins: { key-auth: {} }
    upstream_id: 1
  - uri: /broken
    plugins: { no-such: {} }
upstreams:
  - id: 1
    nodes: { ${node} }
consumers:
  - username: ann
  - id: ann/credentials/one
    plugins: { key-auth: { key: k } }
${end}`,
    )
  write('/one')
  const { url, admin } = await testGateway(t, { config: { objectsFile: file } })
  const status = async (where: string) => (await fetch(url + where, { headers: { apikey: 'k' } })).status
  t.deepEqual([await status('/one'), await status('/broken')], [200, 404])
  t.is((await admin('PUT', '/routes/9', { uri: '/9', upstream_id: 1 })).status, 503)
  t.regex(String((await admin('DELETE', '/routes/arr_1')).body.error_msg), /comes from a file/)
  write('/two', '')
  await sleep(1500)
  t.is(await status('/one'), 200)
  write('/two')
  t.true(await until(async () => (await status('/two')) === 200))
  t.is(await status('/one'), 404)
})

test("where objects are kept is read from APISIX's keys", (t) => {
  const etcd = parseGatewayConfig(
    'deployment: { role: traditional, etcd: { host: ["http://127.0.0.1:2379"], prefix: /x, timeout: 5, user: root, password: p } }',
    'c',
  )
  t.deepEqual(
    [etcd.etcd?.hosts, etcd.etcd?.prefix, etcd.etcd?.timeoutMs],
    [['http://127.0.0.1:2379'], '/x', 5000],
  )
  const older = parseGatewayConfig('etcd: { host: ["http://10.0.0.1:2379"] }', 'c')
  t.deepEqual([older.etcd?.hosts, older.ignored], [['http://10.0.0.1:2379'], []])
  const wrong = (text: string) => t.throws(() => parseGatewayConfig(text, 'c'))?.message ?? ''
  t.regex(wrong('deployment: { etcd: { host: [nonsense] } }'), /deployment\.etcd\.host/)
  t.regex(wrong('apisix: { data_encryption: { keyring: [short] } }'), /apisix\.data_encryption\.keyring\[0\]/)
  t.regex(wrong('deployment: { role_data_plane: { config_provider: yaml } }'), /plexus\.objects_file/)
  t.deepEqual(parseGatewayConfig('apisix: { control: { port: 9090 } }', 'c').control, {
    host: '127.0.0.1',
    port: 9090,
  })
})

test('a trace says which route a request takes and why not the others', async (t) => {
  const { gateway, put } = await testGateway(t)
  const upstream = { nodes: { '127.0.0.1:1': 1 } }
  await put('/routes/post', { uri: '/a', methods: ['POST'], upstream })
  await put('/routes/v2', { uri: '/a*', vars: [['http_version', '==', '2']], priority: 5, upstream })
  await put('/routes/any', {
    uri: '/*',
    hosts: ['shop.example'],
    plugins: { cors: {} },
    upstream,
    name: 'all',
  })
  await put('/routes/last', { uri: '/*', upstream })
  const ask = (method: string, url: string, headers = {}) =>
    gateway.trace({ method, url, headers, remoteAddress: '10.0.0.1' })
  const found = ask('GET', 'http://other.example:8080/x/../a?b=c')
  t.deepEqual(
    found.steps.map(({ route, result }) => [route, result]),
    [
      ['post', 'methods are POST'],
      ['v2', 'vars do not hold: [["http_version","==","2"]]'],
      ['last', 'taken'],
    ],
  )
  t.deepEqual([found.host, found.path], ['other.example', '/a'])
  t.is(ask('GET', '/a', { Host: 'other.example', Version: '2' }).route, 'v2')
  const shop = ask('GET', 'http://shop.example/a')
  t.deepEqual([shop.route, shop.plugins, shop.nodes], ['any', ['cors'], ['127.0.0.1:1']])
  t.regex(shop.summary, /^route any \(all\)/)
})

test('a route that was stored with a plugin that is not switched on any more is not served without it', async (t) => {
  const backend = await httpBackend(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const dataDirectory = temporaryDirectory(t)
  const first = await testGateway(t, { config: { dataDirectory } })
  await first.put('/routes/1', { uri: '/guarded', plugins: { 'key-auth': {} }, upstream })
  await first.put('/routes/2', { uri: '/open', plugins: { 'basic-auth': {} }, upstream })
  await first.put('/consumers/jack', {
    username: 'jack',
    plugins: { 'basic-auth': { username: 'jack', password: 'secret' }, 'key-auth': { key: 'k' } },
  })
  await first.gateway.stop()
  const second = await testGateway(t, { config: { dataDirectory, plugins: ['basic-auth'] } })
  t.is((await fetch(`${second.url}/guarded`)).status, 404)
  const headers = { Authorization: `Basic ${btoa('jack:secret')}` }
  t.is((await fetch(`${second.url}/open`, { headers })).status, 200)
})
