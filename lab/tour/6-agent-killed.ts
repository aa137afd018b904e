import { setTimeout as sleep } from 'node:timers/promises'
import { KernelView } from '../cluster/kernel-view.ts'
import { startAgent } from '../cluster/node-processes.ts'
import { waitPodsReady } from '../cluster/pods-ready.ts'
import { LabError, throwIfAborted } from '../errors.ts'
import { isAlive, signal as sendSignal } from '../process/identity.ts'
import { waitGone } from '../process/terminate.ts'
import { nodeSnapshot, openFiles, snapshotDifferences } from './node-snapshot.ts'
import { now, type Probe } from './probe-process.ts'
import type { Tour } from './tour.ts'

const NODE = 'node1'
const OTHER_NODE = 'node2'
/** How long traffic runs while there is no agent. */
const OUTAGE_MS = 3000
const SETTLE_MS = 15_000
/** Open connections come and go (keep-alive to pods, the client of the cluster's DNS): so many files more are no leak. */
const FILES_TOLERANCE = 8

/** An agent is killed with SIGKILL: traffic goes on. It is restarted: nothing is lost, nothing leaks. */
export async function agentKilled(tour: Tour): Promise<void> {
  const { cluster, signal } = tour
  const agent = cluster.processes.find(({ role, place }) => role === 'agent' && place === NODE)
  if (agent === undefined || !isAlive(agent))
    throw new LabError('LAB_NOT_UP', `the agent of ${NODE} does not run`)
  const catalog = tour.service('shop/catalog').spec.clusterIP
  const remote = tour.pod('catalog-2').status.podIP
  const traffic: Record<string, Probe> = {
    [`web-1 to ClusterIP ${catalog}`]: tour.probe('web-1', ['http', `http://${catalog}/`, '--every', '15']),
    [`web-1 to pod ${remote} on ${OTHER_NODE}`]: tour.probe('web-1', [
      'http',
      `http://${remote}:8080/`,
      '--every',
      '15',
    ]),
  }
  for (const [what, probe] of Object.entries(traffic)) {
    await probe.first(({ ok }) => ok, { since: 0, timeoutMs: 10_000, what, signal })
  }
  const before = nodeSnapshot(cluster.layout, NODE)
  const filesBefore = openFiles(agent.pid)

  tour.show('host', ['kill', '-9', String(agent.pid)])
  const killedAt = now()
  sendSignal(agent, 'SIGKILL')
  await waitGone([agent], 5000)
  const left = await dnsEndpointLeaves(tour, killedAt)
  await resolveOnOtherNode(tour, left)
  await sleep(Math.max(0, OUTAGE_MS - (now() - killedAt)), undefined, { signal })
  expectTraffic(tour, traffic, {
    since: killedAt,
    what: `in ${((now() - killedAt) / 1000).toFixed(1)} s without an agent on ${NODE}`,
  })

  const restartedAt = now()
  tour.show(NODE, ['bin/plexus', 'agent', '--config', cluster.layout.node(NODE).agentConfig])
  const restarted = await startAgent(cluster.layout, NODE, signal)
  cluster.record([restarted])
  await waitPodsReady(cluster, { signal })
  tour.expect(true, `the agent of ${NODE} is back and ready after ${Math.round(now() - restartedAt)} ms`)

  const differences = await settled(tour, before)
  const parts = Object.entries(before).map(([part, lines]) =>
    part === 'processes' ? `${lines[0]} ${part}` : `${lines.length} ${part}`,
  )
  tour.expect(
    differences.length === 0,
    differences.length === 0
      ? `nothing lost, nothing more than before: ${parts.join(', ')}`
      : `not as before: ${differences.join('; ')}`,
  )
  const filesAfter = openFiles(restarted.pid)
  tour.expect(
    filesAfter <= filesBefore + FILES_TOLERANCE,
    `open files of the agent: ${filesBefore} before, ${filesAfter} after`,
  )
  expectTraffic(tour, traffic, { since: restartedAt, what: 'during and after the restart' })
}

/** The kubelet of the node sees its agent gone within a probe period; the other node's rules follow. */
async function dnsEndpointLeaves(tour: Tour, since: number): Promise<number> {
  const { address } = tour.node(NODE)
  using kernel = new KernelView(tour.cluster.layout.name, OTHER_NODE)
  while (kernel.endpoints([address]).has(address)) {
    throwIfAborted(tour.signal)
    if (now() - since > SETTLE_MS) {
      throw new LabError(
        'LAB_NOT_READY',
        `the rules of ${OTHER_NODE} still send DNS to the dead agent of ${NODE}`,
      )
    }
    await sleep(5)
  }
  return now() - since
}

async function resolveOnOtherNode(tour: Tour, leftAfterMs: number): Promise<void> {
  const loop = 'for i in 1 2 3 4 5 6 7 8; do dig +tries=1 +time=2 +short catalog.shop.svc.cluster.local; done'
  const { stdout } = await tour.run('web-2', ['sh', '-c', loop], { quiet: true })
  const expected = tour.service('shop/catalog').spec.clusterIP
  const right = stdout.split('\n').filter((line) => line === expected).length
  tour.expect(
    right === 8,
    `its DNS endpoint left the rules of ${OTHER_NODE} after ${Math.round(leftAfterMs)} ms; ${right} of 8 lookups there answered by the other agent`,
  )
}

function expectTraffic(
  tour: Tour,
  traffic: Readonly<Record<string, Probe>>,
  period: { since: number; what: string },
): void {
  for (const [what, probe] of Object.entries(traffic)) {
    const results = probe.since(period.since)
    const failed = results.filter(({ ok }) => !ok)
    tour.expect(
      results.length > 10 && failed.length === 0,
      `${what}: ${results.length} requests ${period.what}, ${failed.length} failed${failed[0] === undefined ? '' : ` (${failed[0].error})`}`,
    )
  }
}

/** What still differs from the snapshot once things had time to settle. */
async function settled(tour: Tour, before: ReturnType<typeof nodeSnapshot>): Promise<string[]> {
  const deadline = performance.now() + SETTLE_MS
  for (;;) {
    const differences = snapshotDifferences(before, nodeSnapshot(tour.cluster.layout, NODE))
    if (differences.length === 0 || performance.now() > deadline) return differences
    await sleep(100, undefined, { signal: tour.signal })
  }
}
