import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { SlidingWindows } from '../../ingress/plugins/limit-count/sliding-windows.ts'
import { RedisCluster, RedisServer } from '../../ingress/plugins/redis/client.ts'
import { ReplyReader } from '../../ingress/plugins/redis/protocol.ts'
import { slotOf } from '../../ingress/plugins/redis/slots.ts'
import { SharedRecords } from '../../ingress/sharing/index.ts'
import { CLOSED_PORT, httpBackend, rawBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { HAS_REDIS, redisServer } from './support/redis.ts'

const redisTest = HAS_REDIS ? test : test.skip
const SETTINGS = { database: 0, timeoutMs: 20_000, ssl: false, sslVerify: false }

test('sliding windows weigh the window before and let those in again who were refused', (t) => {
  let now = 1_000_000
  const windows = new SlidingWindows(new SharedRecords().within('windows'), () => now)
  for (let n = 1; n <= 4; n++) t.is(windows.count('a', 1000, 4).count, n)
  t.is(windows.count('a', 1000, 4).count, 5)
  now += 1500
  // Half of the four still count.
  t.is(windows.count('a', 1000, 4).count, 3)
  t.is(windows.count('a', 1000, 4).count, 4)
  t.is(windows.count('a', 1000, 4).count, 5)
  now += 10_000
  t.is(windows.count('a', 1000, 4).count, 1)
})

test('replies of Redis are read however they are cut', (t) => {
  const wire = Buffer.from('+OK\r\n:42\r\n$-1\r\n*3\r\n:1\r\n$5\r\na\r\nbc\r\n*-1\r\n-ERR no\r\n')
  const whole = new ReplyReader().push(wire)
  const reader = new ReplyReader()
  const cut = [...wire].flatMap((_byte, at) => reader.push(wire.subarray(at, at + 1)))
  t.deepEqual(cut, whole)
  t.deepEqual(whole.slice(0, 4), ['OK', 42, null, [1, 'a\r\nbc', null]])
  t.is((whole[4] as Error).message, 'ERR no')
})

test('slots are those of the cluster specification', (t) => {
  // The examples of redis.io: CLUSTER KEYSLOT somekey, and two keys of one hash tag.
  t.is(slotOf('somekey'), 11058)
  t.is(slotOf('foo{hash_tag}'), 2515)
  t.is(slotOf('bar{hash_tag}'), 2515)
  t.is(slotOf('foo{}{bar}'), slotOf('foo{}{bar}'))
})

test('limit-count: rules, each with a window and header fields of its own', async (t) => {
  const backend = await httpBackend(t)
  const { url, put, admin } = await testGateway(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const rules = [
    { count: 2, time_window: 60, key: '$http_x_user', header_prefix: 'User' },
    { count: ['$', '{http_x_quota ?? 3}'].join(''), time_window: 60, key: '$remote_addr' },
  ]
  await put('/routes/1', { uri: '/*', upstream, plugins: { 'limit-count': { rules, rejected_code: 429 } } })
  const first = await fetch(url, { headers: { 'x-user': 'a' } })
  t.is(first.headers.get('x-user-ratelimit-remaining'), '1')
  t.is(first.headers.get('x-2-ratelimit-remaining'), '2')
  t.is((await fetch(url, { headers: { 'x-user': 'a' } })).status, 200)
  t.is((await fetch(url, { headers: { 'x-user': 'a' } })).status, 429)
  // Without a user only the second rule counts.
  t.is((await fetch(url)).headers.get('x-user-ratelimit-limit'), null)
  t.is((await fetch(url)).status, 429)
  t.is((await fetch(url, { headers: { 'x-quota': '50' } })).status, 200)
  const both = { count: 1, time_window: 1, rules }
  const refused = await admin('PUT', '/routes/2', { uri: '/a', upstream, plugins: { 'limit-count': both } })
  t.is(
    String(refused.body.error_msg),
    'failed to check the configuration of plugin limit-count err: count/time_window and rules cannot be specified at the same time',
  )
  const policy = { count: 1, time_window: 1, policy: 'redis' }
  const host = await admin('PUT', '/routes/2', { uri: '/a', upstream, plugins: { 'limit-count': policy } })
  t.regex(String(host.body.error_msg), /then clause did not match$/)
})

redisTest('nothing is counted as another user or in another database than the one asked for', async (t) => {
  const { port } = await redisServer(t)
  const address = { host: '127.0.0.1', port }
  const count = (settings: object) =>
    new RedisServer(address, { ...SETTINGS, ...settings }).evaluate(
      "return redis.call('INCR', KEYS[1])",
      'n',
      [],
    )
  t.is(await count({}), 1)
  t.is(await count({ database: 3 }), 1)
  await t.throwsAsync(count({ database: 99 }), { message: /index is out of range/ })
  await t.throwsAsync(count({ password: 'made up' }), { message: /AUTH/ })
  t.is(await count({}), 2)
})

redisTest('limiting in Redis: two gateways share counters; degradation when it is away', async (t) => {
  const redis = await redisServer(t, ['--requirepass', 'secret'])
  const backend = await httpBackend(t)
  const gateways = [await testGateway(t), await testGateway(t)]
  const server = {
    policy: 'redis',
    redis_host: '127.0.0.1',
    redis_port: redis.port,
    redis_password: 'secret',
  }
  const shared = { ...server, redis_database: 1, redis_timeout: 20_000, rejected_code: 429 }
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  for (const { put } of gateways) {
    const count = { count: 2, time_window: 600, ...shared }
    await put('/routes/1', { uri: '/count', upstream, plugins: { 'limit-count': count } })
    const sliding = { count: 2, time_window: 600, window_type: 'sliding', ...shared }
    await put('/routes/2', { uri: '/sliding', upstream, plugins: { 'limit-count': sliding } })
    const req = { rate: 0.01, burst: 0, key: 'remote_addr', ...shared }
    await put('/routes/3', { uri: '/req', upstream, plugins: { 'limit-req': req } })
    const conn = { conn: 5, burst: 0, default_conn_delay: 0.1, key: 'remote_addr', ...shared }
    await put('/routes/4', { uri: '/conn', upstream, plugins: { 'limit-conn': conn } })
    const away = {
      count: 1,
      time_window: 60,
      policy: 'redis',
      redis_host: '127.0.0.1',
      redis_port: CLOSED_PORT,
    }
    await put('/routes/5', { uri: '/away', upstream, plugins: { 'limit-count': away } })
    const lenient = { ...away, allow_degradation: true }
    await put('/routes/6', { uri: '/lenient', upstream, plugins: { 'limit-count': lenient } })
  }
  const [a = '', b = ''] = gateways.map(({ url }) => url)
  for (const path of ['/count', '/sliding']) {
    t.is((await fetch(a + path)).headers.get('x-ratelimit-remaining'), '1')
    t.is((await fetch(b + path)).headers.get('x-ratelimit-remaining'), '0')
    const refused = await fetch(a + path)
    t.deepEqual([refused.status, refused.headers.get('x-ratelimit-remaining')], [429, '0'])
  }
  t.deepEqual([(await fetch(`${a}/req`)).status, (await fetch(`${b}/req`)).status], [200, 429])
  // None is left behind: more requests than fit at once, one after the other.
  for (let n = 0; n < 12; n++) t.is((await fetch(`${n % 2 === 0 ? a : b}/conn`)).status, 200)
  const failed = await fetch(`${a}/away`)
  t.deepEqual([failed.status, await failed.text()], [500, '{"error_msg":"failed to limit count"}\n'])
  t.is((await fetch(`${a}/lenient`)).status, 200)
})

redisTest('a Redis Cluster is followed by its redirections', async (t) => {
  const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '60000']
  const first = await redisServer(t, cluster)
  const second = await redisServer(t, cluster)
  const nodes = [first, second].map(({ port }) => new RedisServer({ host: '127.0.0.1', port }, SETTINGS))
  await nodes[0]?.send(['CLUSTER', 'ADDSLOTSRANGE', 0, 8191])
  await nodes[1]?.send(['CLUSTER', 'ADDSLOTSRANGE', 8192, 16_383])
  await nodes[0]?.send(['CLUSTER', 'MEET', '127.0.0.1', second.port])
  const whole = async () => {
    const infos = await Promise.all(nodes.map((node) => node.send(['CLUSTER', 'INFO'])))
    return infos.every(
      (info) => /cluster_state:ok/.test(String(info)) && /cluster_slots_ok:16384/.test(String(info)),
    )
  }
  for (let n = 0; n < 400 && !(await whole()); n++) await new Promise((next) => setTimeout(next, 50))
  t.true(await whole())
  const client = new RedisCluster([`127.0.0.1:${CLOSED_PORT}`, `127.0.0.1:${first.port}`], SETTINGS)
  for (let n = 0; n < 20; n++) {
    t.is(await client.evaluate("return redis.call('INCR', KEYS[1])", `key-${n}`, []), 1)
    t.is(await client.evaluate("return redis.call('INCR', KEYS[1])", `key-${n}`, []), 2)
  }
})

test('limit-count: all of a group are configured alike', async (t) => {
  const { admin, put } = await testGateway(t)
  const limited = (count: number, more = {}) => ({
    uri: '/a',
    plugins: { 'limit-count': { count, time_window: 60, group: 'g', ...more } },
  })
  await put('/routes/1', limited(2))
  await put('/routes/2', limited(2, { _meta: { priority: 1 } }))
  const refused = await admin('PUT', '/services/1', { plugins: limited(3).plugins })
  t.is(refused.status, 400)
  t.is(
    String(refused.body.error_msg),
    'failed to check the configuration of plugin limit-count err: group conf mismatched',
  )
  t.is((await admin('PUT', '/routes/2', limited(3))).status, 400)
  t.is((await admin('DELETE', '/routes/2')).status, 200)
  await put('/routes/1', limited(3))
  await put('/routes/3', { ...limited(9), plugins: { 'limit-count': { count: 9, time_window: 60 } } })
})

test('limit-conn: rules, each with a key of its own; limits from the request', async (t) => {
  const held: (() => void)[] = []
  const slow = await rawBackend(t, (socket) => {
    socket.once('data', () =>
      held.push(() => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')),
    )
  })
  const { url, put, admin } = await testGateway(t)
  const route = (conf: object) => ({
    uri: '/*',
    plugins: { 'limit-conn': { default_conn_delay: 0.01, rejected_code: 429, ...conf } },
    upstream: { nodes: { [`127.0.0.1:${slow}`]: 1 } },
  })
  const rules = [
    { key: '$http_user', conn: 1, burst: 0 },
    { key: '$http_group', conn: '$http_limit', burst: 0 },
  ]
  await put('/routes/1', route({ rules }))
  const running: Promise<Response>[] = []
  const begin = async (headers: Record<string, string>) => {
    const before = held.length
    running.push(fetch(url, { headers }))
    for (let n = 0; n < 2000 && held.length === before; n++) await sleep(10)
    t.is(held.length, before + 1)
  }
  const status = async (headers: Record<string, string>) => (await fetch(url, { headers })).status
  await begin({ user: 'ann', group: 'g', limit: '2' })
  t.is(await status({ user: 'ann', group: 'h', limit: '2' }), 429)
  await begin({ user: 'bob', group: 'g', limit: '2' })
  t.is(await status({ user: 'sue', group: 'g', limit: '2' }), 429)
  // What was counted for sue before the second rule refused her was given back.
  await begin({ user: 'sue', group: 'g', limit: '3' })
  // Nobody gets past the limits by being nobody.
  t.is(await status({}), 500)
  for (const release of held.splice(0)) release()
  for (const response of await Promise.all(running)) t.is(response.status, 200)
  await begin({ user: 'ann', group: 'g', limit: '2' })
  for (const release of held) release()
  for (const [conf, message] of [
    [{ conn: 1, burst: 0 }, /err: value should match only one schema, but matches none/],
    [{ conn: 0, burst: 0, key: 'a' }, /property "conn" validation failed: value .* matches none/],
    [{ conn: 1, burst: -1, key: 'a' }, /property "burst" validation failed: value .* matches none/],
    [{ conn: 1, burst: 0, key: 'a', rules }, /matches both schemas 1 and 2/],
  ] as const)
    t.regex(String((await admin('PUT', '/routes/2', route(conf))).body.error_msg), message)
})
