import type { Answer } from './answer.ts'
import type { ApiState, Collection, ServedResource, StoredEvent } from './api-state.ts'
import type { RequestFacts } from './faults.ts'
import { fieldSelector, labelSelector, type Matches, type RawObject } from './selectors.ts'

/** An open watch of one client. */
export class OpenWatch {
  readonly resource: ServedResource
  readonly #answer: Answer
  readonly #state: ApiState
  readonly #collection: Collection
  readonly #matches: Matches
  readonly #bookmarks: boolean
  /** what was sent last, for repeating it */
  readonly sent: { type: string; object: RawObject }[] = []
  #held: StoredEvent[] | undefined
  readonly #listener = (event: StoredEvent): void => {
    if (this.#held === undefined) this.#deliver(event)
    else this.#held.push(event)
  }

  constructor(facts: RequestFacts, resource: ServedResource, answer: Answer, state: ApiState) {
    this.resource = resource
    this.#answer = answer
    this.#state = state
    this.#collection = state.collection(resource)
    this.#matches = selectorOf(facts)
    this.#bookmarks = facts.query.get('allowWatchBookmarks') === 'true'
  }

  /** Sends what the query asks for and goes on with what happens. */
  begin(query: URLSearchParams): void {
    const version = query.get('resourceVersion') ?? ''
    const initial = query.get('sendInitialEvents') === 'true'
    if (initial || version === '' || version === '0') {
      for (const object of this.#collection.objects.values()) {
        if (this.#matches(object)) this.#send('ADDED', object)
      }
      if (initial) this.bookmark({ initial: true })
    } else {
      if (Number(version) < this.#state.compacted) {
        this.expire()
        return
      }
      for (const event of this.#collection.history) if (event.version > Number(version)) this.#deliver(event)
    }
    this.#collection.listeners.add(this.#listener)
    this.#answer.onClose(() => this.#collection.listeners.delete(this.#listener))
    const seconds = Number(query.get('timeoutSeconds') ?? '0')
    if (seconds > 0) {
      const timer = setTimeout(() => this.end(), seconds * 1000)
      this.#answer.onClose(() => clearTimeout(timer))
    }
  }

  bookmark({ initial = false }: { initial?: boolean } = {}): void {
    if (!this.#bookmarks && !initial) return
    // What is held back lies before this version: a server never promises more than it has sent.
    if (this.#held !== undefined) return
    const { apiVersion, kind } = this.resource
    const annotations = initial ? { 'k8s.io/initial-events-end': 'true' } : {}
    const metadata = { name: '', uid: '', resourceVersion: String(this.#state.version), annotations }
    this.#answer.event('BOOKMARK', { apiVersion, kind, metadata })
  }

  /** An ERROR event of 410, and the end. */
  expire(): void {
    this.#answer.event('ERROR', {
      apiVersion: 'v1',
      kind: 'Status',
      metadata: {},
      status: 'Failure',
      message: 'too old resource version',
      reason: 'Expired',
      code: 410,
    })
    this.end()
  }

  end(): void {
    this.#answer.end()
  }

  /** Sends the last events once more, as a server that lost track would. */
  repeat(count: number): void {
    for (const { type, object } of this.sent.slice(-count)) this.#answer.event(type, object)
  }

  /** Until `release`, what happens is kept back; then it comes in reverse order. */
  hold(): void {
    this.#held ??= []
  }

  release(): void {
    const events = this.#held ?? []
    this.#held = undefined
    for (const event of events.reverse()) this.#deliver(event)
  }

  /** With selectors an object may come into view or leave it by being modified. */
  #deliver({ type, object, before }: StoredEvent): void {
    const now = type !== 'DELETED' && this.#matches(object)
    const earlier = before !== undefined && this.#matches(before)
    if (now) this.#send(earlier ? 'MODIFIED' : 'ADDED', object)
    else if (earlier) this.#send('DELETED', object)
  }

  #send(type: string, object: RawObject): void {
    this.sent.push({ type, object })
    if (this.sent.length > 50) this.sent.shift()
    this.#answer.event(type, object)
  }
}

export function selectorOf({ query }: RequestFacts): Matches {
  const fields = fieldSelector(query.get('fieldSelector') ?? '')
  const labels = labelSelector(query.get('labelSelector') ?? '')
  return (object) => fields(object) && labels(object)
}
