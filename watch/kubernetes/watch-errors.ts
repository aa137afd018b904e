/** A streamed list made no progress: the server may not know how to. */
export class StalledListError extends Error {
  readonly code = 'KUBERNETES_STALLED_LIST'

  constructor(ms: number) {
    super(`the server sent nothing of a streamed list for ${ms} ms`)
    this.name = 'StalledListError'
  }
}

/** A watch ended at once and without an event: a reason to wait before the next. */
export class ShortWatchError extends Error {
  readonly code = 'KUBERNETES_SHORT_WATCH'

  constructor() {
    super('the server ended a watch at once')
    this.name = 'ShortWatchError'
  }
}

/** A streamed list ended before it was complete. */
export class IncompleteListError extends Error {
  readonly code = 'KUBERNETES_INCOMPLETE_LIST'

  constructor() {
    super('the server ended a streamed list before it was complete')
    this.name = 'IncompleteListError'
  }
}
