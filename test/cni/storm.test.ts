import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { sleep } from '../support/wait.ts'
import { launchers, Node } from './runtime.ts'

/** With PLEXUS_LONG=1: hundreds of operations and dozens of dead agents. */
const rounds = process.env['PLEXUS_LONG'] === '1' ? 25 : 2
const lanes = 8
const seed = 20261122

function randomNumbers(start: number): () => number {
  let state = start
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483647
  }
}

for (const end of ['DEL', 'GC'] as const) {
  test(`plugins and agents killed at random, ${lanes} calls at a time: ${end} leaves nothing`, async (t) => {
    t.timeout(900_000)
    t.log(`seed ${seed}`)
    const node = new Node(t, launchers.at(-1))
    const random = randomNumbers(seed)
    const pods = Array.from({ length: lanes }, () => node.pod())
    const conf = (lane: number) =>
      node.conf({
        cniVersion: '1.1.0',
        isDefaultGateway: true,
        ipMasq: true,
        runtimeConfig: {
          portMappings: [{ hostPort: 20_000 + lane, containerPort: 80, protocol: 'tcp' }],
          bandwidth: { egressRate: 8_000_000, egressBurst: 800_000 },
        },
      })
    const calls = { done: 0, killed: 0, failed: 0 }
    let over = false
    const agents = (async () => {
      while (!over) {
        // On a machine that is too busy to start one in time, the plugins work alone.
        const agent = await node.agent().catch(() => undefined)
        await sleep(200 + random() * 800)
        agent?.kill('SIGKILL')
      }
    })()
    const call = async (lane: number, command: string, { mayDie }: { mayDie: boolean }) => {
      const invocation = { command, id: `c${lane}`, netns: pods[lane]?.path ?? '' }
      const { child, outcome } = node.start(conf(lane), invocation)
      if (mayDie && random() < 0.4) {
        await sleep(random() * 60)
        child.kill('SIGKILL')
      }
      const { code, stdout } = await outcome
      calls.done += 1
      if (code === null) calls.killed += 1
      else if (code !== 0) calls.failed += 1
      return { code, stdout }
    }
    await Promise.all(
      pods.map(async (_, lane) => {
        for (let round = 0; round < rounds; round += 1) {
          await call(lane, 'ADD', { mayDie: true })
          await call(lane, 'DEL', { mayDie: true })
          if (end === 'GC' && round === rounds - 1) await call(lane, 'ADD', { mayDie: true })
          const last = end === 'DEL' ? await call(lane, 'DEL', { mayDie: false }) : undefined
          if (last !== undefined) t.is(last.code, 0, last.stdout)
        }
      }),
    )
    over = true
    await agents
    if (end === 'GC') {
      const gc = { ...conf(0), 'cni.dev/valid-attachments': [] }
      const collected = await node.run(gc, { command: 'GC' })
      t.is(collected.code, 0, collected.stdout)
    }
    t.log(JSON.stringify(calls))
    t.true(calls.killed > 0)
    const side = join(node.directory, '.plexus', 'net')
    const remembered = join(node.directory, 'run', 'published')
    t.deepEqual(
      {
        links: node.links().filter((name) => name !== 'br0'),
        leases: node.leases(),
        elements: [...node.rulesWith('10.1.2.'), ...node.rulesWith('net/')],
        records: readdirSync(side).filter((name) => /^[0-9a-f]{32}$/.test(name)),
        remembered: existsSync(remembered) ? readdirSync(remembered) : [],
        inPods: pods.map((pod) => pod.run('ip', '-br', 'link').trim().split('\n').length),
      },
      { links: [], leases: [], elements: [], records: [], remembered: [], inPods: pods.map(() => 1) },
    )
    for (const [lane] of pods.entries()) {
      const again = await node.run(conf(lane), {
        command: 'ADD',
        id: `c${lane}`,
        netns: pods[lane]?.path ?? '',
      })
      t.is(again.code, 0, again.stdout)
    }
  })
}
