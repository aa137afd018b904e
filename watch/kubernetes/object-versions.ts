import type { Version } from '../compact/compact-object.ts'
import type { Key } from '../objects/meta.ts'

/** How many deletions are remembered, against events that arrive late. */
const rememberedDeletions = 512

/**
 * The newest version seen of each object of a kind. A lagging server, or one that repeats itself
 * after a reconnect, must not take an object back in time, delete its successor or bring it back.
 * resourceVersions of one resource are comparable as numbers (KEP-5504; in fact since etcd 3).
 */
export class ObjectVersions {
  #versions = new Map<Key, number>()
  #deleted = new Map<Key, number>()

  /** True if this event is news; remembers it then. */
  admit(key: Key, version: Version, { deleted }: { deleted: boolean }): boolean {
    const number = versionNumber(version)
    const known = this.#versions.get(key) ?? this.#deleted.get(key)
    if (number !== undefined && known !== undefined) {
      // The deletion of what we have may carry the version we know.
      if (deleted && this.#versions.has(key) ? number < known : number <= known) return false
    }
    if (deleted) {
      this.#versions.delete(key)
      this.#deleted.delete(key)
      this.#deleted.set(key, number ?? 0)
      const [oldest] = this.#deleted.keys()
      if (this.#deleted.size > rememberedDeletions && oldest !== undefined) this.#deleted.delete(oldest)
    } else {
      this.#deleted.delete(key)
      this.#versions.set(key, number ?? 0)
    }
    return true
  }

  /** A complete list: these objects exist, and no others. */
  reset(versions: ReadonlyMap<Key, { readonly version: Version }>): void {
    this.#versions = new Map()
    this.#deleted = new Map()
    for (const [key, { version }] of versions) this.#versions.set(key, versionNumber(version) ?? 0)
  }

  get size(): number {
    return this.#versions.size
  }
}

/** undefined for versions that are no numbers (aggregated APIs may have such). */
export function versionNumber(version: Version): number | undefined {
  if (typeof version === 'number') return version
  return /^\d{1,15}$/.test(version) ? Number(version) : undefined
}

/** The later of two versions; the second where they cannot be compared. */
export function laterVersion(a: Version, b: Version): Version {
  const [left, right] = [versionNumber(a), versionNumber(b)]
  return left !== undefined && right !== undefined && left > right ? a : b
}
