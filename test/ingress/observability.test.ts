import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import { hostname } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { parseGatewayConfig } from '#ingress'
import { httpBackend } from './support/backend.ts'
import { KEY, temporaryDirectory, testGateway } from './support/gateway.ts'
import { frame, grpcServer } from './support/grpc.ts'

async function lines(file: string, count: number): Promise<string[]> {
  for (let n = 0; n < 1000; n++) {
    try {
      const found = readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
      if (found.length >= count) return found
    } catch {
      // Not there yet.
    }
    await sleep(20)
  }
  return []
}

test("the access log in nginx's format, escaped as nginx does", async (t) => {
  const file = path.join(temporaryDirectory(t), 'access.log')
  const text =
    '$remote_addr - $remote_user [$time_local] $http_host "$request" $status "$http_x_odd" $arg_none $upstream_status'
  const parsed = parseGatewayConfig(
    `nginx_config: { http: { access_log: ${file}, access_log_format: '${text}' } }`,
    'c',
  )
  t.deepEqual(parsed.accessLogFormat, { text, escape: 'default' })
  const backend = await httpBackend(t)
  const { url, put } = await testGateway(t, {
    config: { accessLog: file, accessLogFormat: parsed.accessLogFormat },
  })
  await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  await fetch(`${url}/a?b=c`, { headers: { 'x-odd': 'a"b\\c', authorization: `Basic ${btoa('ann:pw')}` } })
  const [line = ''] = await lines(file, 1)
  t.regex(
    line,
    /^127\.0\.0\.1 - ann \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000\] 127\.0\.0\.1:\d+ "GET \/a\?b=c HTTP\/1\.1" 200 "a\\x22b\\x5Cc" - 200$/,
  )
  const json = path.join(temporaryDirectory(t), 'json.log')
  const second = await testGateway(t, { config: { accessLog: json } })
  await fetch(`${second.url}/none`)
  t.like(JSON.parse((await lines(json, 1))[0] ?? ''), { uri: '/none', status: 404, request_method: 'GET' })
})

test('variables of the connection: HTTP/2 is called so, a server by the name it has in the configuration', async (t) => {
  const file = path.join(temporaryDirectory(t), 'access.log')
  const text = '$request|$server_protocol|$document_uri|$https|$upstream_unresolved_host|$hostname'
  const { url, put } = await testGateway(t, {
    config: { accessLog: file, accessLogFormat: { text, escape: 'default' } },
  })
  await put('/routes/1', { uri: '/a', upstream: { nodes: { 'localhost:1': 1 } } })
  await put('/routes/2', { uri: '/b', upstream: { nodes: { '127.0.0.1:1': 1 } } })
  const client = http2.connect(url)
  t.teardown(() => client.destroy())
  await new Promise((resolve) => client.request({ ':path': '/a?x=1' }).on('close', resolve).resume())
  await fetch(`${url}/b`)
  t.deepEqual(await lines(file, 2), [
    `GET /a?x=1 HTTP/2.0|HTTP/2.0|/a|-|localhost|${hostname()}`,
    `GET /b HTTP/1.1|HTTP/1.1|/b|-|-|${hostname()}`,
  ])
})

test('metrics on a port of their own, with the health of checked servers', async (t) => {
  const backend = await httpBackend(t)
  const { url, put, gateway } = await testGateway(t, {
    config: {
      pluginAttributes: { prometheus: { export_addr: { ip: '127.0.0.1', port: 0 }, export_uri: '/m' } },
    },
  })
  const nodes = { [`127.0.0.1:${backend.port}`]: 1, '127.0.0.1:1': 1 }
  const checks = { active: { unhealthy: { interval: 1, tcp_failures: 1 }, healthy: { interval: 1 } } }
  await put('/upstreams/1', { nodes, checks })
  await put('/routes/1', { uri: '/*', upstream_id: 1, plugins: { prometheus: {} } })
  const read = async () => (await fetch(`http://127.0.0.1:${gateway.metricsListen?.port}/m`)).text()
  let text = ''
  for (let n = 0; n < 1000 && !/port="1"\} 0/.test(text); n++) {
    await fetch(url)
    text = await read()
    await sleep(20)
  }
  t.regex(text, /apisix_upstream_status\{name="\/apisix\/upstreams\/1",ip="127\.0\.0\.1",port="1"\} 0/)
  t.true(text.includes(`port="${backend.port}"} 1`))
  t.regex(text, /apisix_http_requests_total \d+/)
})

