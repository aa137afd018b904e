import type { IncomingMessage, ServerResponse } from 'node:http'
import { Session } from 'node:inspector/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapSnapshot, getHeapStatistics } from 'node:v8'
import type { Next, Outcome, Plugin } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { type HttpHandler, respondText } from '../../http/endpoints.ts'

const maxSeconds = 300
const defaultSeconds = 30
/** octets between samples of the heap profile */
const samplingInterval = 32_768

/** Profiles of this process over HTTP, in the formats Chrome's developer tools open. */
export class PprofPlugin implements Plugin {
  readonly name = 'pprof'
  readonly #resolutionMs: number
  #delay: ReturnType<typeof monitorEventLoopDelay> | undefined

  /** `resolutionMs` 0: the event loop's delay is not measured. */
  constructor(options: { resolutionMs: number }) {
    this.#resolutionMs = options.resolutionMs
  }

  handle(query: Query, next: Next): Outcome {
    return next(query)
  }

  start(): void {
    if (this.#resolutionMs === 0) return
    this.#delay = monitorEventLoopDelay({ resolution: this.#resolutionMs })
    this.#delay.enable()
  }

  stop(): void {
    this.#delay?.disable()
  }

  /** What is served, by path. */
  readonly pages: Readonly<Record<string, HttpHandler>> = {
    '/debug/pprof/': (_, response) =>
      respondText(
        response,
        200,
        [
          '/debug/pprof/profile?seconds=30  CPU profile (.cpuprofile)',
          '/debug/pprof/heap?seconds=30     allocations by sampling (.heapprofile)',
          '/debug/pprof/heapsnapshot        the whole heap (.heapsnapshot; stops the process for a while)',
          '/debug/pprof/memory              sizes of the heap and of the process (JSON)',
          '/debug/pprof/block               delays of the event loop (JSON; with the block option)',
          '',
        ].join('\n'),
      ),
    '/debug/pprof/profile': (request, response) => {
      void this.#profile(request, response, async (session, seconds) => {
        await session.post('Profiler.enable')
        await session.post('Profiler.start')
        await pause(seconds)
        return (await session.post('Profiler.stop')).profile
      })
    },
    '/debug/pprof/heap': (request, response) => {
      void this.#profile(request, response, async (session, seconds) => {
        await session.post('HeapProfiler.startSampling', { samplingInterval })
        await pause(seconds)
        return (await session.post('HeapProfiler.stopSampling')).profile
      })
    },
    '/debug/pprof/heapsnapshot': (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      getHeapSnapshot().pipe(response)
    },
    '/debug/pprof/memory': (_, response) =>
      respondJson(response, { process: process.memoryUsage(), heap: getHeapStatistics() }),
    '/debug/pprof/block': (_, response) => {
      if (this.#delay === undefined) return respondText(response, 404, 'the block option is not set\n')
      const { min, mean, max, stddev } = this.#delay
      const at = (percentile: number): number => this.#delay?.percentile(percentile) ?? 0
      respondJson(response, {
        unit: 'ns',
        min,
        mean,
        max,
        stddev,
        p50: at(50),
        p90: at(90),
        p99: at(99),
        p999: at(99.9),
      })
    },
  }

  async #profile(
    request: IncomingMessage,
    response: ServerResponse,
    take: (session: Session, seconds: number) => Promise<unknown>,
  ): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const seconds = Number(url.searchParams.get('seconds') ?? defaultSeconds)
    if (!(seconds > 0 && seconds <= maxSeconds))
      return respondText(response, 400, `seconds must be from 0 to ${maxSeconds}\n`)
    const session = new Session()
    try {
      session.connect()
      respondJson(response, await take(session, seconds))
    } catch (error) {
      respondText(response, 500, `${String(error)}\n`)
    } finally {
      session.disconnect()
    }
  }
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000)
  })
}

function respondJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
