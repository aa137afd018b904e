import type { FrontendKey } from '../model/service-rules.ts'

/**
 * Who owns a frontend that several Services ask for (the same external IP and port, the same node port). The oldest
 * Service wins, then the first by name: a rule without history, so that a restart decides alike.
 */
export class Claims {
  /** Claimants by frontend, the winner first; a bare string while there is only one, as nearly always. */
  readonly #claimants = new Map<FrontendKey, string | string[]>()
  readonly #ranks = new Map<string, string>()
  readonly #wants = new Map<string, readonly FrontendKey[]>()

  /** Replaces the claims of a Service and returns the other Services whose grants changed by that. */
  update(service: string, frontends: readonly FrontendKey[], created: string): Set<string> {
    const affected = new Set<string>()
    const note = (winner: string | undefined): void => {
      if (winner !== undefined && winner !== service) affected.add(winner)
    }
    for (const frontend of this.#wants.get(service) ?? []) {
      const rest = this.#claimantsOf(frontend).filter((claimant) => claimant !== service)
      const won = this.owns(service, frontend)
      this.#store(frontend, rest)
      if (won) note(rest[0])
    }
    if (frontends.length === 0) {
      this.#wants.delete(service)
      this.#ranks.delete(service)
      return affected
    }
    this.#wants.set(service, frontends)
    this.#ranks.set(service, `${created}\0${service}`)
    for (const frontend of frontends) {
      const others = this.#claimantsOf(frontend)
      if (others.length > 0) note(others[0])
      this.#store(
        frontend,
        others.length === 0 ? [service] : [...others, service].sort((a, b) => this.#compare(a, b)),
      )
    }
    return affected
  }

  owns(service: string, frontend: FrontendKey): boolean {
    return this.ownerOf(frontend) === service
  }

  ownerOf(frontend: FrontendKey): string | undefined {
    const claimants = this.#claimants.get(frontend)
    return typeof claimants === 'string' ? claimants : claimants?.[0]
  }

  #claimantsOf(frontend: FrontendKey): readonly string[] {
    const claimants = this.#claimants.get(frontend)
    if (claimants === undefined) return []
    return typeof claimants === 'string' ? [claimants] : claimants
  }

  #store(frontend: FrontendKey, claimants: string[]): void {
    const [only] = claimants
    if (only === undefined) this.#claimants.delete(frontend)
    else this.#claimants.set(frontend, claimants.length === 1 ? only : claimants)
  }

  #compare(a: string, b: string): number {
    const [rankA = '', rankB = ''] = [this.#ranks.get(a), this.#ranks.get(b)]
    return rankA < rankB ? -1 : rankA > rankB ? 1 : 0
  }
}
