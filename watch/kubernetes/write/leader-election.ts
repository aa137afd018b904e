import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { ApiClient } from '../connection/api-client.ts'
import { ApiError } from '../errors.ts'

/** The Lease that says which gateway writes status and Events. */
export const gatewayLease = 'plexus-gateway-status'

export interface LeaderElectionOptions {
  readonly client: ApiClient
  readonly namespace: string
  /** of the Lease, e.g. 'plexus-gateway-status' */
  readonly name: string
  /** of this candidate, unique: the name of the pod or node */
  readonly identity: string
  readonly log: Logger
  readonly onChange?: ((leading: boolean) => void) | undefined
  /** seconds after which others may take a Lease that is not renewed (15) */
  readonly leaseSeconds?: number | undefined
  /** how often it is tried or renewed, milliseconds (2000) */
  readonly retryMs?: number | undefined
}

export interface LeaderElection {
  readonly leading: boolean
  /** Gives the Lease back if we have it. */
  stop(): Promise<void>
}

interface LeaseSpec {
  readonly holderIdentity?: string | undefined
  readonly leaseDurationSeconds?: number | undefined
  readonly acquireTime?: string | undefined
  readonly renewTime?: string | undefined
  readonly leaseTransitions?: number | undefined
}

interface Lease {
  readonly metadata: { readonly resourceVersion?: string }
  readonly spec?: LeaseSpec
}

/**
 * Elects one of several candidates by a Lease (coordination.k8s.io/v1), compatible with client-go's.
 * Clocks are not compared: a Lease has expired when we have watched it unchanged for its duration.
 * Who cannot renew stops leading after two thirds of it, before anybody else may begin.
 */
export function electLeader(options: LeaderElectionOptions): LeaderElection {
  return new Election(options)
}

class Election implements LeaderElection {
  readonly #options: LeaderElectionOptions
  readonly #path: string
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #leading = false
  #renewedAt = Number.NEGATIVE_INFINITY
  #observed = { version: '', at: 0 }
  #lease: Lease | undefined

  constructor(options: LeaderElectionOptions) {
    this.#options = options
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`
    this.#running = this.#run()
  }

  get leading(): boolean {
    return this.#leading && performance.now() - this.#renewedAt < this.#deadlineMs
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    if (!this.#leading || this.#lease === undefined) return
    this.#become({ leading: false })
    const spec = { ...this.#lease.spec, holderIdentity: '', leaseDurationSeconds: 1 }
    await this.#put({ ...this.#lease, spec }).catch(() => {})
  }

  get #deadlineMs(): number {
    return ((this.#options.leaseSeconds ?? 15) * 1000 * 2) / 3
  }

  async #run(): Promise<void> {
    const { log, retryMs = 2000 } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        if (await this.#try()) {
          this.#renewedAt = performance.now()
          this.#become({ leading: true })
        } else this.#become({ leading: false })
      } catch (error) {
        log.debug({ err: error, lease: this.#options.name }, 'the Lease could not be taken or renewed')
        if (performance.now() - this.#renewedAt > this.#deadlineMs) this.#become({ leading: false })
      }
      await sleep(retryMs * (1 + Math.random() / 5), undefined, { signal }).catch(() => {})
    }
  }

  /** Takes or renews the Lease; false if somebody else has it. */
  async #try(): Promise<boolean> {
    const { identity, leaseSeconds = 15, name } = this.#options
    const begun = performance.now()
    const lease = await this.#get()
    const now = `${new Date().toISOString().slice(0, -1)}000Z`
    const mine = { holderIdentity: identity, leaseDurationSeconds: leaseSeconds, renewTime: now }
    if (lease === undefined) {
      const { namespace } = this.#options
      this.#lease = await this.#post({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name, namespace },
        spec: { ...mine, acquireTime: now, leaseTransitions: 0 },
      })
      return true
    }
    const { spec = {} } = lease
    const version = lease.metadata.resourceVersion ?? ''
    if (version !== this.#observed.version) this.#observed = { version, at: begun }
    const held =
      spec.holderIdentity !== undefined && spec.holderIdentity !== '' && spec.holderIdentity !== identity
    const expired = begun - this.#observed.at >= (spec.leaseDurationSeconds ?? leaseSeconds) * 1000
    if (held && !expired) return false
    const taken =
      spec.holderIdentity === identity
        ? mine
        : { ...mine, acquireTime: now, leaseTransitions: (spec.leaseTransitions ?? 0) + 1 }
    this.#lease = await this.#put({ ...lease, spec: { ...spec, ...taken } })
    return true
  }

  async #get(): Promise<Lease | undefined> {
    try {
      return (await this.#request({ path: `${this.#path}/${this.#options.name}` })) as Lease
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined
      throw error
    }
  }

  async #post(lease: unknown): Promise<Lease> {
    return (await this.#request({ method: 'POST', path: this.#path, body: lease })) as Lease
  }

  /** With the resourceVersion it was read at: of two candidates one gets 409. */
  async #put(lease: Lease): Promise<Lease> {
    return (await this.#request({
      method: 'PUT',
      path: `${this.#path}/${this.#options.name}`,
      body: lease,
    })) as Lease
  }

  /** No request may outlast the Lease. */
  #request(request: Parameters<ApiClient['json']>[0]): Promise<unknown> {
    return this.#options.client.json({ ...request, signal: AbortSignal.timeout(this.#deadlineMs / 2) })
  }

  #become({ leading }: { leading: boolean }): void {
    if (this.#leading === leading) return
    this.#leading = leading
    const { log, name, identity, onChange } = this.#options
    log.info({ lease: name, identity }, leading ? 'leads' : 'does not lead any more')
    onChange?.(leading)
  }
}
