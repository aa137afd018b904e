import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { LeakyBuckets } from '../../ingress/plugins/limit-req/leaky-bucket.ts'
import { SharedRecords } from '../../ingress/sharing/index.ts'
import { httpBackend } from './support/backend.ts'
import { temporaryDirectory, testGateway } from './support/gateway.ts'
import { exchange, statusOf } from './support/raw-client.ts'

async function withPlugins(t: ExecutionContext, plugins: Record<string, unknown>, port?: number) {
  const backend = port === undefined ? await httpBackend(t) : undefined
  const gateway = await testGateway(t)
  const nodes = { [`127.0.0.1:${port ?? backend?.port}`]: 1 }
  await gateway.put('/routes/1', { uri: '/*', plugins, upstream: { nodes } })
  return { ...gateway, seen: backend?.seen ?? [] }
}

async function until(holds: () => boolean): Promise<boolean> {
  for (let n = 0; n < 1000 && !holds(); n++) await sleep(10)
  return holds()
}

test('leaky buckets delay what exceeds the rate and refuse what exceeds the burst', (t) => {
  let now = 0
  const buckets = new LeakyBuckets(new SharedRecords().within('buckets'), () => now)
  t.is(buckets.take('a', 10, 2), 0)
  t.is(buckets.take('a', 10, 2), 100)
  t.is(buckets.take('a', 10, 2), 200)
  t.is(buckets.take('a', 10, 2), undefined)
  t.is(buckets.take('b', 10, 2), 0)
  now = 100
  t.is(buckets.take('a', 10, 2), 200)
  now = 10_000
  t.is(buckets.take('a', 10, 2), 0)
})

test('limit-req refuses beyond rate and burst', async (t) => {
  const conf = { rate: 0.01, burst: 0, key: 'arg_who', rejected_code: 429, rejected_msg: 'slow down' }
  const { url } = await withPlugins(t, { 'limit-req': conf })
  t.is((await fetch(`${url}/?who=a`)).status, 200)
  const refused = await fetch(`${url}/?who=a`)
  t.deepEqual([refused.status, await refused.text()], [429, '{"error_msg":"slow down"}\n'])
  t.is((await fetch(`${url}/?who=b`)).status, 200)
})

test('limit-conn counts what runs and lets go of what ended', async (t) => {
  const release: (() => void)[] = []
  const backend = await httpBackend(t, {
    handler: (_request, response) => void release.push(() => response.end('done')),
  })
  const conf = { conn: 1, burst: 0, default_conn_delay: 0.1, key: 'remote_addr' }
  const { url } = await withPlugins(t, { 'limit-conn': conf }, backend.port)
  const first = fetch(url)
  t.true(await until(() => release.length === 1))
  t.is((await fetch(url)).status, 503)
  release[0]?.()
  t.is((await first).status, 200)
  const second = fetch(url)
  t.true(await until(() => release.length === 2))
  release[1]?.()
  t.is((await second).status, 200)
})

test('ua-, referer-restriction and uri-blocker', async (t) => {
  const { url } = await withPlugins(t, {
    'ua-restriction': { denylist: ['badbot'] },
    'referer-restriction': { whitelist: ['good.org', '*.fine.org'], bypass_missing: true },
    'uri-blocker': { block_rules: ['/admin', 'select.+from'], rejected_msg: 'no' },
  })
  const status = async (target: string, headers: Record<string, string> = {}) =>
    (await fetch(url + target, { headers })).status
  t.is(await status('/'), 200)
  t.is(await status('/', { 'user-agent': 'BadBot/2' }), 403)
  t.is(await status('/', { referer: 'https://good.org/x' }), 200)
  t.is(await status('/', { referer: 'https://a.fine.org/' }), 200)
  t.is(await status('/', { referer: 'https://evil.org/?good.org' }), 403)
  t.is(await status('/admin'), 403)
  t.is(await status('/%61dmin'), 403)
  t.is(await status('/x?q=select%20a%20from'), 403)
})

test('real-ip believes only who may say so; client-control limits bodies of known and unknown length', async (t) => {
  const { url, port, put, seen } = await withPlugins(t, {
    'real-ip': {
      source: 'http_x_forwarded_for',
      trusted_addresses: ['127.0.0.0/8', '10.0.0.0/8'],
      recursive: true,
    },
    'client-control': { max_body_size: 10 },
  })
  await fetch(url, { headers: { 'x-forwarded-for': '6.6.6.6, 1.2.3.4, 10.0.0.7' } })
  t.is(seen[0]?.headers['x-real-ip'], '1.2.3.4')
  t.is((await fetch(url, { method: 'POST', body: 'x'.repeat(10) })).status, 200)
  t.is((await fetch(url, { method: 'POST', body: 'x'.repeat(11) })).status, 413)
  const chunked = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n'
  t.is(statusOf(await exchange(port, [chunked, 'x'.repeat(20)], (text) => text.includes('\r\n\r\n'))), 413)
  await put('/routes/1', {
    uri: '/*',
    plugins: { 'real-ip': { source: 'http_x_forwarded_for', trusted_addresses: ['10.0.0.0/8'] } },
    upstream: { nodes: { '127.0.0.1:1': 1 } },
  })
  const before = seen.length
  t.is((await fetch(url, { headers: { 'x-forwarded-for': '1.2.3.4' } })).status, 502)
  t.is(seen.length, before)
})

