import type { Logger } from 'pino'
import type { Regarding } from '../../source.ts'
import type { ApiClient } from '../connection/api-client.ts'

export interface EventRecorderOptions {
  readonly client: ApiClient
  readonly log: Logger
  /** e.g. 'plexus-gateway' */
  readonly controller: string
  /** this node, or this pod */
  readonly instance: string
  /** the same event about the same object is not written again for this long (10 min) */
  readonly quietMs?: number | undefined
  /** events at once, refilled one every five minutes per object (as client-go's spam filter: 25) */
  readonly burst?: number | undefined
}

export interface EventText {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly note: string
  /** what was being done, in CamelCase ('Reading') */
  readonly action?: string | undefined
}

const refillMs = 300_000
const remembered = 4096

/**
 * Tells users about their objects with Events (events.k8s.io/v1). Never waits and never throws: an
 * event that cannot be written is logged. Repetitions and floods are dropped.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #written = new Map<string, number>()
  readonly #budgets = new Map<string, { tokens: number; at: number }>()

  constructor(options: EventRecorderOptions) {
    this.#options = options
  }

  /** `reason` in CamelCase for machines, `note` for people. */
  warn(object: Regarding, reason: string, note: string): void {
    this.record(object, { type: 'Warning', reason, note })
  }

  note(object: Regarding, reason: string, note: string): void {
    this.record(object, { type: 'Normal', reason, note })
  }

  record(object: Regarding, event: EventText): void {
    const { client, log, controller, instance, quietMs = 600_000 } = this.#options
    const { namespace, name, uid } = object.metadata
    const about = `${object.kind} ${namespace}/${name} ${uid}`
    const now = performance.now()
    const text = `${about} ${event.reason} ${event.note}`
    if (now - (this.#written.get(text) ?? Number.NEGATIVE_INFINITY) < quietMs || !this.#afford(about, now))
      return
    remember(this.#written, text, now)
    const where = namespace === '' ? 'default' : namespace
    client
      .json({
        method: 'POST',
        path: `/apis/events.k8s.io/v1/namespaces/${where}/events`,
        body: {
          apiVersion: 'events.k8s.io/v1',
          kind: 'Event',
          metadata: { name: eventName(name), namespace: where },
          eventTime: `${new Date().toISOString().slice(0, -1)}000Z`,
          type: event.type,
          reason: event.reason,
          // The API allows 1 kB.
          note: event.note.slice(0, 1000),
          action: event.action ?? 'Reading',
          reportingController: controller,
          reportingInstance: instance.slice(0, 128),
          regarding: { apiVersion: object.apiVersion, kind: object.kind, namespace, name, uid },
        },
      })
      .catch((error: unknown) => log.warn({ err: error, object: about }, 'an Event could not be written'))
  }

  #afford(about: string, now: number): boolean {
    const { burst = 25 } = this.#options
    const known = this.#budgets.get(about) ?? { tokens: burst, at: now }
    const tokens = Math.min(burst, known.tokens + (now - known.at) / refillMs)
    remember(this.#budgets, about, { tokens: Math.max(0, tokens - 1), at: now })
    return tokens >= 1
  }
}

/** As client-go names them: the object and the time, here with a random part. A `generateName` may not end with a dot. */
function eventName(object: string): string {
  const time = BigInt(Date.now()) * 1_000_000n + BigInt(Math.floor(Math.random() * 1_000_000))
  return `${object.slice(0, 230)}.${time.toString(16)}`
}

/** Puts last; forgets what was put longest ago. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > remembered && oldest !== undefined) map.delete(oldest)
}
