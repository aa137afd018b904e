import { type ChildProcess, fork } from 'node:child_process'
import { closeSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { forgetConnections, LocalConnections } from '../../ingress/plugins/limit-conn/connections.ts'
import { monotonicNow, SharedRecords, sharedBytes } from '../../ingress/sharing/index.ts'
import { createSharedMemory, mapSharedMemory } from '../../netlink/shared-memory.ts'

const SMALL = 16

function sharedMemory(t: ExecutionContext): { readonly fd: number; readonly records: SharedRecords } {
  const fd = createSharedMemory('plx-test', sharedBytes(SMALL))
  t.teardown(() => closeSync(fd))
  return { fd, records: new SharedRecords(mapSharedMemory(fd, sharedBytes(SMALL))) }
}

/** A process that counts beside this one; resolves once it has. */
async function counting(t: ExecutionContext, number: number, fd: number): Promise<ChildProcess> {
  const script = new URL('./support/counting-process.ts', import.meta.url)
  const child = fork(script, [String(number), '20000', String(SMALL)], {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', fd],
  })
  t.teardown(() => child.kill())
  await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`exit code ${code}`)))
  })
  return child
}

test('records keep their fields by key, and the name of a space is part of the key', (t) => {
  const records = new SharedRecords(new ArrayBuffer(sharedBytes(SMALL)))
  const [a, b] = [records.within('a'), records.within('b')]
  a.update('key', (record) => record.set(5, 7))
  t.is(records.peek(a.key('key'), 5), 7)
  t.is(records.peek(b.key('key'), 5), 0)
  t.is(records.peek(a.within('k').key('ey'), 5), 0)
  t.is(
    a.update('key', (record) => record.get(5)),
    7,
  )
})

test('where there is no room the record that expires first goes', (t) => {
  const records = new SharedRecords(new ArrayBuffer(sharedBytes(SMALL)))
  const space = records.within('')
  space.update('kept', (record) => {
    record.expiresAt = Number.MAX_VALUE
    record.set(0, 1)
  })
  for (let n = 0; n < 10_000; n++)
    space.update(`key ${n}`, (record) => {
      t.is(record.get(0), 0)
      record.expiresAt = n
      record.set(0, 1)
    })
  t.is(records.peek(space.key('kept'), 0), 1)
  t.is(records.peek(space.key('key 9999'), 0), 1)
  let count = 0
  records.forEach(() => {
    count++
  })
  t.is(count, SMALL * 8)
})

test('processes that count together lose nothing; what a dead one held is taken back', async (t) => {
  const { fd, records } = sharedMemory(t)
  const children = await Promise.all([1, 2, 3].map((number) => counting(t, number, fd)))
  const counters = records.within('counters')
  for (let n = 0; n < 5; n++) t.is(records.peek(counters.key(`key ${n}`), 0), 12_000)
  const running = new LocalConnections(records.within('connections'))
  t.is(running.enter('key', 10), 10)
  t.is(running.enter('key', 10), 11)
  children[1]?.kill('SIGKILL')
  forgetConnections(records, 2)
  t.is(running.enter('key', 10), 8)
  running.leave('key')
  running.leave('key')
  t.is(running.enter('key', 10), 7)
})

test('a lock whose holder was killed is opened', async (t) => {
  const { fd, records } = sharedMemory(t)
  const child = await counting(t, 1, fd)
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
  const locks = new Int32Array(mapSharedMemory(fd, sharedBytes(SMALL)), 64, SMALL)
  locks.fill(child.pid ?? 0)
  t.is(
    records.within('counters').update('key 0', (record) => record.get(0)),
    4000,
  )
})

test('the clock of records is the same in all processes', (t) => {
  const [seconds, nanoseconds] = process.hrtime()
  const now = monotonicNow()
  t.true(now >= seconds * 1000 + nanoseconds / 1e6)
})
