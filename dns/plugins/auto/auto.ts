import { type Dirent, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Next, Outcome } from '../../core/plugin.ts'
import type { Query } from '../../core/query.ts'
import { fillGroups } from '../../corefile/regexp.ts'
import { canonicalName, isName, longestZone } from '../../wire/index.ts'
import type { ZoneChange } from '../../zone/history.ts'
import type { ZoneSource } from '../../zone/source.ts'
import type { Zone } from '../../zone/zone.ts'
import { FilePlugin } from '../file/file.ts'

export interface AutoOptions {
  /** zones that files may be about */
  readonly zones: readonly string[]
  readonly directory: string
  readonly pattern: RegExp
  /** name of the zone, with groups of the pattern */
  readonly origin: string
  /** 0: look once */
  readonly reloadMs: number
}

/** Serves every zone file of a directory. */
export class AutoPlugin implements ZoneSource {
  readonly name = 'auto'
  readonly #options: AutoOptions
  readonly #log: Logger
  readonly #files = new Map<string, { file: string; plugin: FilePlugin }>()
  #timer: NodeJS.Timeout | undefined
  onZoneChange: ((zone: string) => void) | undefined

  constructor(options: AutoOptions, log: Logger) {
    this.#options = options
    this.#log = log
  }

  start(): void {
    this.#look()
    if (this.#options.reloadMs === 0) return
    this.#timer = setInterval(() => this.#look(), this.#options.reloadMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    for (const { plugin } of this.#files.values()) plugin.stop()
  }

  zone(origin: string): Zone | undefined {
    return this.#files.get(origin)?.plugin.zone(origin)
  }

  changes(origin: string, serial: number): readonly ZoneChange[] | undefined {
    return this.#files.get(origin)?.plugin.changes(origin, serial)
  }

  handle(query: Query, next: Next): Outcome {
    const origin = longestZone(query.name, [...this.#files.keys()])
    const found = origin === undefined ? undefined : this.#files.get(origin)
    return found === undefined ? next(query) : found.plugin.handle(query, next)
  }

  /** Adds zones of files that are new, drops those whose files are gone. A file that is wrong costs only its zone. */
  #look(): void {
    const wanted = this.#wanted()
    for (const [origin, { file, plugin }] of this.#files) {
      if (wanted.get(origin) === file) continue
      plugin.stop()
      this.#files.delete(origin)
      this.#log.info({ object: `zone ${origin}` }, 'zone removed')
    }
    for (const [origin, file] of wanted) {
      if (this.#files.has(origin)) continue
      const { reloadMs } = this.#options
      const plugin = new FilePlugin(
        { file, zones: [origin], reloadMs, byMtime: false, fallthrough: undefined },
        this.#log,
      )
      plugin.onZoneChange = (zone) => this.onZoneChange?.(zone)
      try {
        plugin.start()
        this.#files.set(origin, { file, plugin })
      } catch (error) {
        this.#log.error({ object: file, err: error }, 'the zone file cannot be read')
      }
    }
  }

  #wanted(): Map<string, string> {
    const { directory, pattern, origin, zones } = this.#options
    const wanted = new Map<string, string>()
    let entries: Dirent[] = []
    try {
      entries = readdirSync(directory, { withFileTypes: true, recursive: true })
    } catch (error) {
      this.#log.warn({ object: directory, err: error }, 'the directory of zones cannot be read')
    }
    for (const entry of entries) {
      const match = entry.isDirectory() ? null : pattern.exec(entry.name)
      const name = match === null ? '' : canonicalName(fillGroups(origin, match))
      if (match === null || !isName(name) || longestZone(name, zones) === undefined) continue
      wanted.set(name, join(entry.parentPath, entry.name))
    }
    return wanted
  }
}
