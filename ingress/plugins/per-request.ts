import type { RequestContext } from '../dataplane/context.ts'

/** Something kept with a request by one instance of a plugin; the next one in line was kept before. */
export interface Note {
  readonly owner: object
  value: unknown
  readonly next: Note | undefined
}

/**
 * What a plugin keeps about a request between its phases. It hangs on the request itself: a WeakMap says the same, but its
 * entries cost the collector about a microsecond each.
 */
export class PerRequest<T> {
  get(context: RequestContext): T | undefined {
    // Only `set` of this very object puts a value under it.
    return this.#note(context)?.value as T | undefined
  }

  has(context: RequestContext): boolean {
    return this.get(context) !== undefined
  }

  set(context: RequestContext, value: T): void {
    const note = this.#note(context)
    if (note === undefined) context.notes = { owner: this, value, next: context.notes }
    else note.value = value
  }

  delete(context: RequestContext): void {
    const note = this.#note(context)
    if (note !== undefined) note.value = undefined
  }

  #note(context: RequestContext): Note | undefined {
    let note = context.notes
    while (note !== undefined && note.owner !== this) note = note.next
    return note
  }
}
