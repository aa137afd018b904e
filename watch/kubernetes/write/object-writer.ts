import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Kind } from '../../objects/kinds.ts'
import type { Key } from '../../objects/meta.ts'
import { equalValues } from '../../store/equal.ts'
import type { ApiClient } from '../connection/api-client.ts'
import { ApiError } from '../errors.ts'
import { pathOf, resourceOf } from '../resources.ts'

export interface ObjectWriterOptions {
  readonly client: ApiClient
  readonly log: Logger
  /** before a write that failed for the server's reasons is tried again, doubled each time (500 ms) */
  readonly retryMs?: number | undefined
}

type Raw = Readonly<Record<string, unknown>>

const patchTypes = {
  /** RFC 7386: a list replaces a list */
  merge: 'application/merge-patch+json',
  /** lists of built-in kinds are merged by the key of their items */
  strategic: 'application/strategic-merge-patch+json',
} as const

export interface PatchOptions {
  readonly subresource?: 'status'
  /** merge by default; custom resources know no other */
  readonly type?: keyof typeof patchTypes
}

const attempts = 5

/**
 * Writes back to the cluster: small patches, which touch nothing of other writers.
 * Requests count against the client's rate limit; 429 and server errors are tried again a few times.
 */
export class ObjectWriter {
  readonly #client: ApiClient
  readonly #log: Logger
  readonly #retryMs: number

  constructor({ client, log, retryMs = 500 }: ObjectWriterOptions) {
    this.#client = client
    this.#log = log
    this.#retryMs = retryMs
  }

  /** Sets annotations of a Node; null removes one. Throws ApiError, ApiConnectionError. */
  async annotateNode(name: string, annotations: Readonly<Record<string, string | null>>): Promise<void> {
    await this.patch('Node', name, { metadata: { annotations } })
  }

  /** Patches an object, whatever its version is. Throws ApiError, ApiConnectionError. */
  async patch(kind: Kind, key: Key, patch: Raw, options: PatchOptions = {}): Promise<Raw> {
    const { subresource, type = 'merge' } = options
    return (await this.#send('PATCH', pathFor(kind, key, subresource), {
      body: patch,
      contentType: patchTypes[type],
    })) as Raw
  }

  /**
   * Changes the status of an object by what `change` makes of the object as it is now. Written only
   * if nobody else wrote in between; then `change` is asked again. It returns undefined for no change.
   * Resolves to false if the object is gone. Throws ApiError, ApiConnectionError.
   */
  async updateStatus(kind: Kind, key: Key, change: (current: Raw) => Raw | undefined): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      const current = await this.#read(kind, key)
      if (current === undefined) return false
      const status = change(current)
      if (status === undefined || equalValues(status, current['status'])) return true
      const { resourceVersion } = current['metadata'] as { resourceVersion?: string }
      try {
        await this.patch(kind, key, { metadata: { resourceVersion }, status }, { subresource: 'status' })
        return true
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 409 || attempt >= attempts) throw error
        this.#log.debug({ object: `${kind} ${key}` }, 'somebody else wrote the status; once more')
      }
    }
  }

  async #read(kind: Kind, key: Key): Promise<Raw | undefined> {
    try {
      return (await this.#send('GET', pathFor(kind, key))) as Raw
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined
      throw error
    }
  }

  async #send(
    method: 'GET' | 'PATCH',
    path: string,
    content: { body?: unknown; contentType?: string } = {},
  ): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#client.json({ method, path, ...content })
      } catch (error) {
        const passing = !(error instanceof ApiError) || error.status === 429 || error.status >= 500
        if (!passing || attempt >= attempts) throw error
        const told = error instanceof ApiError ? error.retryAfterMs : undefined
        await sleep(told ?? this.#retryMs * 2 ** (attempt - 1) * (1 + Math.random()))
      }
    }
  }
}

function pathFor(kind: Kind, key: Key, subresource?: string): string {
  const slash = key.indexOf('/')
  const [namespace, name] = slash < 0 ? ['', key] : [key.slice(0, slash), key.slice(slash + 1)]
  return pathOf(resourceOf(kind), { namespace, name, ...(subresource === undefined ? {} : { subresource }) })
}