test('the metrics that dashboards are made of, and node-status, whichever process is asked', async (t) => {
  const { url, put, metrics } = await testGateway(t, {
    text: `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }
nginx_config: { worker_processes: 2 }
deployment:
  admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: admin, key: ${KEY}, role: admin }] }`,
  })
  await put('/routes/status', { uri: '/apisix/status', plugins: { 'public-api': {}, 'node-status': {} } })
  await put('/routes/metrics', { uri: '/apisix/prometheus/metrics', plugins: { 'public-api': {} } })
  await put('/upstreams/7', { nodes: { '127.0.0.1:1': 1 } })
  const get = async (path: string) => fetch(`${url}${path}`, { headers: { Connection: 'close' } })
  let requests = 0
  /** Numbers of other processes are kept for a moment: they are right when nothing has come since. */
  const settles = async (read: () => Promise<number>) => {
    for (let n = 0; n < 100; n++) {
      requests++
      if ((await read()) === requests) return true
      await sleep(250)
    }
    return false
  }
  const total = async () => {
    const text = await (await get('/apisix/prometheus/metrics')).text()
    return Number(/^apisix_http_requests_total (\d+)$/m.exec(text)?.[1])
  }
  const accepted = async () => {
    const { status } = (await (await get('/apisix/status')).json()) as { status: Record<string, string> }
    t.is(Number(status.active), Number(status.writing) + Number(status.waiting))
    t.is(status.handled, status.accepted)
    return status.total === status.accepted ? Number(status.accepted) : 0
  }
  // Several times, as the kernel picks the process that answers.
  for (let n = 0; n < 4; n++) {
    t.true(await settles(total))
    t.true(await settles(accepted))
  }
  const text = await metrics.metrics()
  t.regex(text, /^apisix_node_info\{hostname=".+"\} 1$/m)
  t.regex(text, /^apisix_etcd_modify_indexes\{key="upstreams"\} 3$/m)
  t.regex(text, /^apisix_etcd_modify_indexes\{key="max_modify_index"\} 3$/m)
  t.notRegex(text, /^apisix_etcd_reachable/m)
})

test('secrets from the environment', async (t) => {
  process.env.PLX_TEST_KEY = 'from outside'
  process.env.PLX_TEST_JSON = '{"key":"within"}'
  const backend = await httpBackend(t)
  const { url, put, admin } = await testGateway(t)
  await put('/consumers', { username: 'ann', plugins: { 'key-auth': { key: '$env://PLX_TEST_KEY' } } })
  await put('/consumers', { username: 'bob', plugins: { 'key-auth': { key: '$ENV://PLX_TEST_JSON/key' } } })
  await put('/consumers', { username: 'eve', plugins: { 'key-auth': { key: '$env://PLX_TEST_NOT_SET' } } })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await put('/routes/1', { uri: '/*', upstream, plugins: { 'key-auth': {} } })
  const as = async (apikey: string) => (await fetch(url, { headers: { apikey } })).status
  t.deepEqual(
    [
      await as('from outside'),
      await as('within'),
      await as('$env://PLX_TEST_KEY'),
      await as('$env://PLX_TEST_NOT_SET'),
    ],
    [200, 200, 401, 401],
  )
  t.is(
    String((await admin('GET', '/consumers/ann')).body.value?.plugins?.['key-auth']?.key),
    '$env://PLX_TEST_KEY',
  )
})

/** Cuts a grpc-web body into its frames. */
function frames(body: Buffer): { readonly trailer: boolean; readonly text: string }[] {
  const found: { trailer: boolean; text: string }[] = []
  for (let at = 0; at < body.length; ) {
    const length = body.readUInt32BE(at + 1)
    found.push({ trailer: body[at] === 0x80, text: body.toString('utf8', at + 5, at + 5 + length) })
    at += 5 + length
  }
  return found
}

test('grpc-web: binary and text, trailers in the body, failures, preflight', async (t) => {
  const server = await grpcServer(t)
  const { url, put } = await testGateway(t)
  const upstream = { scheme: 'grpc', nodes: { [`127.0.0.1:${server.port}`]: 1 } }
  await put('/routes/1', { uri: '/t.T/*', plugins: { 'grpc-web': {} }, upstream })
  const post = (path: string, type: string, body: Buffer | string) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': type, origin: 'https://a.example' },
      body: new Uint8Array(Buffer.from(body)),
    })
  const binary = await post('/t.T/Echo', 'application/grpc-web+proto', frame('hello'))
  t.is(binary.status, 200)
  t.is(binary.headers.get('content-type'), 'application/grpc-web+proto')
  t.is(binary.headers.get('access-control-allow-origin'), '*')
  const [message, trailer] = frames(Buffer.from(await binary.arrayBuffer()))
  t.deepEqual(message, { trailer: false, text: 'hello' })
  t.true(trailer?.trailer)
  t.regex(trailer?.text ?? '', /grpc-status: 0\r\n/)
  t.is(server.seen[0]?.['content-type'], 'application/grpc+proto')
  const text = await post('/t.T/Echo', 'application/grpc-web-text', frame('hi').toString('base64'))
  const decoded = Buffer.from(await text.text(), 'base64')
  t.deepEqual(
    frames(decoded).map((one) => one.trailer),
    [false, true],
  )
  t.is(frames(decoded)[0]?.text, 'hi')
  const failed = await post('/t.T/Fail', 'application/grpc-web', frame('x'))
  // Without a message the status is in the head, as gRPC-Web has it, too.
  t.regex(failed.headers.get('grpc-status') ?? '', /^[1-9]/)
  t.is(await failed.text(), '')
  const preflight = await fetch(`${url}/t.T/Echo`, { method: 'OPTIONS' })
  t.deepEqual([preflight.status, preflight.headers.get('access-control-allow-methods')], [204, 'POST'])
  t.is((await post('/t.T/Echo', 'application/json', '{}')).status, 400)
})
