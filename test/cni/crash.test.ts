import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { sleep } from '../support/wait.ts'
import { launchers, Node } from './runtime.ts'

/** Park and Miller's generator: the moments of the kills are the same in every run, as far as a machine allows. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483647
  }
}

const conf = (node: Node) =>
  node.conf({
    isDefaultGateway: true,
    ipMasq: true,
    cniVersion: '1.1.0',
    runtimeConfig: { portMappings: [] },
  })

/** What DEL must leave of attachments that were cut off anywhere: nothing. */
function leftovers(node: Node): unknown {
  const side = join(node.directory, '.plexus', 'net')
  const records = existsSync(side) ? readdirSync(side).filter((name) => /^[0-9a-f]{32}$/.test(name)) : []
  return {
    links: node.links().filter((name) => name !== 'br0'),
    leases: node.leases(),
    elements: node.rulesWith('10.1.2.'),
    comments: node.rulesWith('net/'),
    records,
  }
}
const nothing = { links: [], leases: [], elements: [], comments: [], records: [] }

for (const [launcher, mode] of launchers.flatMap((name) => [
  [name, 'agent'] as const,
  [name, 'alone'] as const,
])) {
  test(`${launcher}, ${mode}: eight ADDs at a time get different addresses, and DELs leave nothing`, async (t) => {
    const node = new Node(t, launcher)
    if (mode === 'agent') await node.agent()
    const pods = Array.from({ length: 16 }, () => node.pod())
    const lanes = (command: string) =>
      Promise.all(
        Array.from({ length: 8 }, async (_, lane) => {
          const results = []
          for (let i = lane; i < pods.length; i += 8) {
            results.push(await node.run(conf(node), { command, netns: pods[i]?.path ?? '', id: `c${i}` }))
          }
          return results
        }),
      )
    const added = (await lanes('ADD')).flat()
    t.deepEqual(
      added.filter(({ code }) => code !== 0).map(({ stdout }) => stdout),
      [],
    )
    t.is(new Set(added.map(({ json }) => json.ips?.[0]?.address)).size, pods.length)
    t.is(node.leases().length, pods.length)
    t.is(node.links().length, pods.length + 1)
    const deleted = (await lanes('DEL')).flat()
    t.deepEqual(
      deleted.filter(({ code }) => code !== 0).map(({ stdout }) => stdout),
      [],
    )
    t.deepEqual(leftovers(node), nothing)
  })
}

test('a plugin killed at any moment of an ADD or DEL: the next DEL leaves nothing, the next ADD succeeds', async (t) => {
  const node = new Node(t)
  const seed = 20261121
  t.log(`seed ${seed}`)
  const random = randomNumbers(seed)
  const pods = Array.from({ length: 4 }, () => node.pod())
  let killed = 0
  for (let round = 0; round < 6; round += 1) {
    await Promise.all(
      pods.map(async (pod, index) => {
        const invocation = { netns: pod.path, id: `c${index}` }
        for (const command of ['ADD', 'DEL']) {
          const { child, outcome } = node.start(conf(node), { ...invocation, command })
          // Start-up alone takes the first part of that; the work is done in the last.
          await sleep(40 + random() * 160)
          child.kill('SIGKILL')
          if ((await outcome).code === null) killed += 1
        }
        const del = await node.run(conf(node), { ...invocation, command: 'DEL' })
        t.is(del.code, 0, del.stdout)
      }),
    )
    t.deepEqual(leftovers(node), nothing, `round ${round}`)
  }
  t.true(killed > 0, 'no plugin was killed in time')
  for (const [index, pod] of pods.entries()) {
    const { code, stdout } = await node.run(conf(node), { command: 'ADD', netns: pod.path, id: `c${index}` })
    t.is(code, 0, stdout)
  }
})

for (const launcher of launchers)
  test(`${launcher}: an agent killed while it serves: every plugin call still succeeds, and DEL leaves nothing`, async (t) => {
    const node = new Node(t, launcher)
    const random = randomNumbers(7)
    const pods = Array.from({ length: 4 }, () => node.pod())
    for (let round = 0; round < 3; round += 1) {
      const agent = await node.agent()
      const calls = pods.map((pod, index) =>
        node.run(conf(node), { command: 'ADD', netns: pod.path, id: `c${index}` }),
      )
      await sleep((launcher === 'shim' ? 0 : 20) + random() * 60)
      agent.kill('SIGKILL')
      for (const { code, stdout } of await Promise.all(calls)) t.is(code, 0, stdout)
      t.is(node.leases().length, pods.length)
      t.is(node.links().length, pods.length + 1)
      for (const [index, pod] of pods.entries()) {
        t.is((await node.run(conf(node), { command: 'DEL', netns: pod.path, id: `c${index}` })).code, 0)
      }
      t.deepEqual(leftovers(node), nothing)
    }
  })
