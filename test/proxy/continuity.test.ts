import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { stringify } from 'yaml'
import type { AnyObject } from '#watch'
import { sleep, testDirectory, waitUntil } from '../support/index.ts'
import { type Member, NODE, NodeFixture } from './support/node-fixture.ts'
import { node, service, slice } from './support/objects.ts'
import { ANY, client } from './support/settle.ts'

const target = { address: '10.96.0.10', port: 80 }

async function shop(t: ConstructorParameters<typeof NodeFixture>[0]) {
  const fixture = new NodeFixture(t)
  const members = ['a', 'b', 'c'].map((name) => ({ name, ...fixture.pod(name) }))
  for (const { name, probe } of members) await probe.listen(name, { address: ANY, port: 8080 })
  const use = (...chosen: Member[]) =>
    fixture.put(
      slice({
        service: 'web',
        endpoints: chosen.map(({ addresses }) => ({ address: addresses[0] ?? '', node: NODE })),
      }),
    )
  fixture.put(service({ name: 'web' }))
  use(...members)
  await fixture.start()
  return { fixture, members, use }
}

/** Connects again and again while `body` runs; the answers that are none of the servers'. */
async function failuresWhile(
  from: Member[],
  body: () => Promise<void>,
): Promise<{ calls: number; failures: string[] }> {
  let running = true
  let calls = 0
  const failures: string[] = []
  const clients = from.map(async ({ probe }) => {
    while (running) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => probe.call(target)))
      calls += answers.length
      failures.push(...answers.filter((answer) => !'abc'.includes(client(answer).server)))
    }
  })
  await body()
  running = false
  await Promise.all(clients)
  return { calls, failures }
}

test.serial('no connect fails while endpoints come and go around one that stays', async (t) => {
  const { fixture, members, use } = await shop(t)
  const [a, b, c] = members
  if (a === undefined || b === undefined || c === undefined) return t.fail()
  const sets = [[a], [a, b], [a, b, c], [b, a], [c, a, b], [c, a]]
  const { calls, failures } = await failuresWhile([fixture.outside, fixture.node, b], async () => {
    for (let round = 0; round < 300; round++) {
      use(...(sets[round % sets.length] ?? []))
      await sleep(3)
    }
  })
  t.deepEqual(failures, [])
  t.true(calls > 100, `${calls} calls`)
})

test.serial('a restart fails no connect and cuts no connection', async (t) => {
  const { fixture } = await shop(t)
  t.is(await fixture.outside.probe.hold('long', target), 'held')
  const before = await fixture.outside.probe.talk('long')
  const { calls, failures } = await failuresWhile([fixture.outside, fixture.node], async () => {
    for (let round = 0; round < 5; round++) {
      await fixture.proxy?.stop()
      await sleep(40)
      await fixture.follow()
      await sleep(40)
    }
  })
  t.deepEqual(failures, [])
  t.true(calls > 50, `${calls} calls`)
  t.is(await fixture.outside.probe.talk('long'), before)
})

test.serial(
  'the kernel forwards while the proxy is dead; a restart writes what changed meanwhile',
  async (t) => {
    const fixture = new NodeFixture(t)
    const members = ['a', 'b', 'c'].map((name) => ({ name, ...fixture.pod(name) }))
    for (const { name, probe } of members) await probe.listen(name, { address: ANY, port: 8080 })
    const directory = testDirectory(t)
    const manifests = join(directory, 'manifests')
    mkdirSync(manifests)
    const put = (object: AnyObject): void => {
      writeFileSync(join(manifests, `${object.kind}-${object.metadata.name}.yaml`), stringify(object))
    }
    const use = (...names: string[]): void => {
      const chosen = members.filter(({ name }) => names.includes(name))
      const endpoints = chosen.map(({ addresses }) => ({ address: addresses[0] ?? '', node: NODE }))
      put(slice({ service: 'web', endpoints }))
    }
    put(node({ name: NODE, addresses: ['192.0.2.1'] }))
    put(service({ name: 'web' }))
    use('a', 'b')
    const start = async () => {
      const ready = join(directory, `ready-${performance.now()}`)
      const where = ['--manifests', manifests, '--node-name', NODE, '--ready-file', ready]
      const command = [join(import.meta.dirname, '../../bin/plexus'), 'proxy', ...where]
      const child = fixture.node.namespace.start([
        ...command,
        '--healthz-bind-address=',
        '--metrics-bind-address=',
      ])
      await waitUntil(() => existsSync(ready), { what: 'the ready file' })
      return child
    }
    const kill = async (child: ChildProcess): Promise<void> => {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
    const servers = () => fixture.outside.probe.servers(target)
    let running = await start()
    t.deepEqual(await servers(), ['a', 'b'])
    const { calls, failures } = await failuresWhile([fixture.outside, fixture.node], async () => {
      await kill(running)
      use('a', 'c')
      t.deepEqual(await servers(), ['a', 'b'], 'nobody follows')
      running = await start()
      t.deepEqual(await servers(), ['a', 'c'])
      await kill(running)
      t.deepEqual(await servers(), ['a', 'c'])
    })
    t.deepEqual(failures, [])
    t.true(calls > 50, `${calls} calls`)
  },
)
