import type { Logger } from 'pino'
import type { NodePatch } from './publication.ts'

/** flannel's pause between attempts (pkg/subnet/kube, 3 s for 30 s); we do not give up. */
const RETRY_MS = 3000
/** A patch that was accepted but is not seen in the Node after this long is sent again. */
const ECHO_MS = 30_000

/** Sends patches one after another, again after a failure, and not twice while the Node has not come back yet. */
export class Publisher {
  readonly #publish: (patch: NodePatch) => Promise<void>
  readonly #log: Logger
  readonly #now: () => number
  #wanted: { key: string; patch: NodePatch } | undefined
  #accepted: { key: string; at: number } | undefined
  #sending = false
  #retry: NodeJS.Timeout | undefined
  #failure: string | undefined
  #closed = false

  constructor(options: {
    publish: (patch: NodePatch) => Promise<void>
    log: Logger
    now?: (() => number) | undefined
  }) {
    this.#publish = options.publish
    this.#log = options.log
    this.#now = options.now ?? (() => performance.now())
  }

  /** Why the last attempt failed; undefined if all is told. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** The patch that the Node needs now; undefined: none. */
  offer(patch: NodePatch | undefined): void {
    if (patch === undefined) {
      this.#wanted = undefined
      this.#accepted = undefined
      this.#failure = undefined
      return
    }
    // Times do not make a patch another one.
    const key = JSON.stringify([patch.metadata, patch.status?.conditions.map(({ type }) => type)])
    if (key === this.#accepted?.key && this.#now() - this.#accepted.at < ECHO_MS) return
    this.#wanted = { key, patch }
    if (this.#retry === undefined) void this.#send()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
  }

  async #send(): Promise<void> {
    const wanted = this.#wanted
    if (this.#sending || this.#closed || wanted === undefined) return
    this.#sending = true
    try {
      await this.#publish(wanted.patch)
      this.#accepted = { key: wanted.key, at: this.#now() }
      if (this.#wanted === wanted) this.#wanted = undefined
      this.#failure = undefined
      this.#log.info({ annotations: wanted.patch.metadata?.annotations }, 'Node tells about the overlay')
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (message !== this.#failure) this.#log.warn({ err: error }, 'Node could not be patched, trying again')
      this.#failure = message
      if (!this.#closed) {
        this.#retry = setTimeout(() => {
          this.#retry = undefined
          void this.#send()
        }, RETRY_MS)
        this.#retry.unref()
      }
    } finally {
      this.#sending = false
    }
    // Something newer may have come meanwhile.
    if (this.#wanted !== undefined && this.#retry === undefined) void this.#send()
  }
}
