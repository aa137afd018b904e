import { type Duplex, duplexPair } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import {
  feedReplica,
  type Kind,
  kinds,
  type MemorySource,
  memorySource,
  openStore,
  type ReplicaFeed,
  replicaSource,
  type Store,
} from '#watch'
import { encodeFrame, type Frame, FrameReader } from '../../watch/replica/frame.ts'
import { waitUntil } from '../support/index.ts'
import { log, pod, service, slice } from './objects.ts'

interface Pair {
  readonly source: MemorySource
  readonly primary: Store
  readonly replica: Store
  /** the streams opened so far, the primary's end and the replica's */
  readonly streams: (readonly [Duplex, Duplex])[]
  readonly feeds: ReplicaFeed[]
}

const watched: readonly Kind[] = ['Service', 'EndpointSlice', 'Pod', 'Secret']

async function pair(
  t: ExecutionContext,
  options: { objects?: object[]; patienceMs?: number; through?: (frame: Frame) => boolean } = {},
): Promise<Pair> {
  const source = memorySource({ standalone: false })
  source.apply(...(options.objects ?? []))
  const primary = await openStore({ source, log })
  const streams: (readonly [Duplex, Duplex])[] = []
  const feeds: ReplicaFeed[] = []
  const connect = (): Duplex => {
    const [near, far] = duplexPair({ highWaterMark: 4096 })
    streams.push([near, far])
    const { patienceMs } = options
    feeds.push(
      feedReplica({ store: primary, kinds: watched, stream: near, name: 't', log, patienceMs, beatMs: 20 }),
    )
    return options.through === undefined ? far : filtered(far, options.through)
  }
  const replica = await openStore({
    source: replicaSource({ connect, log, retryMs: 5, silenceMs: 300 }),
    log,
  })
  t.teardown(async () => {
    await replica.close()
    for (const feed of feeds) feed.close()
    await primary.close()
  })
  return { source, primary, replica, streams, feeds }
}

/** Lets only those frames through which pass the filter. */
function filtered(from: Duplex, through: (frame: Frame) => boolean): Duplex {
  const [near, far] = duplexPair()
  const reader = new FrameReader<Frame>()
  from.on('data', (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) if (through(frame)) near.write(encodeFrame(frame))
  })
  near.on('data', (chunk: Buffer) => from.write(chunk))
  from.on('close', () => near.destroy())
  near.on('close', () => from.destroy())
  return far
}

const names = (store: Store): string[] =>
  watched.flatMap((kind) => [...store.list(kind)].map(({ metadata }) => `${kind} ${metadata.name}`)).sort()

test('a replica has the whole state and follows in the same steps', async (t) => {
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', namespace: 'shop' },
    data: { x: 'AAE=' },
  }
  const { source, replica, primary } = await pair(t, {
    objects: [service('a'), slice('a-1', 'a', [{ addresses: ['10.1.0.1'] }]), secret],
  })
  t.deepEqual(replica.endpoints.of('shop/a'), primary.endpoints.of('shop/a'))
  t.deepEqual([...(replica.get('Secret', 'shop/s')?.data['x'] ?? [])], [0, 1])
  const steps: number[] = []
  replica.subscribe({ name: 't', kinds: watched, coalesceMs: 0 }, (changes) => {
    if (!changes.initial) steps.push(changes.objects('Service').size + changes.objects('Pod').size)
  })
  replica.flush()
  source.apply(service('b'), pod('p'), service('a', { clusterIP: '10.96.0.99' }))
  await waitUntil(() => replica.get('Pod', 'shop/p'))
  await waitUntil(() => steps.length > 0)
  t.deepEqual(steps, [3])
  source.delete('Service', 'shop/b')
  await waitUntil(() => replica.get('Service', 'shop/b') === undefined)
  t.deepEqual(names(replica), names(primary))
})

test('a large state arrives in parts and is taken over as one', async (t) => {
  const objects = Array.from({ length: 2000 }, (_, index) => service(`s${index}`))
  const { replica } = await pair(t, { objects })
  t.is(replica.size('Service'), 2000)
})

