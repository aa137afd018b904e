import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { Upstream } from '../../ingress/objects/index.ts'
import { UpstreamGroup } from '../../ingress/upstream/index.ts'
import { CLOSED_PORT, httpBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'

const none = () => undefined
const group = (settings: Partial<Upstream>, nodes: Upstream['nodes']) =>
  new UpstreamGroup({ nodes, ...settings })
const servers = { '10.0.0.1:80': 1, '10.0.0.2:80': 1, '10.0.0.3:80': 1 }

test('least_conn takes the server with the fewest requests for its weight, and forgets none when servers change', (t) => {
  const upstream = group({ type: 'least_conn' }, { '10.0.0.1:80': 1, '10.0.0.2:80': 2 })
  const names: string[] = []
  for (let n = 0; n < 6; n++) {
    const server = upstream.pick(none, undefined)
    if (server === undefined) return t.fail('no server')
    upstream.begun(server)
    names.push(server.name)
  }
  t.is(names.filter((name) => name === '10.0.0.2:80').length, 4)
  upstream.update({ type: 'least_conn', nodes: { '10.0.0.1:80': 1, '10.0.0.2:80': 2, '10.0.0.3:80': 1 } })
  t.is(upstream.pick(none, undefined)?.name, '10.0.0.3:80')
})

test('a server whose weight changes, or that goes and comes back, is the same server', (t) => {
  const upstream = group({ type: 'least_conn' }, { '10.0.0.1:80': 1, '10.0.0.2:80': 1 })
  const [first] = upstream.servers
  if (first === undefined) return t.fail('no server')
  upstream.begun(first)
  upstream.update({ type: 'least_conn', nodes: { '10.0.0.1:80': 4, '10.0.0.2:80': 1 } })
  t.is(upstream.servers[0]?.active, 1)
  upstream.ended(first)
  t.is(upstream.servers[0]?.active, 0)
  t.is(upstream.servers[0]?.weight, 4)
  // One address twice are two servers.
  const twice = [1, 2].map((weight) => ({ host: '10.0.0.1', port: 80, weight, priority: weight }))
  upstream.update({ type: 'least_conn', nodes: twice })
  t.deepEqual(
    upstream.servers.map(({ priority }) => priority),
    [1, 2],
  )

  const tried = new Set(['10.0.0.1:80'])
  for (const nodes of [{ '10.0.0.2:80': 1 }, { '10.0.0.1:80': 1, '10.0.0.2:80': 1 }]) {
    upstream.update({ nodes })
    t.is(upstream.pick(none, tried)?.name, '10.0.0.2:80')
  }
})

test('ewma prefers the server that answers faster', (t) => {
  const upstream = group({ type: 'ewma' }, { '10.0.0.1:80': 1, '10.0.0.2:80': 1 })
  const [fast, slow] = upstream.servers
  if (fast === undefined || slow === undefined) return t.fail('no servers')
  upstream.answered(fast, 200, 1)
  upstream.answered(slow, 200, 500)
  const picked = new Set(Array.from({ length: 50 }, () => upstream.pick(none, undefined)?.name))
  t.deepEqual(picked, new Set([fast.name]))
})

test('chash keeps a key at its server; a server that goes takes only its own keys along', (t) => {
  const pick = (upstream: UpstreamGroup, key: string) => upstream.pick(() => key, undefined)?.name ?? ''
  const before = group({ type: 'chash', key: 'arg_user' }, servers)
  const after = group({ type: 'chash', key: 'arg_user' }, { '10.0.0.1:80': 1, '10.0.0.2:80': 1 })
  const keys = Array.from({ length: 300 }, (_, n) => `user-${n}`)
  const shares = new Map<string, number>()
  for (const key of keys) {
    const server = pick(before, key)
    shares.set(server, (shares.get(server) ?? 0) + 1)
    t.is(pick(before, key), server)
    if (server !== '10.0.0.3:80') t.is(pick(after, key), server, key)
  }
  for (const [server, share] of shares) t.true(share > 30, `${server} has ${share} of 300 keys`)
  t.is(shares.size, 3)
})

test('chash finds the servers that APISIX finds for the same keys', (t) => {
  const nodes = { '10.0.0.1:80': 2, '10.0.0.2:80': 4, '[fd00::3]:8080': 2 }
  const upstream = group({ type: 'chash', key: 'arg_user' }, nodes)
  const pick = (key: string) =>
    upstream.servers.findIndex(({ name }) => name === upstream.pick(() => key, undefined)?.name)
  const keys = Array.from({ length: 16 }, (_, n) => `user-${n}`)
  // Found out with openresty's chash.c.
  t.deepEqual(keys.map(pick), [1, 0, 1, 0, 1, 1, 2, 1, 1, 2, 2, 1, 1, 2, 1, 0])
})

test('servers of weight 0 stand in while no other is healthy', (t) => {
  const unhealthy = { http_statuses: [500], http_failures: 1, tcp_failures: 1, timeouts: 0 }
  const checks = { passive: { healthy: { http_statuses: [200], successes: 1 }, unhealthy } }
  const upstream = group({ checks }, { '10.0.0.1:80': 1, '10.0.0.2:80': 0 })
  const [main] = upstream.servers
  if (main === undefined) return t.fail('no servers')
  const used = () => upstream.pick(none, undefined)?.name
  t.is(used(), '10.0.0.1:80')
  upstream.failed(main, 'unreachable')
  t.is(used(), '10.0.0.2:80')
  upstream.answered(main, 200, 1)
  t.is(used(), '10.0.0.1:80')
})

test('passive checks take a failing server out; when all are out, all are used', (t) => {
  const unhealthy = { http_statuses: [500], http_failures: 2, tcp_failures: 2, timeouts: 0 }
  const checks = { passive: { healthy: { http_statuses: [200], successes: 2 }, unhealthy } }
  const upstream = group({ checks }, servers)
  const [first, second, third] = upstream.servers
  if (first === undefined || second === undefined || third === undefined) return t.fail('no servers')
  const used = () => new Set(Array.from({ length: 30 }, () => upstream.pick(none, undefined)?.name))
  upstream.answered(first, 500, 1)
  t.is(used().size, 3)
  upstream.answered(first, 500, 1)
  t.deepEqual(used(), new Set([second.name, third.name]))
  upstream.failed(second, 'unreachable')
  upstream.failed(second, 'unreachable')
  t.deepEqual(used(), new Set([third.name]))
  for (let n = 0; n < 20; n++) upstream.failed(third, 'timeout')
  t.deepEqual(used(), new Set([third.name]))
  upstream.failed(third, 'unreachable')
  upstream.failed(third, 'unreachable')
  t.is(used().size, 3)
  upstream.answered(first, 200, 1)
  upstream.answered(first, 200, 1)
  t.deepEqual(used(), new Set([first.name]))
})

test('active checks find a dead server without spending requests on it, and notice when it comes back', async (t) => {
  let healthy = true
  const probed = new Set<string>()
  const good = await httpBackend(t, { name: 'good' })
  const moody = await httpBackend(t, {
    handler: (request, response) => {
      if (request.url === '/health') {
        probed.add(request.headers.host ?? '')
        response.statusCode = healthy ? 200 : 500
      }
      response.end('{"name":"moody"}')
    },
  })
  const { put, url } = await testGateway(t)
  const active = {
    http_path: '/health',
    host: 'check.me',
    healthy: { interval: 1, successes: 1 },
    unhealthy: { interval: 1, http_failures: 1, tcp_failures: 1 },
  }
  await put('/upstreams/1', {
    nodes: { [`127.0.0.1:${good.port}`]: 1, [`127.0.0.1:${moody.port}`]: 1, [`127.0.0.1:${CLOSED_PORT}`]: 1 },
    checks: { active },
    retries: 0,
  })
  await put('/routes/1', { uri: '/*', upstream_id: 1 })
  const answers = async () => {
    const found = new Set<string>()
    for (let n = 0; n < 6; n++) {
      const response = await fetch(url)
      found.add(response.ok ? ((await response.json()) as { name: string }).name : String(response.status))
    }
    return [...found].sort().join()
  }
  const settles = async (wanted: string) => {
    for (let n = 0; n < 400; n++) {
      if ((await answers()) === wanted) return true
      await sleep(25)
    }
    return false
  }
  t.true(await settles('good,moody'))
  t.deepEqual([...probed], ['check.me'])
  healthy = false
  t.true(await settles('good'))
  healthy = true
  t.true(await settles('good,moody'))
})

test('checks of an upstream inside traffic-split outlive edits of the route, and end with it', async (t) => {
  let probes = 0
  const sick = await httpBackend(t, {
    handler: (request, response) => {
      if (request.url === '/probe') probes++
      response.statusCode = 500
      response.end()
    },
  })
  const good = await httpBackend(t)
  const { url, put, admin } = await testGateway(t)
  const checks = {
    active: {
      http_path: '/probe',
      healthy: { interval: 1, successes: 1 },
      unhealthy: { interval: 1, http_failures: 1 },
    },
  }
  const upstream = { nodes: { [`127.0.0.1:${sick.port}`]: 1, [`127.0.0.1:${good.port}`]: 1 }, checks }
  const split = (desc: string) => ({
    uri: '/*',
    desc,
    plugins: { 'traffic-split': { rules: [{ weighted_upstreams: [{ upstream, weight: 1 }] }] } },
    upstream: { nodes: { [`127.0.0.1:${good.port}`]: 1 } },
  })
  const wait = async (holds: () => Promise<boolean>) => {
    for (let n = 0; n < 400; n++) {
      if (await holds()) return true
      await sleep(50)
    }
    return false
  }
  await put('/routes/1', split('first'))
  const statuses = async () => Promise.all(Array.from({ length: 6 }, async () => (await fetch(url)).status))
  t.true(await wait(async () => (await statuses()).every((status) => status === 200)))
  await put('/routes/1', split('second'))
  // No request has to find out again.
  t.deepEqual(new Set(await statuses()), new Set([200]))
  const before = probes
  t.true(await wait(async () => probes > before))
  t.is((await admin('DELETE', '/routes/1')).status, 200)
  // One may be under way.
  await sleep(300)
  const last = probes
  await sleep(2500)
  t.is(probes, last)
})

test('disable_upstream_healthcheck: checks are not looked at', async (t) => {
  const backend = await httpBackend(t)
  const { put, url } = await testGateway(t, { config: { healthChecks: false } })
  const unhealthy = { http_statuses: [500], tcp_failures: 1, interval: 60 }
  await put('/routes/1', {
    uri: '/*',
    upstream: {
      nodes: { [`127.0.0.1:${backend.port}`]: 1, [`127.0.0.1:${CLOSED_PORT}`]: 1 },
      retries: 0,
      checks: { active: { unhealthy }, passive: { unhealthy: { http_statuses: [502], tcp_failures: 1 } } },
    },
  })
  const statuses = []
  for (let n = 0; n < 6; n++) statuses.push((await fetch(url)).status)
  t.is(statuses.filter((status) => status === 502).length, 3)
})

test('the routes of a service share its upstream; the control API tells of it once, with servers as a list', async (t) => {
  const [first, second] = [await httpBackend(t), await httpBackend(t)]
  const control = { host: '127.0.0.1', port: 0 }
  const { put, url, gateway, admin } = await testGateway(t, { config: { control } })
  const upstream = {
    nodes: { [`127.0.0.1:${first.port}`]: 1, [`127.0.0.1:${second.port}`]: 1 },
    checks: { active: { port: CLOSED_PORT, unhealthy: { interval: 60 } } },
  }
  await put('/services/1', { upstream })
  await put('/routes/a', { uri: '/a', service_id: 1 })
  await put('/routes/b', { uri: '/b', service_id: 1 })
  for (let n = 0; n < 4; n++) await fetch(`${url}/a`).then(() => fetch(`${url}/b`))
  // Turn and turn about, whichever route: each route by itself would begin with the first server.
  t.deepEqual(
    first.seen.map(({ url: path }) => path),
    ['/a', '/a', '/a', '/a'],
  )
  const told = async (path: string) =>
    (await fetch(`http://127.0.0.1:${gateway.controlListen?.port}/v1${path}`)).json()
  const checks = (await told('/healthcheck')) as { name: string; nodes: { port: number }[] }[]
  t.deepEqual(
    checks.map(({ name, nodes }) => [name, nodes.map(({ port }) => port)]),
    [['/services/1', [CLOSED_PORT]]],
  )
  t.like(await told('/healthcheck/services/1'), { name: '/services/1' })
  const shown = (await told('/service/1')) as { value: { upstream: { nodes: unknown } } }
  t.deepEqual(shown.value.upstream.nodes, [
    { host: '127.0.0.1', port: first.port, weight: 1 },
    { host: '127.0.0.1', port: second.port, weight: 1 },
  ])
  await put('/services/1', {})
  t.deepEqual(await told('/healthcheck'), [])
  await put('/routes/b', { uri: '/b', upstream: { nodes: upstream.nodes } })
  t.is((await fetch(`${url}/b`)).status, 200)
  t.is((await fetch(`${url}/a`)).status, 503)
  await admin('DELETE', '/routes/b')
  t.is((await fetch(`${url}/b`)).status, 404)
})
