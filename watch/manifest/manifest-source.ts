import { hash } from 'node:crypto'
import { type BigIntStats, readFileSync } from 'node:fs'
import { basename, resolve, sep } from 'node:path'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Change, FileStatus, Problem, Sink, Source, SourceStatus } from '../source.ts'
import { Claims } from './claims.ts'
import { withServerMetadata } from './identity.ts'
import { type ManifestFile, type ObjectId, partsOf, readManifestFile } from './manifest-file.ts'
import { registerSourceMetrics } from './metrics.ts'
import { ProblemLog } from './problem-log.ts'
import { Settling } from './settling.ts'
import { isManifestName, look, ManifestTree, stampOf } from './tree.ts'

export interface ManifestSourceOptions {
  /** looked through recursively; of two with the same object the earlier wins */
  readonly directories: readonly string[]
  readonly log: Logger
  readonly metrics?: Registry | undefined
  /** full look-through as a safety net, milliseconds (30 s by default; 1 s where inotify fails) */
  readonly rescanMs?: number | undefined
}

/** A directory of manifests is missing at start. */
export class ManifestDirectoryError extends Error {
  readonly code = 'MANIFEST_DIRECTORY'

  constructor(directory: string) {
    super(`${directory} is no directory; create it or correct --manifests`)
    this.name = 'ManifestDirectoryError'
  }
}

interface KnownFile {
  readonly stamp: string
  readonly inode: bigint
  readonly digest: string
  readonly file: ManifestFile
}

/** How long a file that looks half-written is given to become whole, in milliseconds. */
const patience = { empty: 500, broken: 250, shrunken: 40 } as const
const quietMs = 15
const atMostMs = 60

/**
 * Kubernetes objects from directories of YAML and JSON files, followed as they change. Nobody runs a
 * control plane behind them (`standalone`). See README.md for what happens to wrong or half-written files.
 */
export function manifestSource(options: ManifestSourceOptions): Source {
  return new ManifestSource(options)
}

class ManifestSource implements Source {
  readonly name = 'manifests'
  readonly standalone = true
  readonly #roots: readonly string[]
  readonly #log: Logger
  readonly #rescanMs: number
  readonly #files = new Map<string, KnownFile>()
  readonly #unreadable = new Map<string, Problem>()
  readonly #doubts = new Map<string, number>()
  readonly #created = new Map<ObjectId, string>()
  readonly #claims: Claims
  readonly #tree: ManifestTree
  readonly #settling: Settling
  readonly #problemLog: ProblemLog
  #sink: Sink | undefined
  #synced = false
  #stopped = false
  #version = 0
  #rescan: NodeJS.Timeout | undefined

