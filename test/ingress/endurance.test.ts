// The real binary under load while everything changes. PLEXUS_LONG=1: minutes instead of seconds, 10,000 connections
// instead of 1,000, and memory is looked at.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test, { type ExecutionContext } from 'ava'
import { httpBackend, rawBackend } from './support/backend.ts'
import { testGateway } from './support/gateway.ts'
import { gatewayProcess } from './support/gateway-process.ts'
import { until } from './support/until.ts'

const LONG = process.env.PLEXUS_LONG === '1'
const MB = 1024 ** 2

function client(t: ExecutionContext, ...argv: readonly string[]) {
  const program = path.join(import.meta.dirname, 'support', 'load-client.ts')
  const child = spawn(process.execPath, [program, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill())
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    stdin: child.stdin,
    /** The next thing it says. */
    async says(): Promise<Record<string, number>> {
      const { value } = await lines.next()
      return JSON.parse(String(value)) as Record<string, number>
    },
  }
}

/** What a bad server does with connections, so that a request that may be repeated can be. */
const FAULTS: readonly ((socket: net.Socket) => void)[] = [
  (socket) => socket.resetAndDestroy(),
  (socket) => socket.destroy(),
  (socket) => void socket.once('data', () => socket.resetAndDestroy()),
  (socket) => void socket.once('data', () => socket.end()),
  // Half-closed before it has read anything.
  (socket) => void socket.end(),
  // Never answers. On a busy machine the good ones are late as well, so it takes time to tell them apart.
  ...(LONG ? [() => {}] : []),
]
const WARM = 600
const READ_S = LONG ? 5 : 20

test('config changes, and servers that are killed, slow, reset and half-close: no request fails, memory stays', async (t) => {
  const good = [await httpBackend(t), await httpBackend(t)]
  let faults = 0
  const bad = await rawBackend(t, (socket) => FAULTS[faults++ % FAULTS.length]?.(socket))
  let reborn = 0
  // Comes and goes with all its connections.
  const mortal = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
    setTimeout(() => socket.resetAndDestroy(), 50)
  })
  t.teardown(() => mortal.close())
  mortal.listen(0, '127.0.0.1')
  await once(mortal, 'listening')
  const { port: mortalPort } = mortal.address() as net.AddressInfo

  const gateway = await gatewayProcess(t, { workers: 2 })
  const nodes = (n: number) => ({
    ...Object.fromEntries(good.map(({ port }, index) => [`127.0.0.1:${port}`, 1 + ((n + index) % 3)])),
    ...(n % 5 === 0 ? {} : { [`127.0.0.1:${bad}`]: 1 }),
    ...(n % 7 === 0 ? {} : { [`127.0.0.1:${mortalPort}`]: 1 }),
  })
  const upstream = (n: number) => ({ nodes: nodes(n), timeout: { connect: 20, send: 20, read: READ_S } })
  await gateway.put('/upstreams/1', upstream(0))
  await gateway.put('/routes/1', { uri: '/*', upstream_id: 1 })
  const load = client(t, 'load', String(gateway.port), '16')

  const seconds = LONG ? 180 : 3
  const end = performance.now() + seconds * 1000
  const memory: number[] = []
  let changes = 0
  const change = async () => {
    while (performance.now() < end || changes < 20) {
      const next = performance.now() + 20
      changes++
      await gateway.put('/upstreams/1', upstream(changes))
      const plugins = changes % 2 === 0 ? {} : { 'limit-count': { count: 1e9, time_window: 60 } }
      await gateway.put(`/routes/x${changes % 50}`, { uri: `/x${changes % 7}/*`, plugins, upstream_id: 1 })
      await sleep(Math.max(0, next - performance.now()))
    }
  }
  const kill = async () => {
    while (performance.now() < end) {
      await sleep(300)
      await new Promise((resolve) => mortal.close(resolve))
      await sleep(100)
      mortal.listen(mortalPort, '127.0.0.1')
      await once(mortal, 'listening')
      reborn++
      memory.push(gateway.memory())
    }
  }
  await Promise.all([change(), kill()])
  t.true(await until(() => good.every(({ seen }) => seen.length > 20)))
  load.stdin.end()
  const { 200: fine = 0, ...failed } = await load.says()
  t.deepEqual(failed, {})
  t.true(fine > 50)
  const third = Math.floor(memory.length / 3)
  const mean = (list: readonly number[]) => list.reduce((sum, one) => sum + one, 0) / list.length
  const [middle, last] = [mean(memory.slice(third, 2 * third)), mean(memory.slice(-third))]
  t.log(`${seconds} s: ${fine} requests, ${changes} changes, ${faults} faults, ${reborn} deaths`)
  t.log(`memory ${Math.round(middle / MB)} MB, then ${Math.round(last / MB)} MB`)
  // The heaps of three processes grow in steps of some megabytes each, the more the less time there is to collect.
  if (LONG) t.true(last < middle * 1.3)
})

