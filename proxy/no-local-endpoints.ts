import type { ServiceRules } from './model/service-rules.ts'

/** Counts service ports with traffic policy Local that have endpoints, but none on this node. */
export class NoLocalEndpoints {
  readonly #services = new Map<string, ServiceRules['noLocal']>()
  internal = 0
  external = 0

  /** Replaces what is known of a Service. */
  update(service: string, rules: ServiceRules | undefined): void {
    const before = this.#services.get(service)
    const after = rules?.noLocal
    this.internal += (after?.internal ?? 0) - (before?.internal ?? 0)
    this.external += (after?.external ?? 0) - (before?.external ?? 0)
    if (after === undefined || after.internal + after.external === 0) this.#services.delete(service)
    else this.#services.set(service, after)
  }
}
