import {
  allocate,
  checkCapacity,
  checkLease,
  collectLeases,
  dataDirectoryOf,
  type IpamConfig,
  type LeaseOwner,
  leasesOf,
  loadIpamConfig,
  type OwnerRecord,
  release,
} from '#ipam'
import { runDelegate } from './delegate.ts'
import type { CniCall } from './protocol/plugin.ts'
import { type CniResult, decodeResult } from './protocol/result.ts'

export interface IpamOptions {
  /** Ranges for a host-local configuration that names none. */
  readonly defaultRanges?: (() => readonly (readonly { subnet: string }[])[]) | undefined
  /** Kept with the lease; handed back to `isDead`. */
  readonly detail?: Readonly<Record<string, string>> | undefined
  readonly isDead?: ((record: OwnerRecord) => boolean) | undefined
}

/** The address management of one call: host-local in this process, any other type as a plugin of CNI_PATH. */
export class Ipam {
  readonly type: string
  readonly #call: CniCall
  readonly #options: IpamOptions

  constructor(call: CniCall, options: IpamOptions = {}) {
    this.type = call.conf.fields.object('ipam')?.string('type') ?? ''
    this.#call = call
    this.#options = options
  }

  /** False for a network without addresses (layer 2 only). */
  get present(): boolean {
    return this.type !== ''
  }

  async add(): Promise<CniResult> {
    if (!this.#isLocal) {
      const stdout = await runDelegate(this.#call, this.type, 'ADD')
      return decodeResult(JSON.parse(stdout), this.#call.conf.cniVersion)
    }
    const { ips, routes, dns } = await allocate(this.config(), this.#owner, this.#options)
    return { interfaces: [], ips, routes: routes as unknown as CniResult['routes'], dns }
  }

  async del(): Promise<void> {
    if (this.#isLocal) await release(this.#store, this.#owner)
    else if (this.present) await runDelegate(this.#call, this.type, 'DEL')
  }

  /** `expected`: the addresses that prevResult says the pod has. */
  async check(expected: readonly string[]): Promise<void> {
    if (this.#isLocal) await checkLease(this.config(), this.#owner, expected)
    else if (this.present) await runDelegate(this.#call, this.type, 'CHECK')
  }

  async status(): Promise<void> {
    if (this.#isLocal) await checkCapacity(this.config())
    else if (this.present) await runDelegate(this.#call, this.type, 'STATUS')
  }

  /** Gives back what nobody of `isValid` holds; returns the owners that were dropped (host-local only). */
  async gc(isValid: (owner: LeaseOwner) => boolean): Promise<readonly OwnerRecord[]> {
    if (this.#isLocal) return collectLeases(this.#store, isValid)
    if (this.present) await runDelegate(this.#call, this.type, 'GC')
    return []
  }

  /** Addresses held for this attachment as far as we know them; [] with a foreign plugin. */
  async addresses(): Promise<readonly string[]> {
    return this.#isLocal ? leasesOf(this.#store, this.#owner) : []
  }

  config(): IpamConfig {
    const { conf, args } = this.#call
    return loadIpamConfig({ conf: conf.fields, cniArgs: args, defaultRanges: this.#options.defaultRanges })
  }

  get #isLocal(): boolean {
    return this.type === 'host-local'
  }

  get #owner(): LeaseOwner {
    return { containerID: this.#call.containerID, ifname: this.#call.ifname }
  }

  get #store(): { dataDirectory: string; network: string } {
    const { fields, name } = this.#call.conf
    return { dataDirectory: dataDirectoryOf(fields.object('ipam')), network: name }
  }
}
