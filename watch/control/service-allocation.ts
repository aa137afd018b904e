import type { Logger } from 'pino'
import { familyOf } from '../objects/address.ts'
import type { AnyObject, Kind } from '../objects/kinds.ts'
import { type IPFamily, type Key, keyOf } from '../objects/meta.ts'
import type { Service } from '../objects/service.ts'
import type { ObjectChange } from '../store/change-set.ts'
import { equalValues } from '../store/equal.ts'
import { type AddressRange, addressRanges } from './address-range.ts'
import type { Controller, DerivedWriter } from './controller.ts'
import { SlotAllocation } from './slot-allocation.ts'

/** The ports given out: 30000-32767 without the lowest 86, which are left to people (KEP-3668). */
const nodePorts = { first: 30086, size: 32768 - 30086 } as const

interface Wish {
  readonly service: Service
  /** addresses given by the manifest */
  readonly addresses: readonly string[]
  /** families to find an address for */
  readonly families: readonly IPFamily[]
  readonly ports: readonly number[]
  /** keys of node ports to find */
  readonly portKeys: readonly string[]
}

/**
 * Gives Services what the API server would: ClusterIPs, node ports and the health check node port. What
 * a manifest says always wins. The outcome is a function of the set of Services (see SlotAllocation),
 * so nodes that read the same manifests agree and a restart changes nothing; a new Service may move the
 * address of another in the rare case that their hashes collide.
 */
export class ServiceAllocation implements Controller {
  readonly #log: Logger
  readonly #families: ReadonlyMap<IPFamily, { range: AddressRange; slots: SlotAllocation }>
  readonly #ports = new SlotAllocation(nodePorts.size)
  readonly #wishes = new Map<Key, Wish>()
  readonly #complained = new Set<string>()
  #changed = false

