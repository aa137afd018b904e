import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { sleep } from '../support/index.ts'
import { NODE, NodeFixture } from './support/node-fixture.ts'
import { service, slice } from './support/objects.ts'
import { ANY, client } from './support/settle.ts'

// Bounded for the suite; PLEXUS_LONG=1 for minutes, or PLEXUS_STORM_SECONDS.
const seconds = Number(
  process.env['PLEXUS_STORM_SECONDS'] ?? (process.env['PLEXUS_LONG'] === undefined ? 15 : 240),
)
const services = 40

test.serial('a storm of changes fails no connect, and memory stays flat', async (t) => {
  t.timeout(seconds * 4000 + 60_000)
  const seed = Number(process.env['PLEXUS_SEED'] ?? Date.now() % 2 ** 31)
  t.log(`seed ${seed}`)
  let state = seed
  const random = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % limit
  }
  const fixture = new NodeFixture(t)
  // Thousands of connections a second, remembered for two minutes each, would fill the node's connection table.
  fixture.node.namespace.run('sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_timeout_time_wait=2')
  const members = ['a', 'b', 'c', 'd'].map((name) => ({ name, ...fixture.pod(name) }))
  for (const { name, probe } of members) await probe.listen(name, { address: ANY, port: 8080 })
  const address = (index: number): string => `10.96.1.${index + 1}`
  const one = (index: number, variant: number) =>
    service({
      name: `s${index}`,
      clusterIPs: [address(index)],
      ports: [{ port: 80, nodePort: 30_000 + index }],
      spec: {
        type: 'NodePort',
        sessionAffinity: variant % 5 === 0 ? 'ClientIP' : 'None',
        externalIPs: variant % 3 === 0 ? [`198.51.100.${index + 1}`] : [],
        externalTrafficPolicy: variant % 4 === 0 ? 'Local' : 'Cluster',
      },
    })
  // Member 0 lives throughout; the others come, go, and terminate.
  const endpoints = (index: number) =>
    slice({
      service: `s${index}`,
      endpoints: members.flatMap(({ addresses: [ip = ''] }, member) => {
        if (member === 0) return [{ address: ip, node: NODE }]
        const fate = random(4)
        return fate === 0 ? [] : [{ address: ip, node: NODE, terminating: fate === 1, serving: true }]
      }),
    })
  for (let index = 0; index < services; index++) fixture.put(one(index, 1), endpoints(index))
  const proxy = await fixture.start()

  let running = true
  let calls = 0
  const failures: string[] = []
  const callers = [fixture.outside, fixture.node, ...members.slice(1)].map(async ({ probe }) => {
    while (running) {
      const targets = Array.from({ length: 4 }, () => {
        const index = random(services)
        return random(2) === 0
          ? { address: address(index), port: 80 }
          : { address: '192.0.2.1', port: 30_000 + index }
      })
      const answers = await Promise.all(targets.map((target) => probe.call({ ...target, timeoutMs: 10_000 })))
      calls += answers.length
      failures.push(...answers.filter((answer) => !'abcd'.includes(client(answer).server)))
    }
  })

  // People and monitoring look at the ruleset while it changes.
  let listings = 0
  const lister = (async () => {
    const [file = '', ...args] = fixture.node.namespace.argv(['/usr/sbin/nft', '-j', 'list', 'ruleset'])
    while (running) {
      const { stdout } = await promisify(execFile)(file, args, { maxBuffer: 1 << 28, timeout: 20_000 })
      t.true(JSON.parse(stdout).nftables.length > 100)
      listings++
      await sleep(200)
    }
  })()

  const heap = (): number => {
    globalThis.gc?.()
    return process.memoryUsage().heapUsed / 1e6
  }
  let changes = 0
  const phase = async (ms: number): Promise<void> => {
    const end = performance.now() + ms
    while (performance.now() < end) {
      for (let burst = 0; burst < 8; burst++) {
        const index = random(services)
        fixture.put(random(8) === 0 ? one(index, random(60)) : endpoints(index))
        changes++
      }
      await sleep(15)
    }
  }
  await phase(seconds * 400)
  const before = heap()
  await phase(seconds * 600)
  const after = heap()
  running = false
  await Promise.all([...callers, lister])

  t.log(
    `${changes} changes, ${calls} connects, ${listings} listings in ${seconds} s; heap ${before.toFixed(1)} -> ${after.toFixed(1)} MB`,
  )
  t.deepEqual(failures, [])
  t.true(changes > 500, `${changes} changes`)
  t.true(calls > 500, `${calls} connects`)
  t.true(listings > 0)
  t.deepEqual(proxy.health(), { ok: true })
  // Without --expose-gc the heap holds garbage, too; a leak of every change would be far above this.
  t.true(after - before < 20, `heap grew from ${before} to ${after} MB`)
})
