import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { CLOSED_PORT, httpBackend, rawBackend } from './support/backend.ts'
import { KEY, testGateway } from './support/gateway.ts'
import { exchange, statusOf } from './support/raw-client.ts'

/** A gateway with one route for everything to the ports given. */
async function proxy(t: ExecutionContext, ports: readonly number[], route: Record<string, unknown> = {}) {
  const gateway = await testGateway(t)
  const nodes = Object.fromEntries(ports.map((port) => [`127.0.0.1:${port}`, 1]))
  await gateway.put('/routes/1', {
    uri: '/*',
    upstream: { nodes, ...(route.upstream as object) },
    ...without(route, 'upstream'),
  })
  return gateway
}

function without(record: Record<string, unknown>, name: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name))
}

test('a refused connection and a reset before the answer go to the next server', async (t) => {
  const good = await httpBackend(t)
  const dead = CLOSED_PORT
  const resetting = await rawBackend(t, (socket) => socket.once('data', () => socket.resetAndDestroy()))
  const { url, port, put } = await proxy(t, [dead, resetting, good.port])
  const nodes = (...ports: number[]) => Object.fromEntries(ports.map((one) => [`127.0.0.1:${one}`, 1]))
  for (let n = 0; n < 6; n++) t.is((await fetch(`${url}/`)).status, 200)
  const post = async () =>
    statusOf(
      await exchange(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi'),
    )
  await put('/routes/1', { uri: '/*', upstream: { nodes: nodes(dead, good.port) } })
  // Nothing was sent to a server that does not answer: a POST may go elsewhere.
  for (let n = 0; n < 4; n++) t.is(await post(), 200)
  await put('/routes/1', { uri: '/*', upstream: { nodes: nodes(resetting, good.port) } })
  const before = good.seen.length
  const statuses = [await post(), await post(), await post(), await post()]
  // One that was sent may have had its effect: it is not sent twice.
  t.is(statuses.filter((status) => status === 502).length, 2)
  t.is(good.seen.length - before, 2)
  // PUT is idempotent: its body is sent again.
  for (let n = 0; n < 3; n++) t.is((await fetch(`${url}/echo`, { method: 'PUT', body: 'again' })).status, 200)
})

test('502, 503 and 504 as APISIX answers them; X-APISIX-Upstream-Status on 5xx', async (t) => {
  const silent = await rawBackend(t, () => {})
  const garbage = await rawBackend(t, (socket) => socket.once('data', () => socket.end('SMTP ready\r\n')))
  const dead = CLOSED_PORT
  const bad = await proxy(t, [dead])
  const refused = await fetch(bad.url)
  t.is(refused.status, 502)
  t.regex(await refused.text(), /502 Bad Gateway/)
  t.is(refused.headers.get('x-apisix-upstream-status'), '502')
  await bad.put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${garbage}`]: 1 } } })
  t.is((await fetch(bad.url)).status, 502)
  await bad.put('/routes/1', { uri: '/*', upstream: { nodes: {} } })
  const empty = await fetch(bad.url)
  t.is(empty.status, 503)
  t.regex(await empty.text(), /503 Service Temporarily Unavailable/)
  const timeout = { connect: 1, send: 1, read: 0.2 }
  await bad.put('/routes/1', {
    uri: '/*',
    upstream: { timeout, retries: 0, nodes: { [`127.0.0.1:${silent}`]: 1 } },
  })
  const late = await fetch(bad.url)
  t.is(late.status, 504)
  t.regex(await late.text(), /504 Gateway Time-out/)
})

test('an answer cut short by the upstream is not passed off as complete', async (t) => {
  const upstream = await rawBackend(t, (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc')),
  )
  const { port } = await proxy(t, [upstream])
  const text = await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.is(statusOf(text), 200)
  t.false(text.endsWith('0\r\n\r\n'))
})

test('upstream connections are reused, and an upstream that closes them in between costs nothing', async (t) => {
  let connections = 0
  let requests = 0
  const upstream = await rawBackend(t, (socket) => {
    connections++
    socket.on('data', () => {
      requests++
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      if (requests === 5) setTimeout(() => socket.destroy(), 1)
    })
  })
  const { url } = await proxy(t, [upstream])
  for (let n = 0; n < 10; n++) {
    const response = await fetch(url)
    t.is(await response.text(), 'ok')
    if (n === 4) await sleep(30)
  }
  t.is(connections, 2)
})

test('stop lets a running request finish and refuses new connections', async (t) => {
  const backend = await httpBackend(t, {
    handler: (_request, response) => void setTimeout(() => response.end('late'), 150),
  })
  const gateway = await testGateway(t, { config: { shutdownTimeout: 20_000 } })
  await gateway.put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  const running = exchange(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  while (backend.seen.length === 0) await sleep(5)
  await gateway.gateway.stop()
  const text = await running
  t.regex(text, /Connection: close[\s\S]*late/)
  await t.throwsAsync(fetch(gateway.url))
})

test('stop does not wait for a request that hangs at a server that never answers', async (t) => {
  let asked = false
  const silent = await rawBackend(t, (socket) => {
    socket.on('data', () => {
      asked = true
    })
  })
  const gateway = await proxy(t, [silent])
  const running = exchange(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  while (!asked) await sleep(5)
  await gateway.gateway.stop()
  t.is(await running, '')
})

test('a response that begins before the request has ended is not held to the time of the request body', async (t) => {
  const upstream = await rawBackend(t, (socket) => {
    let text = ''
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no'))
    socket.on('data', (chunk) => {
      text += chunk
      if (text.endsWith('\r\n\r\nab')) setTimeout(() => socket.write('k'), 2500)
    })
  })
  const gateway = await testGateway(t, {
    text: `apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }
nginx_config: { http: { client_body_timeout: 1s } }
deployment: { admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: a, key: ${KEY}, role: admin }] } }`,
  })
  await gateway.put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${upstream}`]: 1 } } })
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n'
  t.true((await exchange(gateway.port, [head, 'a', 'b'])).endsWith('\r\n\r\nok'))
})
