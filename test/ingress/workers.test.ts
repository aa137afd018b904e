import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { httpBackend, rawBackend } from './support/backend.ts'
import { KEY, temporaryDirectory, testGateway } from './support/gateway.ts'
import { exchange, statusOf } from './support/raw-client.ts'
import { until } from './support/until.ts'

const TEXT = `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }] }
nginx_config: { worker_processes: 3 }
deployment:
  admin: { admin_listen: { ip: 127.0.0.1, port: 0 }, admin_key: [{ name: admin, key: ${KEY}, role: admin }] }
`
const GET = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

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
  // A process counts an answer after it has sent it.
  let text = ''
  const sum = (pattern: RegExp) =>
    [...text.matchAll(pattern)].reduce((all, [, count]) => all + Number(count), 0)
  const counted = async () => {
    text = await metrics.metrics()
    return sum(/^apisix_http_latency_count\{.*type="request".*\} (\d+)$/gm) >= 140
  }
  t.true(await until(counted))
  t.is(Number(/apisix_http_requests_total (\d+)/.exec(text)?.[1]), 60 + 80 + 12)
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

/** Statuses of that many requests at once, each on a connection of its own. */
async function statuses(port: number, path: string, times: number): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  const request = GET.replace('/', path)
  const all = Array.from({ length: times }, async () => statusOf(await exchange(port, request)))
  for (const status of await Promise.all(all)) found[String(status)] = (found[String(status)] ?? 0) + 1
  return found
}

test('limit-req, limit-conn and api-breaker count for all processes together', async (t) => {
  let failing = true
  const backend = await httpBackend(t, {
    handler: (_request, response) => {
      response.statusCode = failing ? 500 : 200
      response.end()
    },
  })
  const held: (() => void)[] = []
  const slow = await rawBackend(t, (socket) => {
    socket.once('data', () =>
      held.push(() => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')),
    )
  })
  const { gateway, port, put } = await testGateway(t, { text: TEXT })
  const upstream = { nodes: { [`127.0.0.1:${backend.port}`]: 1 } }
  const breaker = {
    break_response_code: 599,
    unhealthy: { http_statuses: [500], failures: 5 },
    max_breaker_sec: 300,
  }
  await put('/routes/breaker', { uri: '/breaker', plugins: { 'api-breaker': breaker }, upstream })
  for (let n = 0; n < 5; n++) t.deepEqual(await statuses(port, '/breaker', 1), { 500: 1 })
  // A process counts an answer after it has sent it.
  t.true(await until(async () => (await statuses(port, '/breaker', 12))[599] === 12))
  failing = false
  const req = { rate: 0.001, burst: 0, key: 'remote_addr', rejected_code: 429 }
  await put('/routes/req', { uri: '/req', plugins: { 'limit-req': req }, upstream })
  t.deepEqual(await statuses(port, '/req', 24), { 200: 1, 429: 23 })
  const conn = { conn: 9, burst: 0, default_conn_delay: 0.01, key: 'remote_addr', rejected_code: 429 }
  await put('/routes/conn', {
    uri: '/conn',
    plugins: { 'limit-conn': conn },
    upstream: { nodes: { [`127.0.0.1:${slow}`]: 1 } },
  })
  const running = Array.from({ length: 9 }, () => exchange(port, GET.replace('/', '/conn')))
  t.true(await until(() => held.length === 9))
  t.deepEqual(await statuses(port, '/conn', 12), { 429: 12 })
  // What a worker held that dies is free again.
  const [, victim = 0] = gateway.processes
  process.kill(victim, 'SIGKILL')
  for (const release of held.splice(0)) release()
  await Promise.allSettled(running)
  // One that has answered gives its place back a moment later: who is refused comes again.
  const enter = async () => {
    while (statusOf(await exchange(port, GET.replace('/', '/conn'))) !== 200) await sleep(25)
  }
  const again = Array.from({ length: 9 }, enter)
  t.true(await until(() => held.length === 9))
  t.deepEqual(await statuses(port, '/conn', 12), { 429: 12 })
  for (const release of held) release()
  await Promise.all(again)
})

test('servers are probed by one process, and what one finds out holds for all', async (t) => {
  let probes = 0
  const healthy = await httpBackend(t)
  const sick = await httpBackend(t, {
    handler: (request, response) => {
      if (request.url === '/probe') probes++
      response.statusCode = 500
      response.end()
    },
  })
  const { port, put, metrics } = await testGateway(t, { text: TEXT })
  const checks = {
    active: {
      http_path: '/probe',
      healthy: { interval: 3600, successes: 1 },
      unhealthy: { interval: 3600, http_failures: 1 },
    },
  }
  const nodes = { [`127.0.0.1:${healthy.port}`]: 1, [`127.0.0.1:${sick.port}`]: 1 }
  await put('/upstreams/1', { nodes, checks })
  await put('/routes/1', { uri: '/*', upstream_id: 1 })
  await statuses(port, '/', 12)
  t.true(await until(() => probes > 0))
  t.true(await until(async () => (await statuses(port, '/', 24))[200] === 24))
  t.is(probes, 1)
  const text = await metrics.metrics()
  t.regex(text, new RegExp(`apisix_upstream_status\\{.*port="${sick.port}".*\\} 0`))
  t.regex(text, new RegExp(`apisix_upstream_status\\{.*port="${healthy.port}".*\\} 1`))
})

test('PURGE removes an answer from the cache of every process', async (t) => {
  const backend = await httpBackend(t)
  const directory = temporaryDirectory(t)
  const zones = `proxy_cache: { zones: [{ name: memory, memory_size: 1m }, { name: disk, disk_size: 1m, disk_path: ${directory} }] }`
  const { port, put } = await testGateway(t, { text: TEXT.replace('apisix: {', `apisix: { ${zones},`) })
  for (const strategy of ['memory', 'disk']) {
    await put(`/routes/${strategy}`, {
      uri: `/${strategy}`,
      plugins: { 'proxy-cache': { cache_strategy: strategy, cache_zone: strategy } },
      upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } },
    })
    const request = GET.replace('/', `/${strategy}`)
    const hits = async () => {
      const answers = await Promise.all(Array.from({ length: 24 }, () => exchange(port, request)))
      return answers.filter((answer) => /apisix-cache-status: hit/i.test(answer)).length
    }
    t.true(await until(async () => (await hits()) === 24))
    const purge = () => exchange(port, request.replace('GET', 'PURGE'))
    t.is(statusOf(await purge()), 200)
    t.is(statusOf(await purge()), 404)
    t.regex(await exchange(port, request), /apisix-cache-status: miss/i)
  }
})

test('a worker that is killed comes back with everything; stopping ends all, also with a server that never answers', async (t) => {
  let asked = 0
  const silent = await rawBackend(t, () => {
    asked++
  })
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
  t.true(await until(() => asked >= 12))
  const { processes } = gateway
  await gateway.stop()
  await Promise.all(hanging)
  for (const pid of processes.slice(1)) t.throws(() => process.kill(pid, 0), { message: /ESRCH/ })
})
