import type { Tables } from '../dataplane/tables.ts'
import type { Counter, Usage } from '../plugins/limit-count/counter.ts'
import { FixedWindows } from '../plugins/limit-count/fixed-windows.ts'
import { SlidingWindows } from '../plugins/limit-count/sliding-windows.ts'

export type WindowKind = 'fixed' | 'sliding'

/** One request to be counted by the primary. */
export interface CountRequest {
  readonly type: 'count'
  readonly id: number
  readonly kind: WindowKind
  readonly key: string
  readonly windowMs: number
  readonly limit: number
}

const PLUGIN = 'limit-count'
const PATIENCE_MS = 2000

/** In the primary: the counters that it uses itself, which its workers' requests are counted in as well. */
export function countFor(
  tables: Tables,
  { kind, key, windowMs, limit }: CountRequest,
): Usage | Promise<Usage> {
  const state = tables.stateOf(PLUGIN)
  let windows = state.get(kind) as Counter | undefined
  if (windows === undefined) {
    windows = kind === 'sliding' ? new SlidingWindows() : new FixedWindows()
    state.set(kind, windows)
  }
  return windows.count(key, windowMs, limit)
}

/** In a worker: limit-count's local counters are the primary's, so that a limit is one limit however many processes serve. */
export class PrimaryCounters {
  readonly #ask: (request: CountRequest) => void
  readonly #waiting = new Map<number, { settle(usage: Usage): void; readonly timer: NodeJS.Timeout }>()
  #last = 0

  constructor(ask: (request: CountRequest) => void) {
    this.#ask = ask
  }

  install(tables: Tables): void {
    const state = tables.stateOf(PLUGIN)
    for (const kind of ['fixed', 'sliding'] as const) {
      const counter: Counter = {
        count: (key, windowMs, limit) => this.#count({ kind, key, windowMs, limit }),
      }
      state.set(kind, counter)
    }
  }

  #count(request: Omit<CountRequest, 'type' | 'id'>): Promise<Usage> {
    const id = ++this.#last
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error('the primary process does not answer'))
      }, PATIENCE_MS)
      this.#waiting.set(id, { settle: resolve, timer })
      this.#ask({ type: 'count', id, ...request })
    })
  }

  /** The primary's answer. */
  counted(id: number, usage: Usage): void {
    const waiter = this.#waiting.get(id)
    if (waiter === undefined) return
    clearTimeout(waiter.timer)
    this.#waiting.delete(id)
    waiter.settle(usage)
  }
}
