// Our proxy on a cluster of a given size, in the network namespace of this process: prints its figures as JSON.
//     plexus-program.ts SERVICES ENDPOINTS [keep]
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { DEFAULT_CONFIGURATION, startProxy } from '#proxy'
import { type AnyObject, memorySource, Store } from '#watch'
import { endpointAddresses, serviceObject, sliceObject } from './cluster.ts'
import { requireOwnNamespace } from './namespaces.ts'

requireOwnNamespace()

const services = Number(process.argv[2])
const endpoints = Number(process.argv[3])
const changes = Number(process.env['BENCH_CHANGES'] ?? 300)

const store = new Store({ log: pino({ level: 'silent' }), nodeName: 'node0' })
const objects: { object: AnyObject }[] = []
for (let index = 0; index < services; index += 1) {
  objects.push({ object: serviceObject(index) })
  objects.push({ object: sliceObject(index, endpointAddresses(index, endpoints)) })
}
store.apply(objects)
objects.length = 0
await store.run(memorySource({ standalone: false }))
const baseMb = process.memoryUsage.rss() / 1e6

const start = () =>
  startProxy({
    store,
    nodeName: 'node0',
    config: { ...DEFAULT_CONFIGURATION, clusterCIDR: ['10.128.0.0/9'], nodePortAddresses: ['127.0.0.0/8'] },
    log: pino({ level: 'warn' }, pino.destination(2)),
    metrics: new Registry(),
  })

async function timed<T>(body: () => Promise<T>): Promise<{ ms: number; cpuMs: number; value: T }> {
  const cpu = process.cpuUsage()
  const began = performance.now()
  const value = await body()
  const ms = performance.now() - began
  const used = process.cpuUsage(cpu)
  return { ms, cpuMs: (used.user + used.system) / 1000, value }
}

const load = await timed(start)
const loadedMb = process.memoryUsage.rss() / 1e6
if (process.argv[4] === 'keep') {
  await load.value.stop()
  process.exit(0)
}

/** Event to kernel: the commit is done when flush returns. */
async function change(next: (step: number) => AnyObject): Promise<{ p50: number; p99: number }> {
  const samples: number[] = []
  for (let step = 0; step < changes; step += 1) {
    const object = next(step)
    const began = performance.now()
    store.apply([{ object }])
    store.flush()
    samples.push(performance.now() - began)
    // Not back to back: the garbage collector and others get their turn as in life.
    if (step % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  samples.sort((a, b) => a - b)
  const at = (part: number) => samples[Math.min(samples.length - 1, Math.floor(samples.length * part))] ?? 0
  return { p50: at(0.5), p99: at(0.99) }
}

const some = (step: number) => (step * 7919) % services
const replaced = await change((step) => {
  const addresses = endpointAddresses(some(step), endpoints)
  addresses[addresses.length - 1] = endpointAddresses(some(step), endpoints, 1)[0] ?? ''
  return sliceObject(some(step), addresses)
})
const scaled = await change((step) => sliceObject(some(step), endpointAddresses(some(step), endpoints + 1)))
const added = await change((step) => serviceObject(services + step))
// A hundred Services at once: one commit.
const together = performance.now()
store.apply(
  Array.from({ length: 100 }, (_, step) => {
    const index = (step * 31 + 5) % services
    return { object: sliceObject(index, endpointAddresses(index, endpoints + 2)) }
  }),
)
store.flush()
const hundredMs = performance.now() - together
const changedMb = process.memoryUsage.rss() / 1e6

await load.value.stop()
const restart = await timed(start)
await restart.value.stop()
process.stdout.write(
  `${JSON.stringify({
    services,
    endpoints,
    loadMs: load.ms,
    loadCpuMs: load.cpuMs,
    replaced,
    scaled,
    added,
    hundredMs,
    restartMs: restart.ms,
    baseMb,
    loadedMb,
    changedMb,
  })}\n`,
)
process.exit(0)
