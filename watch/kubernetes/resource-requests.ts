import type { Readable } from 'node:stream'
import type { ApiClient } from './connection/api-client.ts'
import { ApiConnectionError } from './errors.ts'
import { endsInitialEvents } from './event-intake.ts'
import type { KindNeed } from './needs.ts'
import { pathOf, type Resource } from './resources.ts'
import { IncompleteListError } from './watch-errors.ts'
import { JsonListReader, type ListReader, type OnItem, ProtobufListReader } from './wire/list-stream.ts'
import { messages } from './wire/messages.ts'
import {
  type EventReader,
  JsonEventReader,
  ProtobufEventReader,
  type WatchEvent,
} from './wire/watch-stream.ts'

export interface ListRequest {
  /** undefined: the latest, by a quorum read */
  readonly version: string | undefined
  readonly signal: AbortSignal
  readonly onItem: OnItem
}

export interface WatchRequest {
  readonly version: string
  /** stream the whole state first */
  readonly initial: boolean
  readonly signal: AbortSignal
  readonly onOpen?: (() => void) | undefined
  /** the events of one chunk */
  readonly onEvents: (events: readonly WatchEvent[]) => void
}

const protobuf = 'application/vnd.kubernetes.protobuf'

/** Lists and watches of one kind, in protobuf where the kind has it. */
export class ResourceRequests {
  readonly #client: ApiClient
  readonly #resource: Resource
  readonly #selectors: Readonly<Record<string, string | undefined>>
  readonly #wire: 'protobuf' | 'json'
  readonly #watchSeconds: number

  constructor(options: {
    client: ApiClient
    resource: Resource
    need: KindNeed
    wire: 'protobuf' | 'json'
    watchSeconds: number
  }) {
    this.#client = options.client
    this.#resource = options.resource
    const { fieldSelector, labelSelector } = options.need
    this.#selectors = { fieldSelector, labelSelector }
    this.#wire = messages[options.resource.kind] === undefined ? 'json' : options.wire
    this.#watchSeconds = options.watchSeconds
  }

  /** Lists; resolves to the resourceVersion of the list. Throws ApiError, ApiConnectionError, WireError. */
  async list({ version, signal, onItem }: ListRequest): Promise<string> {
    let next: string | undefined
    for (;;) {
      // No limit: only then is the list served from the server's memory instead of from etcd.
      const answer = await this.#client.stream({
        path: pathOf(this.#resource),
        query: {
          ...this.#selectors,
          ...(next === undefined ? { resourceVersion: version } : { continue: next }),
        },
        accept: this.#wire === 'protobuf' ? `${protobuf},application/json` : 'application/json',
        signal,
      })
      const reader = this.#listReader(answer.header('content-type') ?? '', onItem)
      await readAll(answer.body, (chunk) => reader.push(chunk))
      const page = reader.finish()
      if (page.continue === '') return page.resourceVersion
      next = page.continue
    }
  }

  /** Watches until the server ends it. Throws ApiError, ApiConnectionError, WireError, IncompleteListError. */
  async watch({ version, initial, signal, onOpen, onEvents }: WatchRequest): Promise<void> {
    const seconds = Math.round(this.#watchSeconds * (1 + Math.random()))
    const answer = await this.#client.stream({
      path: pathOf(this.#resource),
      query: {
        ...this.#selectors,
        watch: '1',
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(seconds),
        resourceVersion: version,
        ...(initial ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' } : {}),
      },
      accept: this.#wire === 'protobuf' ? `${protobuf};stream=watch,application/json` : 'application/json',
      signal,
      unlimited: true,
    })
    onOpen?.()
    const reader = this.#eventReader(answer.header('content-type') ?? '')
    let complete = !initial
    await readAll(answer.body, (chunk) => {
      const events = reader.push(chunk)
      if (!complete)
        complete = events.some(({ type, object }) => type === 'BOOKMARK' && endsInitialEvents(object))
      if (events.length > 0) onEvents(events)
    })
    if (!complete) throw new IncompleteListError()
  }

  #listReader(contentType: string, onItem: OnItem): ListReader {
    const { kind, apiVersion } = this.#resource
    const message = messages[kind]
    if (message === undefined || !contentType.includes('protobuf')) return new JsonListReader(onItem)
    return new ProtobufListReader(message, { apiVersion, kind }, onItem)
  }

  #eventReader(contentType: string): EventReader {
    const message = messages[this.#resource.kind]
    if (message === undefined || !contentType.includes('protobuf')) return new JsonEventReader()
    return new ProtobufEventReader(message)
  }
}

/**
 * Every chunk of a body, until its end. By events: an iterator's promises cost as much as the decoding of an event.
 * Rejects when the body breaks off, or when `onChunk` throws.
 */
function readAll(body: Readable, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const broken = (): void => reject(body.errored ?? new ApiConnectionError('the answer broke off'))
    if (body.destroyed) {
      broken()
      return
    }
    body.on('data', (chunk: Buffer) => {
      try {
        onChunk(chunk)
      } catch (error) {
        reject(error)
        body.destroy()
      }
    })
    body.once('end', resolve)
    body.once('error', reject)
    body.once('close', broken)
    body.resume()
  }).finally(() => body.destroy())
}
