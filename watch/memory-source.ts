import { mustDecode } from './objects/decode.ts'
import type { Kind } from './objects/kinds.ts'
import type { Key } from './objects/meta.ts'
import type { Change, Sink, Source } from './source.ts'

export interface MemorySource extends Source {
  /** Adds or replaces objects given as plain Kubernetes JSON, in one step. Throws InvalidObjectError. */
  apply(...objects: unknown[]): void
  delete(kind: Kind, key: Key): void
}

/** A source for tests: objects put in by code. Also before it is started. */
export function memorySource(options: { name?: string; standalone?: boolean } = {}): MemorySource {
  const early: Change[] = []
  let sink: Sink | undefined
  const write = (changes: Change[]): void => {
    if (sink === undefined) early.push(...changes)
    else sink.apply(changes)
  }
  const name = options.name ?? 'memory'
  return {
    name,
    standalone: options.standalone ?? true,
    apply: (...objects) => write(objects.map((raw) => ({ object: mustDecode(raw) }))),
    delete: (kind, key) => write([{ kind, deleted: key }]),
    start: async (target) => {
      sink = target
      sink.apply(early.splice(0))
    },
    stop: async () => {
      sink = undefined
    },
    status: () => ({ source: name, synced: sink !== undefined, files: [], problems: [] }),
  }
}
