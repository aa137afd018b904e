import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type AnyObject, isKind, type Kind } from '../objects/kinds.ts'

/** Raise this whenever the shape of a stored object changes: a snapshot of another shape is not read. */
const formatVersion = 1

/** A snapshot that cannot be used; the message names the file and why. */
export class SnapshotError extends Error {
  readonly code = 'WATCH_SNAPSHOT'

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'SnapshotError'
  }
}

export interface Snapshot {
  /** ISO 8601 */
  readonly written: string
  readonly objects: ReadonlyMap<Kind, readonly AnyObject[]>
}

interface Head {
  readonly plexus: 'watch snapshot'
  readonly version: number
  readonly written: string
  /** what was watched, and where: another scope is another snapshot */
  readonly scope: string
}

const linesAtOnce = 256

/**
 * Writes all objects: a head, a line of JSON per object, and a last line with the SHA-256 of all
 * before. Aside, synced and renamed over: there is a whole snapshot at every moment. Readable by its
 * owner alone, as Secrets are among the objects. The event loop gets its turn every few hundred objects.
 * Resolves to the size in bytes.
 */
export async function writeSnapshot(
  file: string,
  options: { scope: string; kinds: Iterable<readonly [Kind, Iterable<AnyObject>]> },
): Promise<number> {
  await mkdir(dirname(file), { recursive: true })
  const aside = `${file}.new`
  const handle = await open(aside, 'w', 0o600)
  let bytes = 0
  try {
    const hash = createHash('sha256')
    const write = async (text: string): Promise<void> => {
      hash.update(text)
      bytes += text.length
      await handle.writeFile(text)
    }
    const head: Head = {
      plexus: 'watch snapshot',
      version: formatVersion,
      written: new Date().toISOString(),
      scope: options.scope,
    }
    await write(`${JSON.stringify(head)}\n`)
    for (const [kind, objects] of options.kinds) {
      let lines: string[] = []
      for (const object of objects) {
        lines.push(`${JSON.stringify(object, bytesKinds.has(kind) ? withBytes : undefined)}\n`)
        if (lines.length < linesAtOnce) continue
        await write(lines.join(''))
        lines = []
      }
      if (lines.length > 0) await write(lines.join(''))
    }
    await handle.writeFile(`${JSON.stringify({ sha256: hash.digest('hex') })}\n`)
    await handle.sync()
  } catch (error) {
    await handle.close()
    await rm(aside, { force: true })
    throw error
  }
  await handle.close()
  await rename(aside, file)
  return bytes
}

/** Reads a snapshot; undefined if there is none. Throws SnapshotError if it is of no use. */
export async function readSnapshot(file: string, scope: string): Promise<Snapshot | undefined> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new SnapshotError(`${file}: cannot be read`, { cause })
  }
  const lastLine = bytes.lastIndexOf(10, bytes.length - 2) + 1
  const body = bytes.subarray(0, lastLine)
  if (sumOf(bytes.subarray(lastLine)) !== createHash('sha256').update(body).digest('hex')) {
    throw new SnapshotError(`${file}: is damaged (its checksum is wrong); it is not used`)
  }
  const [first = '', ...lines] = body.toString('utf8').split('\n')
  const head = JSON.parse(first) as Head
  if (head.plexus !== 'watch snapshot' || head.version !== formatVersion) {
    throw new SnapshotError(
      `${file}: has format ${head.version}, this version reads ${formatVersion}; it is not used`,
    )
  }
  if (head.scope !== scope) {
    throw new SnapshotError(`${file}: is of another cluster or of other kinds; it is not used`)
  }
  const objects = new Map<Kind, AnyObject[]>()
  for (const line of lines) {
    if (line === '') continue
    const object = JSON.parse(line, line.includes('"$bytes"') ? bytesOf : undefined) as AnyObject
    if (!isKind(object.kind)) continue
    const list = objects.get(object.kind)
    if (list === undefined) objects.set(object.kind, [object])
    else list.push(object)
  }
  return { written: head.written, objects }
}

function sumOf(line: Buffer): string | undefined {
  try {
    return (JSON.parse(line.toString('utf8')) as { sha256?: string }).sha256
  } catch {
    return undefined
  }
}

/** The kinds with values that JSON has no words for. */
const bytesKinds: ReadonlySet<Kind> = new Set(['Secret', 'ConfigMap'])

/** A Buffer's own toJSON comes first: the value before it is in `this`. */
function withBytes(this: Record<string, unknown>, name: string, value: unknown): unknown {
  const original = this[name]
  if (!(original instanceof Uint8Array)) return value
  return { $bytes: Buffer.from(original).toString('base64') }
}

function bytesOf(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$bytes' in value)) return value
  const { $bytes } = value
  return typeof $bytes === 'string' ? Buffer.from($bytes, 'base64') : value
}
