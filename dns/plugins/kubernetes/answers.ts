import type { Key } from '#watch'
import { type Freshness, untilChanged } from '../../core/freshness.ts'
import type { Reply } from '../../core/reply.ts'

interface Kept {
  readonly reply: Reply
  /** serial of the zone that the reply shows, -1 if it shows none */
  readonly serial: number
}

interface NameAnswers {
  readonly service: Key
  /** of answers that show nothing but the Service */
  readonly freshness: Freshness
  readonly byType: Map<number, Kept>
}

/** types per name that are kept; a client may ask for 65536 of them */
const maxTypes = 8

/** Rendered answers by name and type. It holds names of existing Services only, so their number is bounded. */
export class AnswerTable {
  readonly #names = new Map<string, NameAnswers>()
  readonly #services = new Map<Key, Set<string>>()

  /** The answer, if it still shows the zone's serial. */
  get(name: string, type: number, serial: number): Reply | undefined {
    const kept = this.#names.get(name)?.byType.get(type)
    return kept !== undefined && (kept.serial < 0 || kept.serial === serial) ? kept.reply : undefined
  }

  /** How long answers about a name last that show nothing but the Service. */
  freshness(service: Key, name: string): Freshness {
    return this.#of(service, name).freshness
  }

  put(service: Key, name: string, type: number, kept: Kept): void {
    const answers = this.#of(service, name)
    if (answers.byType.size < maxTypes || answers.byType.has(type)) answers.byType.set(type, kept)
  }

  #of(service: Key, name: string): NameAnswers {
    let answers = this.#names.get(name)
    if (answers === undefined) {
      answers = { service, freshness: untilChanged(), byType: new Map() }
      this.#names.set(name, answers)
      const names = this.#services.get(service) ?? new Set<string>()
      this.#services.set(service, names.add(name))
    }
    return answers
  }

  /** Forgets every answer about a Service. */
  drop(service: Key): void {
    for (const name of this.#services.get(service) ?? []) {
      const answers = this.#names.get(name)
      if (answers !== undefined) answers.freshness.stale = true
      this.#names.delete(name)
    }
    this.#services.delete(service)
  }

  clear(): void {
    for (const { freshness } of this.#names.values()) freshness.stale = true
    this.#names.clear()
    this.#services.clear()
  }
}
