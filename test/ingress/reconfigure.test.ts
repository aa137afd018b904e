import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import test from 'ava'
import { parseGatewayConfig } from '#ingress'
import { httpBackend, rawBackend } from './support/backend.ts'
import { authority } from './support/certificates.ts'
import { KEY, temporaryDirectory, testGateway } from './support/gateway.ts'
import { exchange, statusOf } from './support/raw-client.ts'

const text = (settings: {
  readonly workers?: number
  readonly ports?: string
  readonly http?: string
  readonly rest?: string
}) => `
apisix: { node_listen: [${settings.ports ?? '{ ip: 127.0.0.1, port: 0 }'}] }
nginx_config: { worker_processes: ${settings.workers ?? 1}, worker_shutdown_timeout: 200ms, http: { ${settings.http ?? ''} } }
deployment:
  admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: admin, key: ${KEY}, role: admin }] }
${settings.rest ?? ''}
`
const config = (settings: Parameters<typeof text>[0]) => parseGatewayConfig(text(settings), 'test')
const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

/** Requests on connections of their own and on kept-alive ones, until told to end: the failures, and how many there were. */
function load(
  port: number,
  { kept = 4 }: { readonly kept?: number } = {},
): { end(): Promise<{ failed: string[]; requests: number }> } {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
  const failed: string[] = []
  let requests = 0
  let goesOn = true
  const send = (options: http.RequestOptions) =>
    new Promise<void>((resolve) => {
      requests++
      const request = http.get({ host: '127.0.0.1', port, path: '/', ...options }, (response) => {
        if (response.statusCode !== 200) failed.push(String(response.statusCode))
        response.resume()
        response.on('end', resolve)
        response.on('error', (error) => {
          failed.push(`response: ${error.message}`)
          resolve()
        })
      })
      request.on('error', (error) => {
        failed.push(error.message)
        resolve()
      })
    })
  const client = async (options: http.RequestOptions) => {
    while (goesOn) await send(options)
  }
  const clients = [
    ...Array.from({ length: kept }, () => client({ agent })),
    ...Array.from({ length: 4 }, () => client({ agent: false })),
  ]
  return {
    async end() {
      goesOn = false
      await Promise.all(clients)
      agent.destroy()
      return { failed, requests }
    },
  }
}

for (const workers of [1, 2]) {
  test(`a changed configuration breaks no connection, with ${workers} processes`, async (t) => {
    const backend = await httpBackend(t)
    const { gateway, port, put } = await testGateway(t, { text: text({ workers }) })
    await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
    const clients = load(port)
    const extra = '{ ip: 127.0.0.1, port: 0 }, { ip: 127.0.0.1, port: 0, enable_http2: false }'
    const changes = [
      { http: 'client_max_body_size: 1m, keepalive_timeout: 30s' },
      { ports: extra },
      { rest: 'plugins: [limit-count, key-auth]' },
      { rest: 'plugin_attr: { prometheus: { export_addr: { ip: 127.0.0.1, port: 0 } } }' },
      { rest: 'discovery: { dns: { servers: ["127.0.0.1:53"] } }' },
      { ports: `{ ip: 127.0.0.1, port: ${port} }` },
      {},
    ]
    for (const change of changes) {
      await gateway.reconfigure(config({ workers, ...change }))
      t.is(gateway.listen[0]?.port, port)
      t.is(gateway.listen.length, change.ports === extra ? 2 : 1)
      for (const { port: one } of gateway.listen) t.is(statusOf(await exchange(one, GET)), 200)
    }
    const { failed, requests } = await clients.end()
    t.deepEqual(failed, [])
    t.log(`${requests} requests`)
  })
}

