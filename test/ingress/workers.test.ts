import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { httpBackend, rawBackend } from './support/backend.ts'
import { KEY, testGateway } from './support/gateway.ts'
import { exchange, statusOf } from './support/raw-client.ts'

const TEXT = `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }
nginx_config: { worker_processes: 3 }
deployment:
  admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: admin, key: ${KEY}, role: admin }] }
`
const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

async function until(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let n = 0; n < 1200; n++) {
    if (await condition()) return true
    await sleep(25)
  }
  return false
}

test('several processes serve one port; a change is in effect everywhere once it is answered; metrics add up', async (t) => {
  const backend = await httpBackend(t)
  const { gateway, port, put, admin, metrics } = await testGateway(t, { text: TEXT })
  const { processes } = gateway
  t.is(processes.length, 3)
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const plugins = { prometheus: {} }
  await put('/routes/1', { uri: '/*', plugins, upstream })
  // Each request is a connection of its own, and the kernel picks a process for it.
  const statuses = await Promise.all(
    Array.from({ length: 60 }, async () => statusOf(await exchange(port, GET))),
  )
  t.deepEqual(new Set(statuses), new Set([200]))
  for (let n = 0; n < 10; n++) {
    await put('/routes/1', {
      uri: '/*',
      plugins: { ...plugins, mocking: { response_example: `${n}` } },
      upstream,
    })
    const answers = await Promise.all(Array.from({ length: 8 }, () => exchange(port, GET)))
    for (const answer of answers) t.true(answer.endsWith(`\r\n\r\n${n}`), answer)
  }
  t.is((await admin('DELETE', '/routes/1')).status, 200)
  const gone = await Promise.all(Array.from({ length: 12 }, async () => statusOf(await exchange(port, GET))))
  t.deepEqual(new Set(gone), new Set([404]))
  const text = await metrics.metrics()
  t.is(Number(/apisix_http_requests_total (\d+)/.exec(text)?.[1]), 60 + 80 + 12)
  const sum = (pattern: RegExp) =>
    [...text.matchAll(pattern)].reduce((all, [, count]) => all + Number(count), 0)
  t.is(sum(/^apisix_http_status\{.*code="200".*\} (\d+)$/gm), 140)
  t.is(sum(/^apisix_http_latency_count\{.*type="request".*\} (\d+)$/gm), 140)
})

test('a limit is one limit, whichever process a request comes to', async (t) => {
  const backend = await httpBackend(t)
  const { port, put } = await testGateway(t, { text: TEXT })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  for (const window_type of ['fixed', 'sliding']) {
    const conf = { count: 30, time_window: 3600, window_type, rejected_code: 429 }
    await put(`/routes/${window_type}`, {
      uri: `/${window_type}`,
      plugins: { 'limit-count': conf },
      upstream,
    })
    const request = GET.replace('/', `/${window_type}`)
    const statuses = await Promise.all(
      Array.from({ length: 60 }, async () => statusOf(await exchange(port, request))),
    )
    t.is(statuses.filter((status) => status === 200).length, 30, window_type)
    t.is(statuses.filter((status) => status === 429).length, 30, window_type)
  }
})

test('a worker that is killed comes back with everything; stopping ends all, also with a server that never answers', async (t) => {
  const silent = await rawBackend(t, () => {})
  const backend = await httpBackend(t)
  const { gateway, port, put } = await testGateway(t, { text: TEXT })
  await put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  await put('/routes/2', { uri: '/hang', upstream: { nodes: { [`127.0.0.1:${silent}`]: 1 } } })
  const before = gateway.processes
  const victim = before[1] ?? 0
  process.kill(victim, 'SIGKILL')
  t.true(await until(() => gateway.processes.length === 3 && !gateway.processes.includes(victim)))
  t.true(await until(() => gateway.health().detail === '2 routes'))
  const serves = async () => {
    const statuses = await Promise.all(
      Array.from({ length: 24 }, async () => statusOf(await exchange(port, GET))),
    )
    return statuses.every((status) => status === 200)
  }
  t.true(await until(serves))
  const hanging = Array.from({ length: 12 }, () => exchange(port, GET.replace('/', '/hang')))
  await sleep(100)
  const { processes } = gateway
  await gateway.stop()
  await Promise.all(hanging)
  for (const pid of processes.slice(1)) t.throws(() => process.kill(pid, 0), { message: /ESRCH/ })
})

test('fifty changes a second under load: no request fails', async (t) => {
  const backends = [await httpBackend(t), await httpBackend(t), await httpBackend(t)]
  const { url, put } = await testGateway(t, {
    text: TEXT.replace('worker_processes: 3', 'worker_processes: 2'),
  })
  const nodes = (n: number) =>
    Object.fromEntries(
      backends.filter((_, index) => index !== n % 3).map(({ port }) => [`127.0.0.1:${port}`, 1]),
    )
  await put('/upstreams/1', { nodes: nodes(0) })
  await put('/routes/1', { uri: '/*', upstream_id: 1 })
  const seconds = process.env.PLEXUS_LONG === '1' ? 60 : 2
  const end = performance.now() + seconds * 1000
  let changes = 0
  let requests = 0
  const failed: string[] = []
  const goesOn = () => performance.now() < end || changes < 10 || requests < 100
  const change = async () => {
    while (goesOn()) {
      const next = performance.now() + 20
      changes++
      await put('/upstreams/1', { nodes: nodes(changes) })
      await put(`/routes/x${changes % 50}`, { uri: `/x${changes % 7}/*`, upstream_id: 1 })
      await sleep(Math.max(0, next - performance.now()))
    }
  }
  const load = async () => {
    while (goesOn()) {
      const response = await fetch(`${url}/x${requests++ % 7}/y`)
      await response.arrayBuffer()
      if (!response.ok) failed.push(String(response.status))
    }
  }
  await Promise.all([change(), ...Array.from({ length: 8 }, load)])
  t.deepEqual(failed, [])
  t.log(`${changes} changes, ${requests} requests in ${seconds} s`)
})
