import {
  closeSync,
  existsSync,
  fsync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import {
  type Catalogue,
  type Entry,
  type JsonObject,
  KINDS,
  type Kind,
  type ObjectChange,
} from '../objects/index.ts'

/** The data directory holds something that is not ours or broken; nothing is overwritten. */
export class StorageError extends Error {
  readonly code = 'GW_STORAGE'
}

interface Line {
  readonly kind: Kind
  readonly id: string
  readonly revision: number
  readonly created?: number
  readonly value?: unknown
  /** When the object goes by itself, ms since 1970. */
  readonly expires?: number | undefined
}

/** How values are written down: a codec encrypts secrets in them. */
export interface ValueCodec {
  encode(kind: Kind, value: JsonObject): JsonObject
  decode(kind: Kind, value: JsonObject): JsonObject
}

const PLAIN: ValueCodec = { encode: (_kind, value) => value, decode: (_kind, value) => value }

const synced = promisify(fsync)
const COMPACT_AT = 1000

/**
 * Objects of the Admin API in one journal of JSON lines, synced to disk before a change is answered. A line cut short by
 * a crash is dropped on the next start (its request was never answered). The journal is rewritten, into a new file that
 * replaces the old one atomically, when it has grown long.
 */
export class Journal {
  readonly #file: string
  readonly #catalogue: Catalogue
  readonly #codec: ValueCodec
  readonly #expires = new Map<string, number>()
  #descriptor: number
  #lines = 0

  /** Opens (or makes) the journal and puts its objects into the catalogue. */
  constructor(directory: string, catalogue: Catalogue, codec: ValueCodec = PLAIN) {
    this.#codec = codec
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    this.#file = path.join(directory, 'objects.jsonl')
    this.#catalogue = catalogue
    this.#replay()
    this.#descriptor = openSync(this.#file, 'a', 0o600)
    this.#compact()
  }

  #replay(): void {
    if (!existsSync(this.#file)) return
    const text = readFileSync(this.#file, 'utf8')
    const lines = text.split('\n')
    const changes = new Map<string, Line>()
    for (const [index, text] of lines.entries()) {
      if (text === '') continue
      const line = parseLine(text)
      if (line === undefined) {
        if (index === lines.length - 1) break
        throw new StorageError(
          `${this.#file}: line ${index + 1} is not an object record; restore the file or move it away`,
        )
      }
      const name = `${line.kind}/${line.id}`
      // The order of creation is that of first insertion since the last deletion.
      if (line.value === undefined) changes.delete(name)
      else changes.set(name, line)
      this.#catalogue.revision = Math.max(this.#catalogue.revision, line.revision)
    }
    for (const { kind, id, revision, created, value: written, expires } of changes.values()) {
      const value = this.#codec.decode(kind, written as JsonObject)
      if (expires !== undefined) this.#expires.set(`${kind}/${id}`, expires)
      const entry = { id, value, createdIndex: created ?? revision, modifiedIndex: revision, origin: 'admin' }
      this.#catalogue.restore(kind, entry as unknown as Entry<typeof kind>)
    }
  }

  /** Objects that go by themselves, as read at the start. */
  get expiring(): { readonly kind: Kind; readonly id: string; readonly expires: number }[] {
    return [...this.#expires].map(([name, expires]) => {
      const slash = name.indexOf('/')
      return { kind: name.slice(0, slash) as Kind, id: name.slice(slash + 1), expires }
    })
  }

  /** Writes a change durably; one at a time, and before it is applied to the catalogue. Rejects with the system's error if that fails. */
  async append(change: ObjectChange, expires?: number | undefined): Promise<void> {
    const name = `${change.kind}/${change.id}`
    if (expires === undefined) this.#expires.delete(name)
    else this.#expires.set(name, expires)
    const revision = this.#catalogue.revision + 1
    const created = this.#catalogue.get(change.kind, change.id)?.createdIndex ?? revision
    this.#write(this.#descriptor, {
      kind: change.kind,
      id: change.id,
      revision,
      created,
      value: change.value,
      expires,
    })
    // Waiting for the disk here would hold up every request the gateway serves.
    await synced(this.#descriptor)
    if (++this.#lines >= COMPACT_AT) await this.#compactLater()
  }

  #write(descriptor: number, line: Line): void {
    const { value } = line
    const written = value === undefined ? value : this.#codec.encode(line.kind, value as JsonObject)
    writeSync(descriptor, `${JSON.stringify({ ...line, value: written })}\n`)
  }

  /** As #compact, for a running gateway. */
  async #compactLater(): Promise<void> {
    const descriptor = this.#writeAll()
    await synced(descriptor)
    this.#replace(descriptor)
  }

  #compact(): void {
    const descriptor = this.#writeAll()
    fsyncSync(descriptor)
    this.#replace(descriptor)
  }

  #writeAll(): number {
    const descriptor = openSync(`${this.#file}.new`, 'w', 0o600)
    for (const kind of KINDS) {
      for (const entry of this.#catalogue.list(kind)) {
        if (entry.origin !== 'admin') continue
        const { id, value, createdIndex, modifiedIndex } = entry
        const expires = this.#expires.get(`${kind}/${id}`)
        this.#write(descriptor, { kind, id, revision: modifiedIndex, created: createdIndex, value, expires })
      }
    }
    return descriptor
  }

  #replace(descriptor: number): void {
    renameSync(`${this.#file}.new`, this.#file)
    closeSync(this.#descriptor)
    this.#descriptor = descriptor
    this.#lines = 0
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

function parseLine(text: string): Line | undefined {
  try {
    const line = JSON.parse(text) as Line
    return KINDS.includes(line.kind) && typeof line.id === 'string' ? line : undefined
  } catch {
    return undefined
  }
}