test('gzip compresses what it may, and nothing else', async (t) => {
  const body = '<p>some text</p>'.repeat(500)
  const backend = await httpBackend(t, {
    handler: (request, response) => {
      response.setHeader('Content-Type', request.url === '/image' ? 'image/png' : 'text/html; charset=utf-8')
      response.setHeader('Content-Length', body.length)
      response.end(request.method === 'HEAD' ? undefined : body)
    },
  })
  const { port } = await withPlugins(t, { gzip: { vary: true } }, backend.port)
  const ask = (target: string, accept: string, method = 'GET') =>
    exchange(
      port,
      `${method} ${target} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: ${accept}\r\nConnection: close\r\n\r\n`,
    )
  const text = await ask('/page', 'br, gzip;q=0.5')
  t.regex(text, /content-encoding: gzip\r\n/i)
  t.regex(text, /vary: accept-encoding\r\n/i)
  const [, chunked = ''] = text.split('\r\n\r\n', 2)
  const size = Number.parseInt(chunked, 16)
  const start = text.indexOf('\r\n\r\n') + 4 + chunked.split('\r\n', 1).join('').length + 2
  t.is(gunzipSync(Buffer.from(text.slice(start, start + size), 'latin1')).toString(), body)
  for (const [target, accept] of [
    ['/image', 'gzip'],
    ['/page', 'gzip;q=0'],
    ['/page', 'br'],
  ] as const) {
    const plain = await ask(target, accept)
    t.notRegex(plain, /content-encoding/i, `${target} ${accept}`)
    t.true(plain.endsWith(body))
  }
  t.notRegex(await ask('/page', 'gzip', 'HEAD'), /content-encoding/i)
})

test('request-validation checks fields and bodies', async (t) => {
  const { url, seen, admin } = await withPlugins(t, {
    'request-validation': {
      header_schema: { type: 'object', required: ['x-shop'] },
      body_schema: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } },
    },
  })
  const ask = async (body: string, headers: Record<string, string> = { 'x-shop': '1' }) =>
    (await fetch(url, { method: 'POST', body, headers })).status
  t.is(await ask('{"id":1}'), 200)
  t.is(await ask('{"id":1}', {}), 400)
  t.is(await ask('{"id":"1"}'), 400)
  t.is(await ask('{"id":'), 400)
  t.is(seen.length, 1)
  const bad = { uri: '/x', plugins: { 'request-validation': { body_schema: { type: 'nonsense' } } } }
  t.is((await admin('PUT', '/routes/2', bad)).status, 400)
})

test('proxy-mirror copies requests with their bodies', async (t) => {
  const bodies: string[] = []
  const shadow = await httpBackend(t, {
    handler: (request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => {
        bodies.push(`${request.method} ${request.url} ${body}`)
        response.statusCode = 500
        response.end()
      })
    },
  })
  const { url } = await withPlugins(t, { 'proxy-mirror': { host: `http://127.0.0.1:${shadow.port}` } })
  const answer = await fetch(`${url}/echo`, { method: 'POST', body: 'hello' })
  t.deepEqual([answer.status, await answer.text()], [200, 'hello'])
  t.is((await fetch(`${url}/a?b=c`)).status, 200)
  t.true(await until(() => bodies.length === 2))
  t.deepEqual(new Set(bodies), new Set(['POST /echo hello', 'GET /a?b=c ']))
})

test('api-breaker opens after failures and answers by itself', async (t) => {
  const backend = await httpBackend(t, {
    handler: (_request, response) => {
      response.statusCode = 500
      response.end()
    },
  })
  const conf = {
    break_response_code: 599,
    max_breaker_sec: 300,
    unhealthy: { http_statuses: [500], failures: 2 },
  }
  const { url } = await withPlugins(t, { 'api-breaker': conf }, backend.port)
  const statuses: number[] = []
  for (let n = 0; n < 3; n++) statuses.push((await fetch(url)).status)
  t.deepEqual(statuses.slice(0, 2), [500, 500])
  // A machine so slow that two seconds have passed by now would have closed the circuit again.
  t.true(statuses[2] === 599 || backend.seen.length === 3)
  t.is((await fetch(`${url}/other`)).status, 500)
})

test('http-logger and file-logger write entries with variables', async (t) => {
  const bodies: string[] = []
  const collector = await httpBackend(t, {
    handler: (request, response) => {
      request.on('data', (chunk: Buffer) => bodies.push(chunk.toString()))
      request.on('end', () => response.end())
    },
  })
  const file = path.join(temporaryDirectory(t), 'access.log')
  const { url } = await withPlugins(t, {
    'http-logger': {
      uri: `http://127.0.0.1:${collector.port}/logs`,
      batch_max_size: 2,
      inactive_timeout: 60,
      log_format: { to: '$uri', was: '$status' },
    },
    'file-logger': { path: file },
  })
  // An answer is logged when its end is sent.
  for (const path of ['/one', '/two']) await (await fetch(url + path)).text()
  t.true(await until(() => bodies.length === 1))
  t.deepEqual(JSON.parse(bodies[0] ?? ''), [
    { to: '/one', was: '200', route_id: '1' },
    { to: '/two', was: '200', route_id: '1' },
  ])
  const read = () => {
    try {
      return readFileSync(file, 'utf8').trim().split('\n')
    } catch {
      return []
    }
  }
  t.true(await until(() => read().length === 2))
  const entry = JSON.parse(read()[0] ?? '') as { request: { uri: string }; response: { status: number } }
  t.deepEqual([entry.request.uri, entry.response.status], ['/one', 200])
})
