import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { identify, isAlive, signal } from '../../lab/process/identity.ts'
import { findProcesses } from '../../lab/process/scan.ts'
import { labEnvironment, spawnDetached } from '../../lab/process/spawn.ts'
import { terminate, waitGone } from '../../lab/process/terminate.ts'
import { testDirectory, testNamespace, waitUntil } from '../support/index.ts'

test('a process is itself only with its start time', (t) => {
  const own = identify(process.pid)
  if (own === undefined) throw new Error('this process does not run?')
  t.true(isAlive(own))
  const reused = { ...own, startTime: own.startTime - 1 }
  t.false(isAlive(reused))
  t.false(signal(reused, 'SIGKILL'))
})

test('the name of a program may hold spaces and parentheses', async (t) => {
  const directory = testDirectory(t)
  const program = path.join(directory, 'a) Z 1 (b')
  copyFileSync('/bin/sleep', program)
  const child = spawn(program, ['60'], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  await waitUntil(() => readFileSync(`/proc/${child.pid}/stat`, 'utf8').includes('(a) Z 1 (b)'))
  const identity = identify(child.pid ?? 0)
  t.is(identity?.pid, child.pid)
  t.true((identity?.startTime ?? 0) >= (identify(process.pid)?.startTime ?? Number.NaN))
})

test('a zombie does not run', async (t) => {
  // The shell starts a child, and then becomes a program that never waits for it.
  const parent = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.teardown(() => parent.kill('SIGKILL'))
  const pid = Number(
    await new Promise((resolve) => parent.stdout.once('data', (text) => resolve(String(text)))),
  )
  await waitUntil(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '))
  t.is(identify(pid), undefined)
})

test('SIGTERM first, SIGKILL for those who do not listen, with everything in their process group', async (t) => {
  const directory = testDirectory(t)
  const logFile = path.join(directory, 'log')
  const env = labEnvironment(`none${process.pid}`)
  const polite = await spawnDetached({ argv: ['sleep', '60'], env, logFile })
  const script = 'trap "" TERM; sleep 61 & echo $!; wait'
  const stubborn = await spawnDetached({ argv: ['/bin/sh', '-c', script], env, logFile })
  const grandchild = await waitUntil(() => identify(Number(readFileSync(logFile, 'utf8').trim() || '0')))
  const both = [polite.identity, stubborn.identity]
  t.deepEqual(await terminate(both, { graceMs: 200, group: true }), [])
  t.false(both.some(isAlive))
  t.deepEqual(await waitGone([grandchild], 2000), [])
})

test('processes of a lab are found by their environment and by their network namespace', async (t) => {
  const lab = `find${process.pid}`
  const namespace = testNamespace(t, 'find')
  const logFile = path.join(testDirectory(t), 'log')
  const marked = await spawnDetached({ argv: ['sleep', '60'], env: labEnvironment(lab), logFile })
  const other = await spawnDetached({ argv: ['sleep', '60'], env: labEnvironment(`${lab}x`), logFile })
  const inside = namespace.start(['sleep', '60'])
  t.teardown(() => terminate([marked.identity, other.identity], { graceMs: 0 }))
  const insideIdentity = await waitUntil(() => findProcesses({ netns: [namespace.path] })[0])
  t.is(insideIdentity.pid, inside.pid ?? 0)
  t.deepEqual(findProcesses({ lab }), [marked.identity])
  t.deepEqual(
    findProcesses({ lab, netns: [namespace.path] })
      .map(({ pid }) => pid)
      .sort(),
    [marked.identity.pid, insideIdentity.pid].sort(),
  )
  t.deepEqual(findProcesses({ netns: ['/proc/self/ns/net', '/run/netns/absent'] }), [])
})

test('a program that cannot be started is an error, not a silent death', async (t) => {
  const logFile = path.join(testDirectory(t), 'logs', 'log')
  await t.throwsAsync(spawnDetached({ argv: ['/absent/program'], env: {}, logFile }), { code: 'ENOENT' })
  t.true(existsSync(logFile))
})