test.serial('changes, requests and faults leave nothing behind', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heap = () => {
    for (let n = 0; n < 3; n++) collect()
    return process.memoryUsage().heapUsed
  }
  const good = http.createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1')
  t.teardown(() => good.close())
  await once(good, 'listening')
  let faults = 0
  const quick = FAULTS.slice(0, 5)
  const bad = await rawBackend(t, (socket) => quick[faults++ % quick.length]?.(socket))
  const { port, put } = await testGateway(t)
  const upstream = (n: number) => ({
    nodes: {
      [`127.0.0.1:${(good.address() as net.AddressInfo).port}`]: 1 + (n % 3),
      ...(n % 2 === 0 ? {} : { [`127.0.0.1:${bad}`]: 1 }),
    },
  })
  const agent = new http.Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const get = (n: number) =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = { host: '127.0.0.1', port, path: `/x${n % 7}`, agent: n % 4 === 3 ? false : agent }
      http
        .get(request, (response) => {
          response.resume()
          response.on('end', () => resolve(response.statusCode))
        })
        .on('error', reject)
    })
  const failed: (number | undefined)[] = []
  const run = async (times: number) => {
    for (let n = 0; n < times; n++) {
      if (n % 20 === 0) {
        await put('/upstreams/1', upstream(n / 20))
        const plugins = n % 40 === 0 ? {} : { 'limit-count': { count: 1e9, time_window: 60 } }
        await put(`/routes/${n % 7}`, { uri: `/x${n % 7}`, plugins, upstream_id: 1 })
      }
      const status = await get(n)
      if (status !== 200) failed.push(status)
    }
  }
  await put('/upstreams/1', upstream(0))
  await put('/routes/all', { uri: '/*', upstream_id: 1 })
  await run(WARM)
  const before = heap()
  const times = LONG ? 40_000 : 1000
  await run(times)
  const each = (heap() - before) / times
  t.deepEqual(failed, [])
  t.log(`${Math.round(each)} bytes of a request and its part of a change stay`)
  t.true(each < (LONG ? 128 : 2048))
})

test('idle connections cost little, and work when they are asked on', async (t) => {
  const count = LONG ? 10_000 : 1000
  const backend = await httpBackend(t, { handler: (_request, response) => response.end('ok') })
  const gateway = await gatewayProcess(t, { workers: 2 })
  await gateway.put('/routes/1', { uri: '/*', upstream: { nodes: { [`127.0.0.1:${backend.port}`]: 1 } } })
  const before = gateway.memory()
  const idle = client(t, 'idle', String(gateway.port), String(count))
  t.deepEqual(await idle.says(), { good: count })
  const each = (gateway.memory() - before) / count
  // Others are served, and routes change, beside them.
  for (let n = 0; n < 20; n++) {
    await gateway.put('/routes/2', { uri: `/${n}`, plugins: { mocking: { response_example: `${n}` } } })
    const response = await fetch(`http://127.0.0.1:${gateway.port}/${n}`)
    t.is(await response.text(), `${n}`)
  }
  idle.stdin.write('\n')
  t.deepEqual(await idle.says(), { good: count })
  t.log(`${count} connections, ${Math.round(each)} bytes each`)
  if (LONG) t.true(each < 16_384)
})
