/** A worker process: one more data plane on the primary's ports. Started by worker.ts. */
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { Serving } from '../dataplane/serving.ts'
import type { FromWorker, MetricSamples, ToWorker } from './messages.ts'
import { joinSharedState } from './shared-memory.ts'

function tell(message: FromWorker): void {
  // A primary that is gone needs no answer.
  if (process.connected) process.send?.(message, () => undefined)
}

// The primary writes it to the log of the component.
const log = pino(
  { level: process.env.PLEXUS_GATEWAY_LOG_LEVEL ?? 'info', base: null, timestamp: false },
  { write: (line: string) => tell({ type: 'log', line }) },
)
const metrics = new Registry()
let serving: Serving | undefined
const asked = new Map<number, (text: string) => void>()
let lastAsked = 0
let working: Promise<void> = Promise.resolve()

// The whole process group gets what a terminal sends; the primary says when it is time.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit(0))
process.on('message', (message: ToWorker) => {
  if (message.type === 'scrape') void scrape(message.id)
  else if (message.type === 'exposition') exposed(message.id, message.text)
  else working = working.then(() => handle(message))
})

async function handle(message: Exclude<ToWorker, { readonly type: 'scrape' | 'exposition' }>): Promise<void> {
  switch (message.type) {
    case 'serve':
      try {
        await serve(message)
        tell({ type: 'serving' })
      } catch (error) {
        tell({ type: 'failed', reason: error instanceof Error ? error.message : String(error) })
      }
      break
    case 'apply':
      serving?.apply(message.changes)
      tell({ type: 'applied', revision: message.revision })
      break
    case 'stop':
      await serving?.drain()
      await serving?.close()
      process.exit(0)
  }
}

async function serve({ config, changes }: Extract<ToWorker, { readonly type: 'serve' }>): Promise<void> {
  if (serving !== undefined) {
    await serving.reconfigure(config, changes)
    return
  }
  const shared = await joinSharedState(Number(process.env.PLEXUS_GATEWAY_PROCESS))
  serving = await Serving.create({ config, log, metrics, exposition, shared })
  serving.apply(changes)
  await serving.open()
}

/** What all processes have counted: the primary knows. */
function exposition(): Promise<string> {
  const id = ++lastAsked
  return new Promise((resolve) => {
    asked.set(id, resolve)
    tell({ type: 'expose', id })
  })
}

function exposed(id: number, text: string): void {
  asked.get(id)?.(text)
  asked.delete(id)
}

async function scrape(id: number): Promise<void> {
  const samples = (await metrics.getMetricsAsJSON()) as readonly MetricSamples[]
  tell({ type: 'samples', id, samples })
}
