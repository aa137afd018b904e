/** A worker process: serves what its primary says from a replica of the primary's watch cache. Started by pool.ts. */
import { Socket } from 'node:net'
import { type Logger, pino } from 'pino'
import { Registry } from 'prom-client'
import { openStore, replicaSource, type Store } from '#watch'
import { Serving } from '../component/serving.ts'
import { MetricFamilies } from '../metrics/metrics.ts'
import { type FromWorker, type Order, replicaDescriptor, type ToWorker } from './messages.ts'

/** how often the primary is told of troubles, when they are others than before */
const troublesEveryMs = 500

// To the primary, which writes it to the log of the component.
const log = pino({ level: process.env['PLEXUS_DNS_LOG_LEVEL'] ?? 'info', base: null }, pino.destination(1))
const metrics = new MetricFamilies(new Registry())
let serving: Serving | undefined
let order: Order | undefined
let working: Promise<void> = Promise.resolve()

// The whole process group gets what a terminal sends; the primary says when it is time.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit(0))
process.on('message', (message: ToWorker) => {
  if (message.type === 'scrape') scrape(message.id)
  else working = working.then(() => (message.type === 'serve' ? serve(message) : stop()))
})

async function serve(next: Order & { readonly replica: boolean }): Promise<void> {
  const before = order
  order = next
  try {
    if (serving === undefined) {
      const made = new Serving({
        store: next.replica ? await openReplica(log) : undefined,
        log,
        metrics,
        defaultPort: next.defaultPort,
        parse: () => (order ?? next).corefile,
        withoutHttp: true,
        reusePort: true,
        portOf: (label) => order?.ports[label],
      })
      await made.start()
      serving = made
      reportTroubles(made)
    } else if (!(await serving.reload())) throw new Error('the new configuration is not served, see the log')
    tell({ type: 'serving' })
  } catch (error) {
    order = before
    tell({ type: 'failed', reason: error instanceof Error ? error.message : String(error) })
  }
}

/** Without its primary's cache a worker would serve old data for ever: it ends, and another one takes its place. */
function openReplica(logger: Logger): Promise<Store> {
  let opened = false
  const connect = (): Socket => {
    if (opened) process.exit(1)
    opened = true
    return new Socket({ fd: replicaDescriptor, readable: true, writable: true })
  }
  return openStore({ source: replicaSource({ connect, log: logger }), log: logger })
}

function reportTroubles(current: Serving): void {
  let told = '[]'
  setInterval(() => {
    const troubles = current.troubles()
    const text = JSON.stringify(troubles)
    if (text === told) return
    told = text
    tell({ type: 'troubles', troubles })
  }, troublesEveryMs).unref()
}

function scrape(id: number): void {
  tell({ type: 'samples', id, families: metrics.samples() })
}

async function stop(): Promise<void> {
  await serving?.stop({ lameduck: false })
  process.exit(0)
}

function tell(message: FromWorker): void {
  // A primary that is gone needs no answer.
  if (process.connected) process.send?.(message, () => undefined)
}
