import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Logger } from 'pino'
import { type Next, nothingToRepeat, type Outcome, type Plugin, type Repeat } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import type { InstanceView } from '../../core/setup.ts'
import type { MetricFamilies } from '../../metrics/metrics.ts'

/** Editors write a file in several steps: wait for the last. */
const settleMs = 50

export interface ReloadOptions {
  readonly intervalMs: number
  readonly jitterMs: number
  readonly instance: InstanceView
  readonly log: Logger
  readonly metrics: MetricFamilies
}

/** Reloads when the configuration is another one: at once when the kernel tells of a change, else at each interval. */
export class ReloadPlugin implements Plugin {
  readonly name = 'reload'
  readonly #options: ReloadOptions
  #watchers: FSWatcher[] = []
  #interval: NodeJS.Timeout | undefined
  #settle: NodeJS.Timeout | undefined
  /** a version that failed, or an error: not tried (nor logged) again until it changes */
  #rejected = ''
  #stopped = false

  constructor(options: ReloadOptions) {
    this.#options = options
  }

  handle(query: Query, next: Next): Outcome {
    return next(query)
  }

  repeat(): Repeat {
    return nothingToRepeat
  }

  start(): void {
    const { instance, metrics } = this.#options
    const info = metrics.gauge('coredns_reload_version_info', 'Hash of the configuration that serves.', [
      'hash',
      'value',
    ])
    info.reset()
    info.cell('sha512', instance.version).value = 1
    const directories = new Map<string, Set<string>>()
    for (const file of instance.files) {
      const names = directories.get(dirname(file)) ?? new Set<string>()
      directories.set(dirname(file), names.add(basename(file)))
    }
    for (const [directory, names] of directories) {
      try {
        // The directory: a ConfigMap volume exchanges the symbolic link '..data', editors rename files.
        const watcher = watch(directory, (_event, name) => {
          if (name === null || names.has(name) || name === '..data') this.#soon()
        })
        watcher.on('error', () => undefined)
        watcher.unref()
        this.#watchers.push(watcher)
      } catch {
        // Without inotify the interval has to do.
      }
    }
    this.#schedule()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#interval)
    clearTimeout(this.#settle)
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
  }

  #schedule(): void {
    const { intervalMs, jitterMs } = this.#options
    const wait = intervalMs + (Math.random() * 2 - 1) * jitterMs
    this.#interval = setTimeout(() => {
      this.#check()
      if (!this.#stopped) this.#schedule()
    }, wait)
    this.#interval.unref()
  }

  #soon(): void {
    clearTimeout(this.#settle)
    this.#settle = setTimeout(() => this.#check(), settleMs)
    this.#settle.unref()
  }

  #check(): void {
    if (this.#stopped) return
    const { instance, log } = this.#options
    let version: string
    try {
      version = instance.peekVersion()
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      if (text !== this.#rejected)
        log.error({ object: `Corefile ${instance.corefile}` }, `not reloaded: ${text}`)
      this.#rejected = text
      return
    }
    if (version === instance.version || version === this.#rejected) return
    this.#rejected = version
    log.info({ object: `Corefile ${instance.corefile}` }, 'the configuration changed, reloading')
    void instance.reload()
  }
}
