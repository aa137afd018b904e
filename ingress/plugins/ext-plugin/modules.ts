import { readdirSync, statSync, watch } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Logger } from 'pino'
import type { ExternalPlugin } from './api.ts'

const SUFFIX = /\.(?:ts|mts|js|mjs)$/
const SETTLE_MS = 100

/**
 * The modules of a directory, by file name without its end; loaded again when a file changes. A version that does not load
 * leaves the one before in place.
 */
export class ExternalModules {
  readonly #directory: string
  readonly #log: Logger
  readonly #plugins = new Map<string, ExternalPlugin>()
  readonly #versions = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  /** Settled when what is there now has been loaded. */
  ready: Promise<void>

  constructor(directory: string, log: Logger) {
    this.#directory = directory
    this.#log = log
    this.ready = this.#load()
    this.#watch()
  }

  #watch(): void {
    const directory = this.#directory
    try {
      const watcher = watch(directory, { persistent: false }, () => {
        // Editors write in several steps.
        this.#timer ??= setTimeout(() => {
          this.#timer = undefined
          this.ready = this.ready.then(() => this.#load())
        }, SETTLE_MS).unref()
      })
      watcher.on('error', (error) =>
        this.#log.error({ directory, err: error }, 'external plugins are not watched'),
      )
    } catch (error) {
      this.#log.error({ directory, err: error }, 'external plugins are not watched')
    }
  }

  get(name: string): ExternalPlugin | undefined {
    return this.#plugins.get(name)
  }

  #files(): string[] {
    try {
      return readdirSync(this.#directory)
    } catch (error) {
      this.#log.error(
        { directory: this.#directory, err: error },
        'external plugins cannot be read, keeping what there was',
      )
      return []
    }
  }

  /** Never rejects. */
  async #load(): Promise<void> {
    for (const file of this.#files()) {
      if (!SUFFIX.test(file)) continue
      const full = path.join(this.#directory, file)
      try {
        const version = statSync(full).mtimeMs
        if (this.#versions.get(file) === version) continue
        this.#versions.set(file, version)
        // A module is cached for the life of the process: another version needs another URL.
        const module = (await import(`${pathToFileURL(full).href}?version=${version}`)) as {
          plugin?: unknown
        }
        if (typeof module.plugin !== 'object' || module.plugin === null)
          throw new Error(`${full} exports no object named plugin`)
        this.#plugins.set(file.replace(SUFFIX, ''), module.plugin as ExternalPlugin)
        this.#log.info({ file: full }, 'external plugin loaded')
      } catch (error) {
        this.#log.error({ file: full, err: error }, 'external plugin does not load, keeping what there was')
      }
    }
  }
}
