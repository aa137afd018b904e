// What consumers are served while the API server is away, unreachable, or the clock jumps. A minute each with PLEXUS_LONG=1.
import test, { type ExecutionContext } from 'ava'
import type { Store } from '#watch'
import type { ApiServer } from '../../apiserver/api-server.ts'
import { sleep, waitUntil } from '../../support/index.ts'
import { service, slice } from '../objects.ts'
import { cluster } from './support.ts'

const outageMs = process.env['PLEXUS_LONG'] === undefined ? 1500 : 60_000
const services = 40

function putAll(server: ApiServer): void {
  for (let number = 0; number < services; number++) {
    server.put(
      service(`s${number}`),
      slice(`s${number}-1`, `s${number}`, [{ addresses: [`10.1.0.${number}`] }]),
    )
  }
}

/** Everything a consumer is told from now on, and what it could ask for. */
function consumer(store: Store) {
  const told: string[] = []
  const subscription = store.subscribe(
    { name: 'consumer', kinds: ['Service', 'EndpointSlice'], services: true, coalesceMs: 0 },
    (changes) => {
      if (changes.initial) return
      for (const kind of ['Service', 'EndpointSlice'] as const) {
        for (const [key, { after }] of changes.objects(kind))
          told.push(`${kind} ${key} ${after === undefined ? 'gone' : 'is'}`)
      }
      for (const key of changes.services) told.push(`endpoints of ${key}`)
    },
  )
  const served = (): string =>
    Array.from({ length: services }, (_, number) =>
      store.endpoints
        .of(`shop/s${number}`)
        .addresses.map(({ address }) => address)
        .join(),
    ).join(' ')
  return { told, served, close: () => subscription.close() }
}

async function undisturbed(
  t: ExecutionContext,
  outage: (server: ApiServer) => { during?: () => void; end: () => void },
): Promise<void> {
  const { server, open } = await cluster(t)
  putAll(server)
  const store = await open()
  const { told, served } = consumer(store)
  const before = served()
  t.is(before.split(' ').filter((address) => address !== '').length, services)
  await waitUntil(() => [...server.watches].some(({ resource }) => resource.plural === 'services'))
  const { during, end } = outage(server)
  const until = performance.now() + outageMs
  while (performance.now() < until) {
    during?.()
    await sleep(50)
    store.flush()
    t.is(served(), before)
    t.deepEqual(told, [])
  }
  end()
  // The first change after it arrives, and it is the only one.
  server.put(slice('s7-1', 's7', [{ addresses: ['10.1.9.9'] }]))
  await waitUntil(() => store.endpoints.of('shop/s7').addresses[0]?.address === '10.1.9.9', {
    timeoutMs: 90_000,
  })
  await waitUntil(() => store.status().current, { timeoutMs: 90_000 })
  store.flush()
  t.deepEqual(told, ['EndpointSlice shop/s7-1 is', 'endpoints of shop/s7'])
}

test('the API server is away: nothing served changes until something really does', (t) =>
  undisturbed(t, ({ network }) => {
    network.refuse({ refusing: true })
    network.cut()
    return { end: () => network.refuse({ refusing: false }) }
  }))

test('the network swallows everything both ways: likewise', (t) =>
  undisturbed(t, ({ network }) => {
    network.freeze()
    return { end: () => network.thaw() }
  }))

test('the API server answers with errors, one after the other: likewise', (t) =>
  undisturbed(t, ({ faults, network }) => {
    const status = [500, 503, 429, 410]
    let number = 0
    faults.add({ match: () => true, act: { status: 503, reason: 'ServiceUnavailable' }, times: 3 })
    network.cut()
    return {
      during: () => {
        if (number++ % 4 === 0) network.cut()
        faults.add({
          match: () => true,
          act: { status: status[number % status.length] ?? 500, reason: 'Ordered' },
        })
      },
      end: () => faults.clear(),
    }
  }))

test.serial('the clock jumps an hour ahead and a day back: nobody notices', async (t) => {
  const { now } = Date
  t.teardown(() => void (Date.now = now))
  const shifts = [3_600_000, -86_400_000, 0]
  let number = 0
  await undisturbed(t, () => ({
    during: () => {
      const shift = shifts[number++ % shifts.length] ?? 0
      Date.now = () => now() + shift
    },
    end: () => void (Date.now = now),
  }))
})
