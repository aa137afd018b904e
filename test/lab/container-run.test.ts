import { readFileSync } from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pino } from 'pino'
import type { Probe } from '#watch'
import { ContainerRun } from '../../lab/kubelet/container-run.ts'
import { Readiness, runProbe } from '../../lab/kubelet/readiness.ts'
import { identify, isAlive } from '../../lab/process/identity.ts'
import { labEnvironment } from '../../lab/process/spawn.ts'
import { testDirectory, waitUntil } from '../support/index.ts'
import { podOf } from './support/pod.ts'

const log = pino({ level: 'silent' })

function firstContainer(container: Record<string, unknown> = {}) {
  const pod = podOf({ containers: [{ name: 'main', image: 'busybox', ...container }] })
  const [first] = pod.spec.containers
  if (first === undefined) throw new Error('no container')
  return first
}

function runOf(
  t: ExecutionContext,
  script: string,
  options: { restartPolicy?: string; container?: Record<string, unknown>; directory?: string } = {},
) {
  const { restartPolicy = 'Always', directory = testDirectory(t) } = options
  const logFile = path.join(directory, 'log')
  let changes = 0
  const run = new ContainerRun({
    pod: podOf({ restartPolicy }),
    container: firstContainer(options.container),
    address: '127.0.0.1',
    command: () => ({ argv: ['/bin/sh', '-c', script], env: labEnvironment(`none${process.pid}`) }),
    logFile,
    log,
    onChange: () => changes++,
  })
  t.teardown(() => run.stop(0))
  return { run, output: () => readFileSync(logFile, 'utf8'), changes: () => changes }
}

test('a container that ends is started again, and counted', async (t) => {
  const { run, output } = runOf(t, 'echo started; exit 3')
  await run.begin()
  await waitUntil(() => run.view.restarts >= 1 && output().startsWith('started\nstarted\n'))
  await waitUntil(() => run.view.state === 'terminated')
  t.like(run.view, { exitCode: 3, reason: 'CrashLoopBackOff', ready: false })
})

test('why a container ended is said with the last line of its log', async (t) => {
  const { run } = runOf(t, 'echo starting; echo "port 80 is taken" >&2; exit 3', { restartPolicy: 'Never' })
  await run.begin()
  await waitUntil(() => run.view.state === 'terminated')
  t.is(run.view.unready, 'ended with exit code 3, its log with "port 80 is taken"')
})

for (const [restartPolicy, script, reason] of [
  ['Never', 'exit 3', 'Error'],
  ['OnFailure', 'exit 0', 'Completed'],
] as const) {
  test(`restartPolicy ${restartPolicy} lets ${script} be the end`, async (t) => {
    const { run } = runOf(t, script, { restartPolicy })
    await run.begin()
    await waitUntil(() => run.view.state === 'terminated')
    t.is(run.view.reason, reason)
    t.is(run.record.process, undefined)
  })
}

test('a program that cannot be started is tried again', async (t) => {
  const run = new ContainerRun({
    pod: podOf(),
    container: firstContainer(),
    address: '127.0.0.1',
    command: () => ({ argv: ['/absent/program'], env: {} }),
    logFile: path.join(testDirectory(t), 'log'),
    log,
    onChange: () => {},
  })
  t.teardown(() => run.stop(0))
  await run.begin()
  t.like(run.view, { state: 'terminated', exitCode: 127 })
  await waitUntil(() => run.view.restarts >= 1)
})

test('the next kubelet adopts a running container as ready as it was, and sees its end', async (t) => {
  const directory = testDirectory(t)
  const container = {
    readinessProbe: { exec: { command: ['false'] }, periodSeconds: 1, failureThreshold: 1 },
  }
  const first = runOf(t, 'exec sleep 60', { directory })
  await first.run.begin()
  t.true(first.run.view.ready)
  first.run.leave()
  const { process: running, restarts } = first.run.record
  if (running === undefined) throw new Error('nothing runs')

  const next = runOf(t, 'exec sleep 61', { directory, container })
  await next.run.begin({ process: running, restarts, ready: true })
  t.deepEqual(next.run.record.process, running)
  t.true(next.run.view.ready)
  await waitUntil(() => !next.run.view.ready, { what: 'the first probe to fail' })

  process.kill(running.pid, 'SIGKILL')
  await waitUntil(() => next.run.record.restarts >= 1)
  await waitUntil(() => next.run.record.process !== undefined)
  t.notDeepEqual(next.run.record.process, running)
})

