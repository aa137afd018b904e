import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import type { AnyObject, Kind } from '../objects/kinds.ts'
import type { Key } from '../objects/meta.ts'
import type { ChangeSet, Subscription } from '../store/change-set.ts'
import type { Store } from '../store/store.ts'
import { type Answer, encodeFrame, type Frame, FrameReader, replicaProtocol } from './frame.ts'

export interface ReplicaFeedOptions {
  readonly store: Store
  /** what the replica gets; a DNS worker needs no Secrets */
  readonly kinds: readonly Kind[]
  /** the way to the worker: a socket, or a pipe */
  readonly stream: Duplex
  /** for logs and metrics */
  readonly name: string
  readonly log: Logger
  /** a worker that takes nothing for this long is given up (30 s) */
  readonly patienceMs?: number | undefined
  /** how often a quiet stream shows that it is alive (5 s) */
  readonly beatMs?: number | undefined
}

export interface ReplicaFeed {
  /** resolves when the stream has ended, for whatever reason */
  readonly closed: Promise<void>
  close(): void
}

const objectsAtOnce = 256

/**
 * Feeds one worker's replica from the store: the whole state, then every change set. While the worker
 * does not read, nothing is written; what changes meanwhile collects in the store's subscription,
 * at most one change per object. Neither the store nor other workers wait for it.
 */
export function feedReplica(options: ReplicaFeedOptions): ReplicaFeed {
  return new Feed(options)
}

class Feed implements ReplicaFeed {
  readonly closed: Promise<void>
  readonly #options: ReplicaFeedOptions
  readonly #beat: NodeJS.Timeout
  #subscription: Subscription | undefined
  #number = 0
  #written = performance.now()
  #ended = false

  constructor(options: ReplicaFeedOptions) {
    this.#options = options
    const { stream, name, log } = options
    const ended = Promise.withResolvers<void>()
    this.closed = ended.promise
    const reader = new FrameReader<Answer>()
    stream.on('data', (chunk: Buffer) => {
      try {
        for (const { type } of reader.push(chunk)) if (type === 'resync') this.#begin()
      } catch (error) {
        log.warn({ err: error, replica: name }, 'a replica sent nonsense; its stream is closed')
        this.close()
      }
    })
    stream.on('error', (error) => log.debug({ err: error, replica: name }, 'the stream to a replica broke'))
    stream.on('close', () => {
      this.#end()
      ended.resolve()
    })
    this.#beat = setInterval(() => this.#pulse(), options.beatMs ?? 5000)
    this.#beat.unref()
    this.#begin()
  }

  close(): void {
    this.#end()
    this.#options.stream.destroy()
  }

  /** From the beginning: a new subscription brings the whole state. */
  #begin(): void {
    if (this.#ended) return
    this.#subscription?.close()
    const { store, kinds, name } = this.#options
    const subscription = store.subscribe({ name: `replica ${name}`, kinds }, async (changes) => {
      if (this.#subscription !== subscription) return
      if (changes.initial) await this.#sendState(changes)
      else await this.#sendChanges(changes)
    })
    this.#subscription = subscription
  }

  async #sendState(changes: ChangeSet): Promise<void> {
    const { kinds } = this.#options
    this.#number = 0
    await this.#write({ type: 'hello', protocol: replicaProtocol, kinds })
    let objects: AnyObject[] = []
    for (const kind of kinds) {
      for (const { after } of changes.objects(kind).values()) {
        if (after === undefined) continue
        objects.push(after)
        if (objects.length < objectsAtOnce) continue
        await this.#write({ type: 'state', objects, last: false })
        objects = []
      }
    }
    await this.#write({ type: 'state', objects, last: true })
  }

  async #sendChanges(changes: ChangeSet): Promise<void> {
    const objects: AnyObject[] = []
    const deleted: [Kind, Key][] = []
    for (const kind of this.#options.kinds) {
      for (const [key, { after }] of changes.objects(kind)) {
        if (after === undefined) deleted.push([kind, key])
        else objects.push(after)
      }
    }
    const at = performance.timeOrigin + changes.at
    await this.#write({ type: 'changes', number: ++this.#number, at, objects, deleted })
  }

  /** Resolves when the stream takes more; gives the worker up when that takes too long. */
  async #write(frame: Frame): Promise<void> {
    const { stream, patienceMs = 30_000, name, log } = this.#options
    if (this.#ended) return
    this.#written = performance.now()
    if (stream.write(encodeFrame(frame))) return
    const patience = new AbortController()
    const timer = setTimeout(() => {
      log.warn({ replica: name, patienceMs }, 'a replica takes nothing any more; its stream is closed')
      this.close()
      patience.abort()
    }, patienceMs)
    const gone = this.closed.then(() => patience.abort())
    await once(stream, 'drain', { signal: patience.signal }).catch(() => gone)
    clearTimeout(timer)
  }

  #pulse(): void {
    const { stream, beatMs = 5000 } = this.#options
    if (this.#ended || stream.writableNeedDrain || performance.now() - this.#written < beatMs / 2) return
    stream.write(encodeFrame({ type: 'beat', number: this.#number }))
  }

  #end(): void {
    this.#ended = true
    clearInterval(this.#beat)
    this.#subscription?.close()
    this.#subscription = undefined
  }
}
