import type { Key, Service, Store, Subscription } from '#watch'
import { addressFamily, canonicalAddress } from '../../wire/index.ts'

/** What a Service is reached by from outside: addresses, or names of load balancers. */
export function externalHosts(service: Service): string[] {
  const ingress = service.status.loadBalancer.ingress.map((entry) =>
    entry.ip !== undefined && entry.ip !== '' ? entry.ip : (entry.hostname ?? ''),
  )
  return [...new Set([...service.spec.externalIPs, ...ingress])].filter((host) => host !== '')
}

/** Services by their external addresses. */
export class ExternalAddresses {
  readonly #store: Store
  readonly #services = new Map<string, Set<Key>>()
  #subscription: Subscription | undefined

  constructor(store: Store) {
    this.#store = store
  }

  start(): void {
    this.#subscription = this.#store.subscribe({ name: 'dns external', kinds: ['Service'] }, (changes) => {
      if (changes.initial) this.#services.clear()
      for (const [key, { before, after }] of changes.objects('Service')) {
        for (const address of addressesOf(before)) this.#services.get(address)?.delete(key)
        for (const address of addressesOf(after)) {
          const keys = this.#services.get(address) ?? new Set<Key>()
          this.#services.set(address, keys.add(key))
        }
      }
    })
  }

  stop(): void {
    this.#subscription?.close()
  }

  servicesAt(address: string): Service[] {
    const keys = [...(this.#services.get(address) ?? [])].sort()
    return keys.flatMap((key) => this.#store.get('Service', key) ?? [])
  }
}

function addressesOf(service: Service | undefined): string[] {
  if (service === undefined) return []
  return externalHosts(service)
    .filter((host) => addressFamily(host) !== undefined)
    .map(canonicalAddress)
}