test('a recorded process that is another one by now is not adopted', async (t) => {
  const own = identify(process.pid)
  if (own === undefined) throw new Error('this process does not run?')
  const { run } = runOf(t, 'exec sleep 60')
  await run.begin({ process: { ...own, startTime: own.startTime - 1 }, restarts: 4, ready: true })
  t.is(run.record.restarts, 5)
  t.not(run.record.process?.pid, process.pid)
})

test('stopping waits for the grace period and no longer', async (t) => {
  const { run } = runOf(t, 'trap "" TERM; echo up; while :; do sleep 1; done')
  await run.begin()
  const identity = run.record.process
  if (identity === undefined) throw new Error('nothing runs')
  await run.stop(300)
  t.false(isAlive(identity))
  t.is(run.record.process, undefined)
})

const probeDefaults = {
  initialDelaySeconds: 0,
  periodSeconds: 1,
  timeoutSeconds: 1,
  successThreshold: 1,
  failureThreshold: 2,
}

function ask(
  probe: Partial<Probe>,
  container = firstContainer({ ports: [{ name: 'web', containerPort: 1 }] }),
) {
  return runProbe({
    container,
    probe: { ...probeDefaults, ...probe },
    address: '127.0.0.1',
    enter: () => ['env'],
  })
}

test('httpGet is satisfied by 200 to 399, tcpSocket by a connection, exec by exit code 0', async (t) => {
  const server = http.createServer((request, response) => {
    response.statusCode = Number(request.url?.slice(1))
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  const { port } = server.address() as AddressInfo
  const container = firstContainer({ ports: [{ name: 'web', containerPort: port }] })
  const get = (path: string, port: number | string) =>
    ask({ httpGet: { path, port, host: '', scheme: 'HTTP' } }, container)
  t.is(await get('/204', port), undefined)
  t.is(await get('/302', 'web'), undefined)
  t.is(await get('/404', 'web'), 'status 404')
  t.is(await get('/200', 'other'), 'the container has no port named "other"')
  t.is(await ask({ tcpSocket: { port, host: '' } }), undefined)
  t.is(await ask({ exec: { command: ['true'] } }), undefined)
  t.regex((await ask({ exec: { command: ['false'] } })) ?? '', /Command failed/)
})

test('a server that never answers is not ready', async (t) => {
  const server = net.createServer((socket) => socket.resume())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  t.is(await ask({ httpGet: { path: '/', port, host: '', scheme: 'HTTP' } }), 'no answer within 1000 ms')
  await new Promise((resolve) => server.close(resolve))
  t.regex((await ask({ tcpSocket: { port, host: '' } })) ?? '', /ECONNREFUSED/)
})

test('readiness is lost only after failureThreshold failures', async (t) => {
  const answers = [204, 500, 204, 500, 500]
  const told: string[] = []
  const server = http.createServer((_request, response) => {
    const status = answers.shift() ?? 500
    told.push(String(status))
    response.statusCode = status
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  const { port } = server.address() as AddressInfo
  const readiness = new Readiness({
    container: firstContainer(),
    probe: { ...probeDefaults, httpGet: { path: '/', port, host: '', scheme: 'HTTP' } },
    address: '127.0.0.1',
    enter: () => [],
    initially: false,
    onChange: (ready) => told.push(ready ? 'ready' : 'not ready'),
  })
  t.teardown(() => readiness.stop())
  await waitUntil(() => told.includes('not ready'), { timeoutMs: 20_000 })
  t.deepEqual(told, ['204', 'ready', '500', '204', '500', '500', 'not ready'])
})
