import { generateKeyPairSync } from 'node:crypto'
import dgram from 'node:dgram'
import test, { type ExecutionContext } from 'ava'
import { httpBackend } from './support/backend.ts'
import { collector } from './support/collector.ts'
import { testGateway } from './support/gateway.ts'
import { until } from './support/until.ts'

async function datagrams(t: ExecutionContext) {
  const received: string[] = []
  const udp = dgram.createSocket('udp4')
  udp.on('message', (message) => received.push(message.toString()))
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', () => resolve()))
  t.teardown(() => udp.close())
  return { port: udp.address().port, received }
}

async function withPlugins(t: ExecutionContext, plugins: Record<string, unknown>) {
  const backend = await httpBackend(t)
  const gateway = await testGateway(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  await gateway.put('/routes/1', { name: 'shop', uri: '/shop/*', plugins, upstream })
  return gateway
}

test('skywalking-logger: entries with the trace of the request', async (t) => {
  const { uri, received } = await collector(t)
  const logger = { endpoint_addr: uri, service_name: 'gw', service_instance_name: 'one', batch_max_size: 2 }
  const { url } = await withPlugins(t, { 'skywalking-logger': { ...logger, log_format: { to: '$uri' } } })
  const encode = (text: string) => Buffer.from(text).toString('base64')
  const sw8 = ['1', encode('trace'), encode('segment'), '3', 'a', 'b', 'c', 'd'].join('-')
  await fetch(`${url}/shop/a`, { headers: { sw8 } })
  await fetch(`${url}/shop/b`, { headers: { sw8: 'nonsense' } })
  t.true(await until(() => received.length === 1))
  t.is(received[0]?.url, '/v3/logs')
  const entry = (to: string) => ({
    body: { json: { json: JSON.stringify({ to, route_id: '1' }) } },
    service: 'gw',
    serviceInstance: 'one',
    endpoint: to,
  })
  t.deepEqual(JSON.parse(received[0]?.body ?? ''), [
    { traceContext: { traceId: 'trace', traceSegmentId: 'segment', spanId: 3 }, ...entry('/shop/a') },
    entry('/shop/b'),
  ])
})

test('google-cloud-logging: entries in the words of Google, with a token of the account', async (t) => {
  const token = { access_token: 'good', token_type: 'Bearer', expires_in: 3600 }
  const { uri, received } = await collector(t, ({ url }) => [200, url === '/token' ? token : {}])
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const account = {
    client_email: 'a@p1.example',
    private_key: privateKey,
    project_id: 'p1',
    token_uri: `${uri}/token`,
    entries_uri: `${uri}/write`,
  }
  const { url, admin } = await withPlugins(t, {
    'google-cloud-logging': { auth_config: account, batch_max_size: 1, log_format_extra: { more: '$arg_x' } },
  })
  await fetch(`${url}/shop/a?x=1`, { headers: { 'User-Agent': 'me' } })
  await fetch(`${url}/shop/b?x=2`)
  t.true(await until(() => received.filter(({ url }) => url === '/write').length === 2))
  t.is(received.filter(({ url }) => url === '/token').length, 1)
  const first = received.find(({ url, body }) => url === '/write' && body.includes('/shop/a'))
  t.is(first?.headers.authorization, 'Bearer good')
  const { entries } = JSON.parse(first?.body ?? '') as { entries: Record<string, unknown>[] }
  t.like(entries[0], {
    logName: 'projects/p1/logs/apisix.apache.org%2Flogs',
    resource: { type: 'global' },
    jsonPayload: { route_id: '1', service_id: '', more: '1' },
    labels: { source: 'apache-apisix-google-cloud-logging' },
  })
  t.like(entries[0]?.httpRequest, {
    requestMethod: 'GET',
    status: 200,
    userAgent: 'me',
    remoteIp: '127.0.0.1',
  })
  const refused = await admin('PUT', '/routes/2', { uri: '/', plugins: { 'google-cloud-logging': {} } })
  t.is(refused.status, 400)
  const shown = await admin('GET', '/routes/1')
  t.is(shown.status, 200)
})

test('loggly: syslog datagrams, or its bulk endpoint', async (t) => {
  const { port, received: messages } = await datagrams(t)
  const { port: bulk, received } = await collector(t)
  const { url, put } = await withPlugins(t, {
    loggly: {
      customer_token: 'token',
      tags: ['a', 'b'],
      severity_map: { 200: 'ERR' },
      batch_max_size: 1,
      log_format: { to: '$uri' },
    },
  })
  await put('/plugin_metadata/loggly', { host: '127.0.0.1', port })
  await fetch(`${url}/shop/a`)
  t.true(await until(() => messages.length === 1))
  t.regex(
    messages[0] ?? '',
    /^<11>1 \d{4}-\d\d-\d\dT\S+Z 127\.0\.0\.1 apisix \d+ - \[token@41058 tag="a" tag="b"\] \{"to":"\/shop\/a","route_id":"1"\}$/,
  )
  await put('/plugin_metadata/loggly', { host: `127.0.0.1:${bulk}`, protocol: 'http' })
  await fetch(`${url}/shop/b`)
  t.true(await until(() => received.length === 1))
  t.is(received[0]?.url, '/bulk/token/tag/bulk')
  t.is(received[0]?.headers['x-loggly-tag'], 'a,b')
  t.is(received[0]?.body, '{"to":"/shop/b","route_id":"1"}')
})

test('datadog: figures of each request in one datagram', async (t) => {
  const { port, received } = await datagrams(t)
  const { url, put } = await withPlugins(t, {
    datadog: { batch_max_size: 1, include_path: true, include_method: true, constant_tags: ['env:test'] },
  })
  await put('/plugin_metadata/datadog', { host: '127.0.0.1', port, namespace: 'gw' })
  await fetch(`${url}/shop/a`)
  t.true(await until(() => received.length === 1))
  const lines = received[0]?.split('\n') ?? []
  t.deepEqual(
    lines.map((line) => line.replace(/:[\d.e-]+\|/, '|').replace(/\|#.*/, '')),
    [
      'gw.request.counter|c',
      'gw.request.latency|h',
      'gw.upstream.latency|h',
      'gw.apisix.latency|h',
      'gw.ingress.size|ms',
      'gw.egress.size|ms',
    ],
  )
  const tags =
    'source:apisix,env:test,route_name:shop,path:/shop/*,method:GET,balancer_ip:127.0.0.1,response_status:200,response_status_class:2xx,scheme:http'
  for (const line of lines) t.is(line.split('|#')[1], tags)
})
