import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Authorization } from './authorization.ts'

/** The kubelet replaces projected tokens well before they expire: reading once a minute is enough. */
const freshMs = 60_000

/**
 * A bearer token from a file that is rotated, as client-go reads it: again after a minute, at once
 * after a 401; while it cannot be read, or is empty, the last token stays in use.
 */
export class TokenFile implements Authorization {
  readonly extraHeaders: Readonly<Record<string, string>>
  readonly #path: string
  readonly #log: Logger
  readonly #freshMs: number
  #token: string | undefined
  #readAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined

  constructor(
    path: string,
    options: { log: Logger; freshMs?: number; extraHeaders?: Record<string, string> },
  ) {
    this.#path = path
    this.#log = options.log
    this.#freshMs = options.freshMs ?? freshMs
    this.extraHeaders = options.extraHeaders ?? {}
  }

  async header(): Promise<string | undefined> {
    if (performance.now() - this.#readAt >= this.#freshMs) {
      this.#reading ??= this.#read().finally(() => (this.#reading = undefined))
      await this.#reading
    }
    return this.#token === undefined ? undefined : `Bearer ${this.#token}`
  }

  rejected(): boolean {
    this.#readAt = Number.NEGATIVE_INFINITY
    return true
  }

  async #read(): Promise<void> {
    try {
      const token = (await readFile(this.#path, 'utf8')).trim()
      if (token === '') throw new Error('it is empty')
      this.#token = token
    } catch (error) {
      this.#log.warn(
        { err: error, file: this.#path },
        'token file cannot be read; the last token stays in use',
      )
    }
    this.#readAt = performance.now()
  }
}