test('a worker that does not read costs no more than one change per object, and nobody waits for it', async (t) => {
  const { source, primary, replica, streams } = await pair(t, { objects: [service('a')] })
  let heard = 0
  primary.subscribe({ name: 'other', kinds: ['Service'], coalesceMs: 0 }, () => void heard++)
  const [near, far] = streams[0] ?? []
  far?.pause()
  for (let round = 0; round < 50; round++) {
    source.apply(service('a', { clusterIP: `10.96.1.${round}` }), service(`s${round}`), pod(`p${round}`))
    await sleep(2)
  }
  t.true(heard > 10)
  t.true((near?.writableLength ?? 0) < 100_000)
  far?.resume()
  await waitUntil(() => replica.get('Service', 'shop/a')?.spec.clusterIP === '10.96.1.49')
  await waitUntil(() => names(replica).join() === names(primary).join())
  t.is(replica.size('Pod'), 50)
})

test('a worker that takes nothing for too long is given up', async (t) => {
  const { source, streams, feeds } = await pair(t, { objects: [service('a')], patienceMs: 100 })
  const [, far] = streams[0] ?? []
  far?.removeAllListeners('readable')
  far?.pause()
  for (let round = 0; round < 40; round++) {
    source.apply(...Array.from({ length: 20 }, (_, index) => service(`s${round}-${index}`)))
    await sleep(2)
  }
  await feeds[0]?.closed
  t.pass()
})

test('a change set that got lost is noticed, by the next one or by a beat', async (t) => {
  let drop = 0
  const { source, primary, replica } = await pair(t, {
    objects: [service('a')],
    through: (frame) => !(frame.type === 'changes' && drop-- > 0),
  })
  drop = 1
  source.apply(service('b'))
  await waitUntil(() => replica.get('Service', 'shop/b'))
  drop = 2
  source.delete('Service', 'shop/b')
  source.apply(service('c'))
  await waitUntil(() => names(replica).join() === names(primary).join())
  t.deepEqual(names(replica), ['Service a', 'Service c'])
})

test('while the primary is away the last state stays; then only differences are changes', async (t) => {
  const { source, replica, streams } = await pair(t, { objects: [service('a'), service('b')] })
  const told: string[] = []
  replica.subscribe({ name: 't', kinds: ['Service'], coalesceMs: 0 }, (changes) => {
    if (changes.initial) return
    for (const [key, { after }] of changes.objects('Service')) told.push(`${key} ${after ? 'is' : 'gone'}`)
  })
  replica.flush()
  for (const [near] of streams) near.destroy()
  source.delete('Service', 'shop/b')
  t.is(replica.size('Service'), 2)
  await waitUntil(() => replica.size('Service') === 1)
  await waitUntil(() => told.length > 0)
  t.deepEqual(told, ['shop/b gone'])
  await waitUntil(() => replica.status().current)
})

test('after any history of changes, pauses and broken streams the replica equals the primary', async (t) => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('put', 'delete'), index: fc.nat(6) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constantFrom('break', 'pause', 'resume', 'wait'), index: fc.nat(5) }),
    },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (history) => {
      const { source, primary, replica, streams } = await pair(t, { objects: [service('s0')] })
      for (const { do: what, index } of history) {
        const [near, far] = streams.at(-1) ?? []
        if (what === 'put') source.apply(service(`s${index}`, { clusterIP: `10.96.2.${index}` }))
        else if (what === 'delete') source.delete('Service', `shop/s${index}`)
        else if (what === 'break') near?.destroy()
        else if (what === 'pause') far?.pause()
        else if (what === 'resume') far?.resume()
        else await sleep(index)
      }
      streams.at(-1)?.[1].resume()
      await waitUntil(() => names(replica).join() === names(primary).join(), {
        what: 'the replica to catch up',
      })
    }),
    { numRuns: 30 },
  )
  t.true(kinds.length > watched.length)
})
