import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { revivedObject } from '../compact/compact.ts'
import type { AnyObject, Kind } from '../objects/kinds.ts'
import type { Change, Sink, Source, SourceStatus } from '../source.ts'
import { encodeFrame, type Frame, FrameReader, ReplicaStreamError, replicaProtocol } from './frame.ts'

export interface ReplicaSourceOptions {
  /** opens the stream to the primary; called again when it broke */
  readonly connect: () => Duplex | Promise<Duplex>
  readonly log: Logger
  /** a stream that is silent for this long is given up (20 s; the primary beats every 5) */
  readonly silenceMs?: number | undefined
  /** before the stream is opened again (100 ms) */
  readonly retryMs?: number | undefined
}

/**
 * The store of another process as a source: the same objects in the same steps. While the primary is
 * away the last state stays; when it is back its whole state is taken over by its differences alone.
 */
export function replicaSource(options: ReplicaSourceOptions): Source {
  return new ReplicaSource(options)
}

class ReplicaSource implements Source {
  readonly name = 'replica'
  /** what a control plane would add is among the objects */
  readonly standalone = false
  readonly #options: ReplicaSourceOptions
  readonly #stop = new AbortController()
  readonly #synced = Promise.withResolvers<void>()
  #isSynced = false
  #stream: Duplex | undefined
  #sink: Sink | undefined
  #kinds: readonly Kind[] = []
  /** a whole state on its way in */
  #state: Map<Kind, AnyObject[]> | undefined
  #number = 0
  #resyncing = false
  #current = false
  #running: Promise<void> | undefined

  constructor(options: ReplicaSourceOptions) {
    this.#options = options
  }

  async start(sink: Sink): Promise<void> {
    this.#sink = sink
    this.#running = this.#run()
    await this.#synced.promise
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#stream?.destroy()
    await this.#running
  }

  status(): SourceStatus {
    const detail = this.#current
      ? 'in step with the agent'
      : 'no stream from the agent; the last state is served'
    return {
      source: this.name,
      synced: this.#isSynced,
      files: [],
      problems: [],
      current: this.#current,
      detail,
    }
  }

  async #run(): Promise<void> {
    const { connect, log, retryMs = 100 } = this.#options
    while (!this.#stop.signal.aborted) {
      try {
        await this.#read(await connect())
      } catch (error) {
        if (!this.#stop.signal.aborted) log.warn({ err: error }, 'the stream from the agent broke')
      }
      this.#current = false
      await sleep(retryMs, undefined, { signal: this.#stop.signal }).catch(() => {})
    }
  }

  async #read(stream: Duplex): Promise<void> {
    this.#stream = stream
    this.#state = undefined
    const { silenceMs = 20_000 } = this.#options
    const silent = (): void => void stream.destroy(new ReplicaStreamError(`silent for ${silenceMs} ms`))
    const timer = setTimeout(silent, silenceMs)
    const reader = new FrameReader<Frame>()
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        timer.refresh()
        for (const frame of reader.push(chunk)) this.#take(frame, stream)
      }
    } finally {
      clearTimeout(timer)
      stream.destroy()
    }
  }

  #take(frame: Frame, stream: Duplex): void {
    switch (frame.type) {
      case 'hello':
        if (frame.protocol !== replicaProtocol) {
          throw new ReplicaStreamError(
            `the agent speaks protocol ${frame.protocol}, this worker ${replicaProtocol}`,
          )
        }
        this.#kinds = frame.kinds
        this.#state = new Map(frame.kinds.map((kind) => [kind, []]))
        this.#resyncing = false
        break
      case 'state':
        for (const object of frame.objects.map(revivedObject)) this.#state?.get(object.kind)?.push(object)
        if (frame.last) this.#takeState()
        break
      case 'changes':
        if (this.#inOrder(frame.number, stream)) this.#apply(frame)
        break
      case 'beat':
        if (frame.number !== this.#number) this.#resync(stream)
        break
    }
  }

  #takeState(): void {
    const state = this.#state
    if (state === undefined) return
    this.#state = undefined
    this.#number = 0
    this.#sink?.replaceAll(this.#kinds, [...state.values()].flat())
    this.#current = true
    if (this.#isSynced) return
    this.#isSynced = true
    this.#synced.resolve()
  }

  #apply({ objects, deleted, at }: Extract<Frame, { type: 'changes' }>): void {
    const changes: Change[] = objects.map((object) => ({ object: revivedObject(object) }))
    for (const [kind, key] of deleted) changes.push({ kind, deleted: key })
    this.#sink?.apply(changes, { at: at - performance.timeOrigin })
  }

  /** True for the next change set; a gap means that only the whole state helps. */
  #inOrder(number: number, stream: Duplex): boolean {
    if (this.#resyncing || this.#state !== undefined) return false
    if (number === this.#number + 1) {
      this.#number = number
      return true
    }
    this.#resync(stream)
    return false
  }

  #resync(stream: Duplex): void {
    if (this.#resyncing || this.#state !== undefined) return
    this.#resyncing = true
    this.#options.log.warn('change sets are missing; asking for the whole state')
    stream.write(encodeFrame({ type: 'resync' }))
  }
}
