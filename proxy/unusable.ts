import type { Logger } from 'pino'
import type { RecordEvent } from './events.ts'
import type { Problem } from './model/frontends.ts'
import type { Quarantine } from './sync/table-sync.ts'

export interface UnusableOptions {
  readonly log: Logger
  readonly recordEvent: RecordEvent
  readonly nodeName: () => string
  readonly ipFamily: 'IPv4' | 'IPv6'
}

/**
 * Services that are programmed without a part of them, or not at all: says so once for each new reason, as log and Event,
 * and knows them by name.
 */
export class Unusable {
  readonly #options: UnusableOptions
  readonly #parts = new Map<string, readonly Problem[]>()
  readonly #whole = new Map<string, Quarantine>()

  constructor(options: UnusableOptions) {
    this.#options = options
  }

  /** Services that something was left out of. */
  get parts(): ReadonlyMap<string, readonly Problem[]> {
    return this.#parts
  }

  /** Services no rules can be made of. */
  get whole(): ReadonlyMap<string, Quarantine> {
    return this.#whole
  }

  /** The rules of a Service were made, but for these parts of the object. */
  leftOut(service: string, problems: readonly Problem[]): void {
    this.#whole.delete(service)
    const known = new Set(this.#parts.get(service)?.map(textOf))
    if (problems.length === 0) this.#parts.delete(service)
    else this.#parts.set(service, problems)
    for (const problem of problems) {
      const text = textOf(problem)
      if (known.has(text)) continue
      known.add(text)
      const { field, message } = problem
      this.#options.log.warn({ object: `Service ${service}`, field }, `${message}; left out`)
      this.#tell(service, 'ServiceFieldIgnored', `${text}; left out of the rules`)
    }
  }

  /** No rules can be made of a Service. */
  broken(service: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error)
    const text = `no rules can be made of it: ${message}`
    const known = this.#whole.get(service)?.message === text
    this.#whole.set(service, { code: 'INVALID', message: text })
    if (known) return
    const { log, ipFamily } = this.#options
    log.error(
      { err: error, object: `Service ${service}`, ip_family: ipFamily },
      'no rules can be made of this Service; its previous ones stay',
    )
    this.#tell(service, 'ServiceRulesRefused', text)
  }

  /** The kernel refused the rules of a Service. */
  refused(service: string, { code, message }: Quarantine): void {
    const { log, ipFamily } = this.#options
    log.error(
      { object: `Service ${service}`, ip_family: ipFamily, code, reason: message },
      'the kernel refused the rules of this Service; its previous rules stay until it changes',
    )
    this.#tell(service, 'ServiceRulesRefused', `nf_tables refused the rules (${message})`)
  }

  forget(service: string): void {
    this.#parts.delete(service)
    this.#whole.delete(service)
  }

  #tell(service: string, reason: string, what: string): void {
    const { recordEvent, nodeName, ipFamily } = this.#options
    const message = `node ${nodeName()}, ${ipFamily}: ${what}`
    recordEvent({ kind: 'Service', object: service, type: 'Warning', reason, message })
  }
}

function textOf({ field, message }: Problem): string {
  return `${field}: ${message}`
}