test('a changed configuration is in effect on connections that are open, and what is under way ends as it began', async (t) => {
  const answers: (() => void)[] = []
  const slow = await rawBackend(t, (socket) => {
    socket.once('data', () =>
      answers.push(() => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow')),
    )
  })
  const backend = await httpBackend(t)
  const { gateway, port, put } = await testGateway(t, { text: text({}) })
  await put('/routes/slow', { uri: '/slow', upstream: { nodes: { [`127.0.0.1:${slow}`]: 1 } } })
  await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  const running = exchange(port, GET.replace('/', '/slow'))
  while (answers.length === 0) await sleep(5)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const post = (body: string) =>
    new Promise<{ status: number; port: number | undefined }>((resolve, reject) => {
      const request = http.request(
        { host: '127.0.0.1', port, path: '/x', method: 'POST', agent },
        (response) => {
          const { localPort } = request.socket ?? {}
          response.resume()
          response.on('end', () => resolve({ status: response.statusCode ?? 0, port: localPort }))
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  const before = await post('x'.repeat(100))
  t.is(before.status, 200)
  await gateway.reconfigure(config({ http: 'client_max_body_size: 10' }))
  t.deepEqual(await post('x'.repeat(100)), { status: 413, port: before.port })
  for (const answer of answers) answer()
  t.true((await running).endsWith('\r\n\r\nslow'))
})

test('counters go on, objects in memory stay, and a plugin that is switched off takes its routes along', async (t) => {
  const backend = await httpBackend(t)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const { gateway, url, put, admin, metrics } = await testGateway(t, { text: text({}) })
  await put('/routes/1', {
    uri: '/limited',
    plugins: { 'limit-count': { count: 2, time_window: 600, rejected_code: 429 } },
    upstream,
  })
  await put('/routes/2', { uri: '/guarded', plugins: { 'key-auth': {} }, upstream })
  const status = async (path: string) => (await fetch(`${url}${path}`)).status
  t.is(await status('/limited'), 200)
  t.is(await status('/guarded'), 401)
  await gateway.reconfigure(config({ rest: 'plugins: [limit-count]' }))
  t.is(await status('/limited'), 200)
  t.is(await status('/limited'), 429)
  // Without key-auth the route would be open to everybody.
  t.is(await status('/guarded'), 404)
  t.is((await admin('GET', '/routes/1')).status, 200)
  t.regex(await metrics.metrics(), /apisix_http_requests_total 5/)
})

test('a port that cannot be had leaves everything as it was', async (t) => {
  const backend = await httpBackend(t)
  const { gateway, port, put } = await testGateway(t, { text: text({}) })
  await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  const taken = net.createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await new Promise((resolve) => taken.once('listening', resolve))
  const { port: other } = taken.address() as net.AddressInfo
  const ports = `{ ip: 127.0.0.1, port: 0 }, { ip: 127.0.0.1, port: ${other} }`
  const error = await t.throwsAsync(
    gateway.reconfigure(config({ ports, rest: `plexus: { data_dir: ${temporaryDirectory(t)} }` })),
  )
  t.regex(error?.message ?? '', new RegExp(`the gateway cannot listen on 127.0.0.1:${other}: .*EADDRINUSE`))
  t.is(gateway.listen.length, 1)
  t.is(statusOf(await exchange(port, GET)), 200)
  await put('/routes/2', { uri: '/two', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  t.is(statusOf(await exchange(port, GET.replace('/', '/two'))), 200)
})

for (const workers of [1, 2]) {
  test(`a port that is to work otherwise resets nobody, with ${workers} processes`, async (t) => {
    const backend = await httpBackend(t)
    const { gateway, port, put } = await testGateway(t, { text: text({ workers }) })
    await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
    const clients = load(port)
    for (const http2 of [false, true, false, true, false]) {
      const ports = `{ ip: 127.0.0.1, port: ${port}, enable_http2: ${http2} }`
      await gateway.reconfigure(config({ workers, ports }))
      t.is(gateway.listen[0]?.port, port)
      t.is(statusOf(await exchange(port, GET)), 200)
    }
    const { failed, requests } = await clients.end()
    t.deepEqual(failed, [])
    t.log(`${requests} requests`)
  })
}

test('a port goes from one kind of sockets to the other, and to TLS and back', async (t) => {
  const backend = await httpBackend(t)
  const { gateway, port, put } = await testGateway(t, { text: text({}) })
  await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  const { cert, key } = authority(t).issue('shop.example')
  await put('/ssls/1', { snis: ['shop.example'], cert, key })
  const ports = `{ ip: 127.0.0.1, port: ${port} }`
  // New connections only: one that is kept alive may end with its kind of sockets.
  const clients = load(port, { kept: 0 })
  for (const transport of ['net', 'raw', 'net', 'auto', 'net', 'raw']) {
    const rest = `plexus: { transport: ${transport} }`
    await gateway.reconfigure({ ...config({ ports, rest }), shutdownTimeout: 20_000 })
    t.is(statusOf(await exchange(port, GET)), 200)
  }
  t.deepEqual((await clients.end()).failed, [])

  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const ask = async () => {
    const request = http.get({ host: '127.0.0.1', port, agent })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    response.resume()
    await once(response, 'end')
    return { status: response.statusCode, from: request.socket?.localPort }
  }
  const first = await ask()
  const elsewhere = '{ ip: 127.0.0.1, port: 0 }'
  const secure = `apisix: { node_listen: [${elsewhere}], ssl: { listen: [${ports}] } }`
  await gateway.reconfigure(parseGatewayConfig(text({}).replace(/^apisix:.*$/m, secure), 'test'))
  t.is(gateway.listen[1]?.port, port)
  // The connection there was goes on, new ones shake hands.
  t.deepEqual(await ask(), first)
  const shaken = tls.connect({
    host: '127.0.0.1',
    port,
    servername: 'shop.example',
    rejectUnauthorized: false,
  })
  await once(shaken, 'secureConnect')
  shaken.destroy()
  await gateway.reconfigure(config({ ports }))
  t.deepEqual(await ask(), first)
  t.is(statusOf(await exchange(port, GET)), 200)
})

test('processes come and go with the configuration', async (t) => {
  const backend = await httpBackend(t)
  const { gateway, port, put } = await testGateway(t, { text: text({}) })
  await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  const all = async () =>
    new Set(await Promise.all(Array.from({ length: 24 }, async () => statusOf(await exchange(port, GET)))))
  for (const workers of [3, 2, 1]) {
    await gateway.reconfigure(config({ workers }))
    for (let n = 0; n < 1200 && gateway.processes.length !== workers; n++) await sleep(25)
    t.is(gateway.processes.length, workers)
    t.deepEqual(await all(), new Set([200]))
  }
})