  constructor(options: { readonly serviceCIDR: string; readonly log: Logger }) {
    this.#log = options.log
    this.#families = new Map(
      addressRanges(options.serviceCIDR).map((range) => [
        range.family,
        { range, slots: new SlotAllocation(range.size) },
      ]),
    )
  }

  /** Takes note of what a Service asks for; returns it with what it already has. */
  admit(object: AnyObject): AnyObject {
    if (object.kind !== 'Service') return object
    const key = keyOf(object)
    const wish = this.#wishOf(key, object)
    const before = this.#wishes.get(key)
    if (before !== undefined && sameWish(before, wish)) {
      this.#wishes.set(key, wish)
      return this.#fulfil(key, wish)
    }
    this.#forget(key)
    this.#wishes.set(key, wish)
    for (const address of wish.addresses) this.#reserve(address)
    for (const family of wish.families) this.#families.get(family)?.slots.request(key)
    for (const port of wish.ports) this.#ports.reserve(port)
    for (const portKey of wish.portKeys) this.#ports.request(portKey)
    this.#changed = true
    if (wish.families.length === 0 && wish.portKeys.length === 0) return object
    this.#allocate()
    return this.#fulfil(key, wish)
  }

  note(kind: Kind, key: Key, { after }: ObjectChange<AnyObject>): void {
    if (kind !== 'Service' || after !== undefined) return
    this.#forget(key)
    this.#wishes.delete(key)
    this.#changed = true
  }

  settle(writer: DerivedWriter): void {
    if (!this.#changed) return
    this.#changed = false
    this.#allocate()
    const moved = this.#allSlots().flatMap((slots) => [...slots.takeMoved()].map(serviceOfSlotKey))
    for (const key of new Set(moved)) {
      const wish = this.#wishes.get(key)
      if (wish !== undefined) writer.revise(this.#fulfil(key, wish))
    }
  }

  #allSlots(): SlotAllocation[] {
    return [...this.#families.values(), { slots: this.#ports }].map(({ slots }) => slots)
  }

  #allocate(): void {
    for (const slotKey of this.#allSlots().flatMap((slots) => slots.settle())) {
      const key = serviceOfSlotKey(slotKey)
      if (this.#complained.has(key)) continue
      this.#complained.add(key)
      this.#log.error({ object: `Service ${key}` }, 'no free ClusterIP or node port is left for this Service')
    }
  }

  #wishOf(key: Key, service: Service): Wish {
    const { spec } = service
    const addresses = spec.clusterIPs.filter((ip) => ip !== 'None')
    const headless = spec.clusterIPs.includes('None') || spec.type === 'ExternalName'
    const withPorts =
      spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts)
    const open = withPorts ? spec.ports.filter(({ nodePort }) => nodePort === 0) : []
    const health = spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'
    const portKeys = new Set(open.map(({ port }) => portKeyOf(key, port)))
    if (health && spec.healthCheckNodePort === 0) portKeys.add(healthKeyOf(key))
    const given = [...spec.ports.map(({ nodePort }) => nodePort), spec.healthCheckNodePort]
    return {
      service,
      addresses,
      families: headless ? [] : this.#familiesFor(service, addresses.map(familyOf)),
      ports: given.map((port) => port - nodePorts.first).filter((slot) => slot >= 0 && slot < nodePorts.size),
      portKeys: [...portKeys],
    }
  }

  /** The families an address has to be found for. */
  #familiesFor({ spec }: Service, present: readonly IPFamily[]): IPFamily[] {
    const offered = [...this.#families.keys()]
    const wanted = spec.ipFamilies.length > 0 ? [...spec.ipFamilies] : offered.slice(0, 1)
    if (spec.ipFamilyPolicy === 'SingleStack') wanted.splice(1)
    else wanted.push(...offered)
    return [...new Set(wanted)].filter((family) => this.#families.has(family) && !present.includes(family))
  }

  #fulfil(key: Key, { service, addresses, families, portKeys }: Wish): Service {
    const found = families.map((family) => {
      const { range, slots } = this.#families.get(family) ?? {}
      const slot = slots?.slotOf(key)
      return slot === undefined ? undefined : range?.addressOf(slot)
    })
    const clusterIPs = [...addresses, ...found.filter((address) => address !== undefined)]
    const portFor = (portKey: string): number => {
      const slot = portKeys.includes(portKey) ? this.#ports.slotOf(portKey) : undefined
      return slot === undefined ? 0 : nodePorts.first + slot
    }
    const { spec } = service
    return {
      ...service,
      spec: {
        ...spec,
        clusterIP: clusterIPs[0] ?? spec.clusterIP,
        clusterIPs: clusterIPs.length > 0 ? clusterIPs : spec.clusterIPs,
        ipFamilies: clusterIPs.length > 0 ? clusterIPs.map(familyOf) : spec.ipFamilies,
        ports: spec.ports.map((port) =>
          port.nodePort === 0 ? { ...port, nodePort: portFor(portKeyOf(key, port.port)) } : port,
        ),
        healthCheckNodePort: spec.healthCheckNodePort || portFor(healthKeyOf(key)),
      },
    }
  }

  #reserve(address: string): void {
    const family = this.#families.get(familyOf(address))
    const slot = family?.range.slotOf(address)
    if (slot !== undefined) family?.slots.reserve(slot)
  }

  /** Takes back what the former version of a Service asked for. */
  #forget(key: Key): void {
    const wish = this.#wishes.get(key)
    if (wish === undefined) return
    for (const address of wish.addresses) {
      const family = this.#families.get(familyOf(address))
      const slot = family?.range.slotOf(address)
      if (slot !== undefined) family?.slots.unreserve(slot)
    }
    for (const family of wish.families) this.#families.get(family)?.slots.drop(key)
    for (const port of wish.ports) this.#ports.unreserve(port)
    for (const portKey of wish.portKeys) this.#ports.drop(portKey)
  }
}

function sameWish(a: Wish, b: Wish): boolean {
  return (
    equalValues(a.addresses, b.addresses) &&
    equalValues(a.families, b.families) &&
    equalValues(a.ports, b.ports) &&
    equalValues(a.portKeys, b.portKeys)
  )
}

/** Ports of one number share their node port over protocols, as from the API server. */
function portKeyOf(service: Key, port: number): string {
  return `${service}:${port}`
}

function healthKeyOf(service: Key): string {
  return `${service}:health`
}

function serviceOfSlotKey(slotKey: string): Key {
  const colon = slotKey.indexOf(':')
  return colon < 0 ? slotKey : slotKey.slice(0, colon)
}
