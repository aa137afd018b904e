import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { CachedAnswer, CacheStore } from './store.ts'

const NAME = /^[0-9a-f]{64}$/

/**
 * Answers as files, one each: a line of JSON, then the body. Files that are there are taken over, those that another process
 * has made as well. The key is in the file too, so that a file that somebody moved never answers for another request.
 */
export class DiskStore implements CacheStore {
  readonly #directory: string
  readonly #limit: number
  /** Size by file name, the one not asked for longest first. */
  readonly #files = new Map<string, number>()
  #size = 0
  #temporary = 0

  constructor(directory: string, limit: number) {
    this.#directory = directory
    this.#limit = limit
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(directory)) {
      if (!NAME.test(name)) continue
      const { size } = statSync(path.join(directory, name))
      this.#files.set(name, size)
      this.#size += size
    }
  }

  async get(key: string): Promise<CachedAnswer | undefined> {
    const name = nameOf(key)
    try {
      const content = await readFile(path.join(this.#directory, name))
      this.#remember(name, content.length)
      const end = content.indexOf(10)
      const head = JSON.parse(content.toString('utf8', 0, end)) as CachedAnswer & {
        key: string
        length: number
      }
      const body = content.subarray(end + 1)
      return head.key === key && head.length === body.length ? { ...head, body } : undefined
    } catch {
      this.#forget(name)
      return undefined
    }
  }

  set(key: string, answer: CachedAnswer): void {
    const { body, ...rest } = answer
    const head = `${JSON.stringify({ ...rest, key, length: body.length })}\n`
    const size = Buffer.byteLength(head) + body.length
    if (size > this.#limit) return
    const name = nameOf(key)
    const file = path.join(this.#directory, name)
    const temporary = path.join(this.#directory, `${process.pid}-${this.#temporary++}.new`)
    writeFile(temporary, Buffer.concat([Buffer.from(head), body]), { mode: 0o600 })
      .then(() => rename(temporary, file))
      .then(() => {
        this.#remember(name, size)
        this.#makeRoom()
      })
      // A full disk costs the cache, not the request.
      .catch(() => rm(temporary, { force: true }).catch(() => {}))
  }

  #makeRoom(): void {
    for (const oldest of this.#files.keys()) {
      if (this.#size <= this.#limit) return
      this.#forget(oldest)
      rm(path.join(this.#directory, oldest), { force: true }).catch(() => {})
    }
  }

  async delete(key: string): Promise<boolean> {
    const name = nameOf(key)
    this.#forget(name)
    return unlink(path.join(this.#directory, name)).then(
      () => true,
      () => false,
    )
  }

  /** As the one asked for last. */
  #remember(name: string, size: number): void {
    this.#forget(name)
    this.#files.set(name, size)
    this.#size += size
  }

  #forget(name: string): void {
    this.#size -= this.#files.get(name) ?? 0
    this.#files.delete(name)
  }
}

function nameOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
