import { type BigIntStats, type FSWatcher, promises, readdirSync, statSync, watch } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import type { Logger } from 'pino'

export interface ManifestTreeOptions {
  /** absolute paths */
  readonly roots: readonly string[]
  readonly log: Logger
  /** something at this path appeared, changed or went away (a file, or a folder to look through) */
  readonly onDirty: (path: string) => void
}

/** A file as `stat` sees it, as text to compare. */
export function stampOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`
}

/** stat that follows symlinks; undefined if there is nothing or nothing to be seen. */
export function look(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/** Names which are no manifests: hidden, editor back-ups, switched off. `..data` of ConfigMap mounts is hidden too. */
export function isIgnored(name: string): boolean {
  return name.startsWith('.') || name.endsWith('~') || name.endsWith('.skip') || name.startsWith('#')
}

export function isManifestName(name: string): boolean {
  return /\.(ya?ml|json)$/.test(name) && !isIgnored(name)
}

interface Folder {
  readonly identity: string
  readonly watcher: FSWatcher | undefined
}

/** The folders under the roots, each with an inotify watch, symlinks followed. */
export class ManifestTree {
  readonly #roots: readonly string[]
  readonly #log: Logger
  readonly #onDirty: (path: string) => void
  readonly #folders = new Map<string, Folder>()
  #unwatched = 0

  constructor(options: ManifestTreeOptions) {
    this.#roots = options.roots
    this.#log = options.log
    this.#onDirty = options.onDirty
  }

  /** Whether some folder could not be watched and has to be polled. */
  get polling(): boolean {
    return this.#unwatched > 0
  }

  isFolder(path: string): boolean {
    return this.#folders.has(path)
  }

  isRoot(path: string): boolean {
    return this.#roots.includes(path)
  }

  /** Watches a folder and those below it; returns the manifest files in them. */
  enter(path: string): string[] {
    const stat = look(path)
    if (stat === undefined || !stat.isDirectory()) return []
    const identity = `${stat.dev}:${stat.ino}`
    if (this.#insideItself(path, identity)) return []
    if (this.#folders.get(path)?.identity !== identity) {
      this.leave(path)
      this.#folders.set(path, { identity, watcher: this.#watch(path) })
    }
    const files: string[] = []
    // The watch is in place: what appears while the names are read is seen twice, never missed.
    for (const name of namesIn(path)) {
      const child = join(path, name)
      if (isManifestName(name) && look(child)?.isFile() === true) files.push(child)
      else files.push(...this.enter(child))
    }
    return files
  }

  /** Stops watching a folder and those below it. */
  leave(path: string): void {
    for (const [folder, { watcher }] of this.#folders) {
      if (folder !== path && !folder.startsWith(path + sep)) continue
      if (watcher === undefined) this.#unwatched--
      watcher?.close()
      this.#folders.delete(folder)
    }
  }

  close(): void {
    for (const folder of [...this.#folders.keys()]) this.leave(folder)
  }

  /**
   * Looks through everything without blocking the event loop and reports what differs from what is
   * known: the safety net below inotify (lost events, symlinks into unwatched places, other mounts).
   */
  async audit(known: ReadonlyMap<string, string>): Promise<void> {
    const seen = new Set<string>()
    const walk = async (folder: string): Promise<void> => {
      const stat = await promises.stat(folder, { bigint: true }).catch(() => undefined)
      if (stat === undefined || !stat.isDirectory()) {
        if (this.isRoot(folder)) this.#onDirty(folder)
        return
      }
      const identity = `${stat.dev}:${stat.ino}`
      if (this.#insideItself(folder, identity)) return
      seen.add(folder)
      if (this.#folders.get(folder)?.identity !== identity) this.#onDirty(folder)
      for (const name of await promises.readdir(folder).catch((): string[] => [])) {
        if (isIgnored(name)) continue
        const child = join(folder, name)
        if (!isManifestName(name)) {
          await walk(child)
          continue
        }
        const file = await promises.stat(child, { bigint: true }).catch(() => undefined)
        if (file?.isDirectory() === true) await walk(child)
        if (file?.isFile() !== true) continue
        seen.add(child)
        if (known.get(child) !== stampOf(file)) this.#onDirty(child)
      }
    }
    for (const root of this.#roots) await walk(root)
    for (const path of [...known.keys(), ...this.#folders.keys()]) {
      if (!seen.has(path)) this.#onDirty(path)
    }
  }

  #watch(folder: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, (_, name) => this.#heard(folder, name))
      watcher.on('error', (error) => {
        this.#log.warn({ err: error, folder }, 'watching a folder of manifests failed; it is looked at anew')
        this.leave(folder)
        this.#onDirty(folder)
      })
      return watcher
    } catch (error) {
      this.#unwatched++
      this.#log.warn(
        { err: error, folder },
        'a folder of manifests cannot be watched and is polled; see fs.inotify.max_user_watches and max_user_instances',
      )
      return undefined
    }
  }

  #heard(folder: string, name: string | null): void {
    // Of a ConfigMap mount only the hidden link `..data` changes; and a folder reports its own end by its name.
    if (name === null || name.startsWith('..') || name === basename(folder)) this.#onDirty(folder)
    if (name !== null && !isIgnored(name)) this.#onDirty(join(folder, name))
  }

  /** A symlink that leads back above itself. */
  #insideItself(path: string, identity: string): boolean {
    for (let above = dirname(path); above !== dirname(above); above = dirname(above)) {
      if (this.#folders.get(above)?.identity === identity) return true
    }
    return false
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !isIgnored(name))
  } catch {
    return []
  }
}
