import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { kubernetesSource, openStore, type Store } from '#watch'
import { ApiServer } from '../../apiserver/api-server.ts'
import { testDirectory, waitUntil } from '../../support/index.ts'
import { log, service } from '../objects.ts'
import { quick } from './support.ts'

const seed = Number(process.env['PLEXUS_SEED'] ?? Date.now() % 2 ** 31)

type Step =
  | { readonly do: 'put' | 'delete'; readonly name: number; readonly value: number }
  | { readonly do: 'fail'; readonly status: number; readonly times: number }
  | { readonly do: 'break list'; readonly after: number }
  | {
      readonly do:
        | 'cut'
        | 'expire'
        | 'end'
        | 'compact'
        | 'repeat'
        | 'hold'
        | 'release'
        | 'go away'
        | 'bookmark'
        | 'freeze'
        | 'refuse'
        | 'pause'
    }

const steps = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constantFrom('put' as const, 'put' as const, 'delete' as const),
        name: fc.nat(7),
        value: fc.integer({ min: 1, max: 250 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('fail' as const),
        status: fc.constantFrom(429, 500, 503, 410, 504),
        times: fc.integer({ min: 1, max: 3 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('break list' as const),
        after: fc.integer({ min: 0, max: 4000 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'cut' as const,
          'expire' as const,
          'end' as const,
          'compact' as const,
          'repeat' as const,
          'hold' as const,
          'release' as const,
          'go away' as const,
          'bookmark' as const,
          'freeze' as const,
          'refuse' as const,
          'pause' as const,
        ),
      }),
    },
  ),
  { minLength: 10, maxLength: 50 },
)

async function take(server: ApiServer, step: Step): Promise<void> {
  const watches = [...server.watches]
  switch (step.do) {
    case 'put':
      server.put(service(`s${step.name}`, { clusterIP: `10.96.0.${step.value}` }))
      break
    case 'delete':
      server.delete('Service', `shop/s${step.name}`)
      break
    case 'fail':
      server.fail({ match: () => true, act: { status: step.status, reason: 'Ordered' }, times: step.times })
      break
    case 'break list':
      server.fail({ match: ({ query }) => query.has('sendInitialEvents'), act: { cutAfter: step.after } })
      break
    case 'cut':
      server.network.cut()
      break
    case 'expire':
      for (const watch of watches) watch.expire()
      break
    case 'end':
      for (const watch of watches) watch.end()
      break
    case 'compact':
      server.state.compact()
      break
    case 'repeat':
      for (const watch of watches) watch.repeat(8)
      break
    case 'hold':
      for (const watch of watches) watch.hold()
      break
    case 'release':
      for (const watch of watches) watch.release()
      // Cut off between events out of order, what came late would be lost with any client.
      await sleep(40)
      break
    case 'go away':
      server.goAway()
      break
    case 'bookmark':
      for (const watch of watches) watch.bookmark()
      break
    case 'freeze':
      server.network.freeze()
      await sleep(30)
      server.network.thaw()
      break
    case 'refuse':
      server.network.refuse({ refusing: true })
      await sleep(30)
      server.network.refuse({ refusing: false })
      break
    case 'pause':
      await sleep(25)
      break
  }
}

const addresses = (objects: Iterable<{ metadata: { name: string; uid: string }; spec?: unknown }>) =>
  [...objects]
    .map(
      ({ metadata, spec }) => `${metadata.name} ${metadata.uid} ${(spec as { clusterIP: string }).clusterIP}`,
    )
    .sort()

/** Follows the store as a consumer and complains about deletions that never were. */
function consumer(store: Store, server: ApiServer): { view: Map<string, string>; wrong: string[] } {
  const view = new Map<string, string>()
  const wrong: string[] = []
  store.subscribe({ name: 'consumer', kinds: ['Service'], coalesceMs: 0 }, (changes) => {
    for (const [key, { before, after }] of changes.objects('Service')) {
      if (after !== undefined) view.set(key, `${after.metadata.uid} ${after.spec.clusterIP}`)
      else {
        view.delete(key)
        const alive = server.get('Service', key)
        // The one deleted may have a successor by now; itself it must be gone.
        if (alive?.metadata.uid === before?.metadata.uid) wrong.push(`${key} ${before?.metadata.uid}`)
      }
    }
  })
  return { view, wrong }
}

test(`whatever the server does, the store ends equal to it and nobody saw a false delete (seed ${seed})`, async (t) => {
  const directory = testDirectory(t, 'faults')
  await fc.assert(
    fc.asyncProperty(steps, fc.constantFrom('h2' as const, 'plain' as const), async (history, mode) => {
      const server = await ApiServer.start({ mode })
      const kubeconfig = server.writeKubeconfig(join(directory, 'kubeconfig'))
      const source = kubernetesSource({ kubeconfig, log, kinds: [{ kind: 'Service' }], timing: quick })
      try {
        server.put(service('s0'), service('s1'), service('stable'))
        const store = await openStore({ source, log })
        const { view, wrong } = consumer(store, server)
        for (const step of history) {
          await take(server, step)
          await sleep(0)
        }
        server.faults.clear()
        for (const watch of server.watches) watch.release()
        const truth = (): string[] =>
          addresses(server.state.collection({ plural: 'services' }).objects.values() as never)
        await waitUntil(() => addresses(store.list('Service')).join() === truth().join(), {
          what: 'the store to equal the server',
          timeoutMs: 15_000,
        })
        store.flush()
        t.deepEqual(wrong, [])
        t.deepEqual([...view].map(([key, value]) => `${key.slice(5)} ${value}`).sort(), truth())
        await store.close()
      } finally {
        await source.stop()
        await server.stop()
      }
    }),
    { numRuns: Number(process.env['PLEXUS_RUNS'] ?? 25), seed, endOnFailure: true },
  )
})