  constructor(options: ManifestSourceOptions) {
    this.#roots = [...new Set(options.directories.map((directory) => resolve(directory)))]
    this.#log = options.log
    this.#rescanMs = options.rescanMs ?? 30_000
    this.#problemLog = new ProblemLog(options.log)
    this.#claims = new Claims((a, b) => this.#compare(a, b))
    this.#settling = new Settling({
      quietMs,
      atMostMs,
      settled: (paths, since) => this.#update(paths, since),
    })
    this.#tree = new ManifestTree({
      roots: this.#roots,
      log: this.#log,
      onDirty: (path) => {
        if (!this.#stopped) this.#settling.touch(path)
      },
    })
    registerSourceMetrics(options.metrics, () => this.status())
  }

  async start(sink: Sink): Promise<void> {
    this.#sink = sink
    for (const root of this.#roots) {
      if (look(root)?.isDirectory() !== true) throw new ManifestDirectoryError(root)
    }
    this.#update(new Set(this.#roots), performance.now())
    this.#synced = true
    this.#scheduleRescan()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#rescan)
    this.#settling.stop()
    this.#tree.close()
  }

  status(): SourceStatus {
    const problems = [...this.#problems()]
    const byFile = Map.groupBy(problems, (problem) => problem.file)
    const paths = [...new Set([...this.#files.keys(), ...this.#unreadable.keys()])].sort((a, b) =>
      this.#compare(a, b),
    )
    const files = paths.map((path): FileStatus => {
      const file = this.#files.get(path)?.file
      const here = byFile.get(path) ?? []
      let state = file?.state ?? 'rejected'
      if (state === 'ok' && here.some(({ severity }) => severity === 'error')) state = 'degraded'
      return { file: path, state, objects: file?.contributions.size ?? 0, problems: here }
    })
    return { source: this.name, synced: this.#synced, files, problems }
  }

  *#problems(): Generator<Problem> {
    for (const { file } of this.#files.values()) yield* file.problems
    yield* this.#unreadable.values()
    yield* this.#claims.problems()
  }

  /** Reads what settled, files and whole folders, and passes the outcome on as one step. */
  #update(paths: ReadonlySet<string>, since: number): void {
    const touched = new Set<ObjectId>()
    const files = new Set<string>()
    for (const path of paths) {
      for (const file of this.#filesBehind(path)) files.add(file)
    }
    for (const path of [...files].sort((a, b) => this.#compare(a, b))) {
      for (const id of this.#readFile(path)) touched.add(id)
    }
    const changes = [...touched].map((id) => this.#changeOf(id))
    this.#sink?.apply(changes, { at: since })
    this.#problemLog.update(this.#problems())
  }

  /** A path that was touched as the files to read (again): itself, or those of a folder that came or went. */
  *#filesBehind(path: string): Generator<string> {
    const root = this.#rootOf(path)
    if (this.#hasGone(root)) return
    if (path !== root && this.#unreadable.has(root)) {
      // It is back: all of it, and a watch on the new folder, before any file of it counts.
      yield* this.#filesBehind(root)
    } else if (look(path)?.isDirectory() === true) {
      this.#unreadable.delete(path)
      yield* this.#tree.enter(path)
      yield* this.#knownBelow(path)
    } else if (this.#tree.isFolder(path)) {
      this.#tree.leave(path)
      yield* this.#knownBelow(path)
    } else if (isManifestName(basename(path))) yield path
  }

  #rootOf(path: string): string {
    return this.#roots.find((candidate) => isWithin(path, candidate)) ?? path
  }

  /** Unmounted or moved away: that is no wish to delete everything. */
  #hasGone(root: string): boolean {
    if (look(root) !== undefined) return false
    const message = 'this directory has gone; its objects stay until it is back'
    this.#unreadable.set(root, { severity: 'error', file: root, message })
    this.#settling.again(root, 250)
    return true
  }

  #knownBelow(folder: string): string[] {
    return [...this.#files.keys()].filter((file) => file !== folder && isWithin(file, folder))
  }

  /** Brings one file up to date; returns the ids of objects it may have changed. */
  #readFile(path: string): Iterable<ObjectId> {
    const known = this.#files.get(path)
    const stat = look(path)
    if (stat === undefined || !stat.isFile()) {
      return this.#hasGone(this.#rootOf(path)) ? [] : this.#forgetFile(path)
    }
    const stamp = stampOf(stat)
    let bytes: Buffer
    try {
      bytes = readFileSync(path)
      this.#unreadable.delete(path)
    } catch (error) {
      const message = `cannot be read: ${error instanceof Error ? error.message : error}`
      this.#unreadable.set(path, { severity: 'error', file: path, message })
      return []
    }
    const digest = hash('sha256', bytes)
    if (known?.digest === digest) {
      this.#doubts.delete(path)
      this.#files.set(path, { ...known, stamp, inode: stat.ino })
      return []
    }
    const file = readManifestFile(path, bytes.toString('utf8'), known?.file)
    if (this.#wait(path, this.#doubt(bytes, file, known, stat))) return []
    this.#files.set(path, { stamp, inode: stat.ino, digest, file })
    return this.#claims.update(known?.file, file)
  }

  #forgetFile(path: string): Iterable<ObjectId> {
    const known = this.#files.get(path)
    this.#doubts.delete(path)
    this.#unreadable.delete(path)
    this.#files.delete(path)
    return known === undefined ? [] : this.#claims.update(known.file, undefined)
  }

  /** How long to wait for the rest of a file that may be half-written; 0 if it looks whole. */
  #doubt(bytes: Buffer, file: ManifestFile, known: KnownFile | undefined, stat: BigIntStats): number {
    if (!this.#synced) return 0
    if (bytes.length === 0) return patience.empty
    if (!file.parsed) return patience.broken
    // Written anew in place, and objects are missing: perhaps the rest is still to come.
    if (known === undefined || known.inode !== stat.ino) return 0
    for (const id of known.file.contributions.keys())
      if (!file.contributions.has(id)) return patience.shrunken
    return 0
  }

  #wait(path: string, forMs: number): boolean {
    const now = performance.now()
    const since = this.#doubts.get(path) ?? now
    if (forMs === 0 || now - since >= forMs - 1) {
      this.#doubts.delete(path)
      return false
    }
    this.#doubts.set(path, since)
    this.#settling.again(path, forMs - (now - since))
    return true
  }

  #changeOf(id: ObjectId): Change {
    const resolution = this.#claims.resolve(id)
    if (resolution === undefined) {
      this.#created.delete(id)
      const { kind, key } = partsOf(id)
      return { kind, deleted: key }
    }
    let creationTimestamp = this.#created.get(id)
    if (creationTimestamp === undefined) {
      const seconds = Math.floor(Number(look(resolution.file)?.mtimeMs ?? Date.now()) / 1000)
      creationTimestamp = new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
      this.#created.set(id, creationTimestamp)
    }
    const resourceVersion = String(++this.#version)
    return { object: withServerMetadata(resolution.object, { id, resourceVersion, creationTimestamp }) }
  }

  /** Precedence: order of the directories, then of the paths. */
  #compare(a: string, b: string): number {
    const rank = (path: string): number => this.#roots.findIndex((root) => isWithin(path, root))
    return rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0)
  }

  #scheduleRescan(): void {
    if (this.#stopped) return
    const wait = this.#tree.polling ? Math.min(1000, this.#rescanMs) : this.#rescanMs
    this.#rescan = setTimeout(async () => {
      const known = new Map([...this.#files].map(([path, { stamp }]) => [path, stamp]))
      await this.#tree
        .audit(known)
        .catch((error) => this.#log.warn({ err: error }, 'looking through manifests failed'))
      this.#scheduleRescan()
    }, wait)
    this.#rescan.unref()
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + sep)
}
