import dgram from 'node:dgram'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { httpBackend, rawBackend } from './support/backend.ts'
import { collector } from './support/collector.ts'
import { temporaryDirectory, testGateway } from './support/gateway.ts'

async function until(holds: () => boolean): Promise<boolean> {
  for (let n = 0; n < 2000 && !holds(); n++) await sleep(10)
  return holds()
}

async function withPlugins(t: ExecutionContext, plugins: Record<string, unknown>) {
  const backend = await httpBackend(t)
  const gateway = await testGateway(t)
  await gateway.put('/routes/1', {
    uri: '/*',
    plugins,
    upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
  })
  return gateway
}

const ONE = { batch_max_size: 1, log_format: { to: '$uri' } }

test('loki, elasticsearch, splunk and clickhouse get what their APIs expect', async (t) => {
  const { uri, received } = await collector(t)
  const { url } = await withPlugins(t, {
    'loki-logger': { ...ONE, endpoint_addrs: [uri], tenant_id: 'me', log_labels: { app: 'gw' } },
    'elasticsearch-logger': {
      ...ONE,
      endpoint_addr: `${uri}/es`,
      field: { index: 'logs-{%Y}' },
      auth: { username: 'u', password: 'p' },
    },
    'splunk-hec-logging': { ...ONE, endpoint: { uri: `${uri}/splunk`, token: 'tok' } },
    'clickhouse-logger': {
      ...ONE,
      endpoint_addr: `${uri}/ch`,
      user: 'u',
      password: 'p',
      database: 'd',
      logtable: 'requests',
    },
  })
  await fetch(`${url}/hello`)
  t.true(await until(() => received.length === 4))
  const at = (path: string) => received.find((one) => one.url.startsWith(path))
  const loki = JSON.parse(at('/loki/api/v1/push')?.body ?? '') as {
    streams: { stream: unknown; values: [string, string][] }[]
  }
  t.deepEqual(loki.streams[0]?.stream, { app: 'gw' })
  t.deepEqual(JSON.parse(loki.streams[0]?.values[0]?.[1] ?? ''), { to: '/hello', route_id: '1' })
  t.is(at('/loki')?.headers['x-scope-orgid'], 'me')
  const [create = '', entry = ''] = at('/es/_bulk')?.body.split('\n') ?? []
  t.deepEqual(JSON.parse(create), { create: { _index: `logs-${new Date().getUTCFullYear()}` } })
  t.deepEqual(JSON.parse(entry), { to: '/hello', route_id: '1' })
  t.is(at('/es')?.headers.authorization, `Basic ${Buffer.from('u:p').toString('base64')}`)
  const splunk = at('/splunk')
  t.is(splunk?.headers.authorization, 'Splunk tok')
  t.deepEqual((JSON.parse(splunk?.body ?? '') as { event: unknown }).event, { to: '/hello', route_id: '1' })
  t.is(at('/ch')?.body, 'INSERT INTO requests FORMAT JSONEachRow {"to":"/hello","route_id":"1"}')
  t.is(at('/ch')?.headers['x-clickhouse-database'], 'd')
})

test('tcp-logger, udp-logger and syslog', async (t) => {
  let tcp = ''
  const tcpPort = await rawBackend(t, (socket) =>
    socket.on('data', (chunk) => {
      tcp += chunk.toString()
    }),
  )
  const datagrams: string[] = []
  const udp = dgram.createSocket('udp4')
  udp.on('message', (message) => datagrams.push(message.toString()))
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', () => resolve()))
  t.teardown(() => udp.close())
  const { url } = await withPlugins(t, {
    'tcp-logger': { ...ONE, host: '127.0.0.1', port: tcpPort },
    'udp-logger': { ...ONE, host: '127.0.0.1', port: udp.address().port },
    syslog: { ...ONE, host: '127.0.0.1', port: udp.address().port, sock_type: 'udp' },
  })
  await fetch(`${url}/hello`)
  t.true(await until(() => tcp.endsWith('\n') && datagrams.length === 2))
  t.deepEqual(JSON.parse(tcp), { to: '/hello', route_id: '1' })
  t.true(datagrams.includes('{"to":"/hello","route_id":"1"}'))
  t.true(datagrams.some((text) => /^<46>1 \S+Z \S+ apisix \d+ - - \{"to":"\/hello"/.test(text)))
})

test('bodies are logged if asked for, credentials are not', async (t) => {
  const { uri, received } = await collector(t)
  const { url } = await withPlugins(t, {
    'http-logger': {
      uri,
      batch_max_size: 1,
      include_req_body: true,
      include_resp_body: true,
      include_resp_body_expr: [['arg_full', '==', '1']],
      max_resp_body_bytes: 5,
      log_format_extra: { more: '$arg_full' },
    },
  })
  await fetch(`${url}/echo?full=1`, {
    method: 'POST',
    body: 'hello world',
    headers: { authorization: 'Basic abc' },
  })
  t.true(await until(() => received.length === 1))
  const entry = JSON.parse(received[0]?.body ?? '') as {
    request: { body: string; headers: Record<string, string> }
    response: { body: string }
    more: string
  }
  t.deepEqual([entry.request.body, entry.response.body, entry.more], ['hello world', 'hello', '1'])
  t.is(entry.request.headers.authorization, '***')
  await fetch(`${url}/echo`, { method: 'POST', body: 'x' })
  t.true(await until(() => received.length === 2))
  t.false('body' in (JSON.parse(received[1]?.body ?? '') as { response: object }).response)
})

test('what a logger holds is sent when the gateway stops', async (t) => {
  const { uri, received } = await collector(t)
  const { url, gateway } = await withPlugins(t, { 'http-logger': { uri, inactive_timeout: 600 } })
  await fetch(`${url}/hello`)
  await gateway.stop()
  t.true(await until(() => received.length === 1))
})

test('file-logger: bodies, query and fields of the answer; only what matches', async (t) => {
  const file = path.join(temporaryDirectory(t), 'requests.log')
  const backend = await httpBackend(t, {
    handler: (request, response) => {
      response.writeHead(request.url === '/bad' ? 404 : 200, { 'X-Kind': 'plain', 'Set-Cookie': 'a=secret' })
      request.pipe(response)
    },
  })
  const { url, put, admin } = await testGateway(t)
  const route = (more: object) => ({
    uri: '/*',
    upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
    plugins: { 'file-logger': { path: file, include_req_body: true, include_resp_body: true, ...more } },
  })
  await put('/routes/1', route({ match: [['status', '==', 200]] }))
  await (await fetch(`${url}/bad`)).text()
  await (await fetch(`${url}/good?a=1&b=2&a=3`, { method: 'POST', body: 'said' })).text()
  t.true(await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n')))
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  t.is(lines.length, 1)
  const { request, response } = JSON.parse(lines[0] ?? '') as {
    request: { body: string; querystring: object }
    response: { body: string; headers: Record<string, string> }
  }
  t.deepEqual([request.body, response.body], ['said', 'said'])
  t.deepEqual(request.querystring, { a: ['1', '3'], b: '2' })
  t.deepEqual([response.headers['x-kind'], response.headers['set-cookie']], ['plain', '***'])
  const refused = await admin('PUT', '/routes/2', route({ match: [['status', '<>', 200]] }))
  t.regex(String(refused.body.error_msg), /failed to validate the 'match' expression: invalid operator '<>'/)
})
