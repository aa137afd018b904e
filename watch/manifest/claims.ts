import { formatPath } from '../objects/field.ts'
import type { AnyObject } from '../objects/kinds.ts'
import type { Problem } from '../source.ts'
import type { Contribution, ManifestFile, ObjectId } from './manifest-file.ts'
import { patchStatus } from './status-patch.ts'

interface Claim {
  readonly file: ManifestFile
  readonly contribution: Contribution
}

/** What became of an object id after files changed. */
export interface Resolution {
  readonly contribution: Contribution
  readonly file: string
  readonly object: AnyObject
}

/**
 * Which file has the say about which object. Of several files with the same object the first by path
 * order has it, whatever was written last; so the result depends on the files alone.
 */
export class Claims {
  readonly #objects = new Map<ObjectId, Claim[]>()
  readonly #patches = new Map<ObjectId, Claim[]>()
  readonly #contested = new Set<ObjectId>()
  readonly #misfits = new Map<ObjectId, Problem>()
  readonly #inOrder: (a: string, b: string) => number

  /** @param inOrder compares two paths by precedence */
  constructor(inOrder: (a: string, b: string) => number) {
    this.#inOrder = inOrder
  }

  /** Puts a file's new contributions in place of its old; returns the ids to resolve again. */
  update(before: ManifestFile | undefined, after: ManifestFile | undefined): Set<ObjectId> {
    const touched = new Set<ObjectId>()
    for (const contribution of before?.contributions.values() ?? []) {
      this.#remove(contribution, before?.path ?? '')
      touched.add(contribution.id)
    }
    if (after === undefined) return touched
    for (const contribution of after.contributions.values()) {
      this.#add({ file: after, contribution })
      touched.add(contribution.id)
    }
    return touched
  }

  /** The object an id stands for now; undefined if no file has it. */
  resolve(id: ObjectId): Resolution | undefined {
    this.#misfits.delete(id)
    const claim = this.#objects.get(id)?.[0]
    if (claim?.contribution.object === undefined) return undefined
    const { contribution, file } = claim
    const plain = { contribution, file: file.path, object: claim.contribution.object }
    const over = this.#patches.get(id)?.[0]
    if (over?.contribution.patch === undefined || contribution.raw === undefined) return plain
    const { patch } = over.contribution
    if (patch.uid !== '' && plain.object.metadata.uid !== '' && patch.uid !== plain.object.metadata.uid)
      return plain
    const patched = patchStatus(contribution.raw, patch)
    if ('kind' in patched) return { ...plain, object: patched }
    const [problem] = patched
    this.#misfits.set(id, {
      severity: 'error',
      file: over.file.path,
      ...over.contribution.at(),
      object: id,
      field: problem === undefined ? undefined : formatPath(problem.path),
      message: `${problem?.message ?? 'does not fit'} (laid over ${file.path})`,
    })
    return plain
  }

  /** Problems between files, as opposed to inside one. */
  *problems(): Generator<Problem> {
    yield* this.#misfits.values()
    for (const id of this.#contested) {
      for (const claims of [this.#objects.get(id), this.#patches.get(id)]) {
        const [winner, ...losers] = claims ?? []
        if (winner === undefined) continue
        for (const { file, contribution } of losers) {
          yield {
            severity: 'error',
            file: file.path,
            ...contribution.at(),
            object: id,
            message: `is defined in ${winner.file.path}:${winner.contribution.at().line} too, which wins; remove one`,
          }
        }
      }
    }
  }

  #add(claim: Claim): void {
    const { id } = claim.contribution
    const map = claim.contribution.patch === undefined ? this.#objects : this.#patches
    const claims = map.get(id)
    if (claims === undefined) {
      map.set(id, [claim])
      return
    }
    claims.push(claim)
    claims.sort((a, b) => this.#inOrder(a.file.path, b.file.path))
    this.#contested.add(id)
  }

  #remove({ id, patch }: Contribution, path: string): void {
    const map = patch === undefined ? this.#objects : this.#patches
    const rest = map.get(id)?.filter((claim) => claim.file.path !== path) ?? []
    if (rest.length === 0) map.delete(id)
    else map.set(id, rest)
    if ((this.#objects.get(id)?.length ?? 0) < 2 && (this.#patches.get(id)?.length ?? 0) < 2)
      this.#contested.delete(id)
  }
}
