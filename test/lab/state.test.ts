import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { labLayout } from '../../lab/cluster/layout.ts'
import { lockHolder, takeLock } from '../../lab/cluster/lock.ts'
import { checkLabName, podNamespaceName } from '../../lab/cluster/names.ts'
import { type LabState, readState, writeState } from '../../lab/cluster/state.ts'
import { readRecords, specHash, writeRecord } from '../../lab/kubelet/pod-record.ts'
import { podPhase } from '../../lab/kubelet/pod-status.ts'
import { identify } from '../../lab/process/identity.ts'
import { testDirectory } from '../support/index.ts'
import { podOf } from './support/pod.ts'

const state: LabState = {
  version: 1,
  name: 'x',
  subnet: 3,
  nodes: [{ name: 'node1', address: '198.18.3.11', podCIDR: '10.244.1.0/24' }],
  clusterDNS: ['10.96.0.10'],
  processes: [{ role: 'agent', place: 'node1', pid: 1, startTime: 2 }],
  up: true,
}

test('state is read as it was written', (t) => {
  const layout = labLayout('x', { root: testDirectory(t) })
  t.is(readState(layout), undefined)
  writeState(layout, state)
  t.deepEqual(readState(layout), state)
  t.deepEqual(readdirSync(layout.root), ['state.json'])
})

for (const [what, text] of [
  ['not JSON', '{"version":1,'],
  ['another version', JSON.stringify({ ...state, version: 2 })],
  ['a process without a pid', JSON.stringify({ ...state, processes: [{ role: 'agent', place: 'node1' }] })],
  ['a node that is none', JSON.stringify({ ...state, nodes: [7] })],
] as const) {
  test(`damaged state counts as none: ${what}`, (t) => {
    const layout = labLayout('x', { root: testDirectory(t) })
    mkdirSync(layout.root)
    writeFileSync(layout.state, text)
    t.is(readState(layout), undefined)
  })
}

test('only one process holds the lock, and a dead one holds none', (t) => {
  const layout = labLayout('x', { root: testDirectory(t) })
  const other = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.teardown(() => other.kill('SIGKILL'))
  const identity = identify(other.pid ?? 0)
  if (identity === undefined) throw new Error('sleep does not run')

  writeFileSync(layout.lock, JSON.stringify(identity))
  t.deepEqual(lockHolder(layout), identity)
  t.deepEqual(takeLock(layout).holder, identity)

  // The same pid, started at another time: that was somebody else.
  writeFileSync(layout.lock, JSON.stringify({ ...identity, startTime: identity.startTime - 1 }))
  t.is(lockHolder(layout), undefined)
  const taken = takeLock(layout)
  t.is(taken.holder, undefined)
  t.is(takeLock(layout).holder?.pid, process.pid)
  taken.release()
  t.false(existsSync(layout.lock))
})

test("no lab name can be the beginning of another lab's namespaces", (t) => {
  t.is(checkLabName('t123'), 't123')
  for (const name of ['', 'a-b', 'A', 'a/b', 'x'.repeat(25)]) {
    t.throws(() => checkLabName(name), { code: 'LAB_NAME' }, name)
  }
})

test('namespace names of pods stay file names, and different', (t) => {
  t.is(podNamespaceName('lab', { namespace: 'shop', name: 'web-1' }), 'plx-lab-p-shop-web-1')
  const long = (end: string) => podNamespaceName('lab', { namespace: 'shop', name: 'x'.repeat(250) + end })
  t.true(long('a').length <= 255)
  t.not(long('a'), long('b'))
})

test('a Pod is made anew for another spec, not for another label', (t) => {
  const hash = specHash(podOf())
  t.is(specHash(podOf({}, { labels: { app: 'web' } })), hash)
  t.not(specHash(podOf({ hostname: 'other' })), hash)
})

test('records of Pods are read back; a damaged one is left out', (t) => {
  const directory = testDirectory(t)
  const record = {
    namespace: 'shop',
    name: 'web-1',
    specHash: 'h',
    hostNetwork: false,
    netns: '/run/netns/x',
    sandboxId: 's',
    podIPs: ['10.244.1.2'],
    startTime: '2026-01-01T00:00:00Z',
    containers: { web: { process: { pid: 5, startTime: 6 }, restarts: 1, ready: true } },
  }
  writeRecord(directory, record)
  writeFileSync(path.join(directory, 'shop.web-2.json'), '{"half')
  t.deepEqual(readRecords(directory), [record])
})

test('the phase of a Pod follows its containers', (t) => {
  const view = (state: 'waiting' | 'running' | 'terminated', extra = {}) => ({
    name: 'web',
    state,
    ready: false,
    restarts: 0,
    ...extra,
  })
  const job = podOf({ restartPolicy: 'Never' })
  t.is(podPhase(podOf(), []), 'Pending')
  t.is(podPhase(podOf(), [view('waiting')]), 'Pending')
  t.is(podPhase(podOf(), [view('running')]), 'Running')
  t.is(podPhase(podOf(), [view('terminated', { exitCode: 1 })]), 'Running')
  t.is(podPhase(job, [view('terminated', { exitCode: 0 })]), 'Succeeded')
  t.is(podPhase(job, [view('terminated', { exitCode: 1 })]), 'Failed')
})
