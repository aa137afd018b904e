import { isDeepStrictEqual } from 'node:util'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { adminKeys } from '../admin/access.ts'
import type { ObjectStorage } from '../admin/object-storage.ts'
import { adminApi } from '../admin/server.ts'
import type { AdminConfig, AdminKey, GatewayConfig, ListenAddress } from '../config/gateway-config.ts'
import type { Catalogue } from '../objects/index.ts'
import type { Plugin } from '../plugins/index.ts'
import type { UpstreamGroup } from '../upstream/index.ts'
import { ManagementPort } from './management-port.ts'
import { metricsAddress, metricsApi } from './metrics-server.ts'
import { controlApi } from './server.ts'

/** What the ports for operators show and change. */
export interface Managed {
  readonly catalogue: Catalogue
  readonly registry: ReadonlyMap<string, Plugin>
  readonly storage: ObjectStorage
}

export interface ManagementOptions {
  readonly log: Logger
  readonly metrics: Pick<Registry, 'metrics' | 'contentType'>
  /** Resolves once every process uses what was written. */
  readonly settled: () => Promise<void>
  readonly groups: () => Iterable<readonly [owner: string, group: UpstreamGroup]>
}

interface OpenPort {
  readonly listen: ListenAddress
  readonly port: ManagementPort
}

type Name = 'the Admin API' | 'the control API' | 'the metrics'

/** The ports for operators, kept in line with the configuration. */
export class Management {
  readonly #options: ManagementOptions
  readonly #open = new Map<Name, OpenPort>()
  /** A key that was generated stays as long as what it was generated for. */
  #keys: { readonly basis: unknown; readonly keys: readonly AdminKey[] } | undefined

  constructor(options: ManagementOptions) {
    this.#options = options
  }

  get admin(): ListenAddress | undefined {
    return this.#open.get('the Admin API')?.port.address
  }
  get control(): ListenAddress | undefined {
    return this.#open.get('the control API')?.port.address
  }
  get metrics(): ListenAddress | undefined {
    return this.#open.get('the metrics')?.port.address
  }

  /** Serves what the configuration says; ports that stay are not closed. Throws GatewayListenError. */
  async change(config: GatewayConfig, managed: Managed): Promise<void> {
    const { log, metrics, settled, groups } = this.#options
    const { admin, control, stream } = config
    const streams = stream.tcp.length + stream.udp.length > 0
    const exported = metricsAddress(config.pluginAttributes)
    const api =
      admin &&
      adminApi({ ...managed, config: admin, keys: this.#keysOf(config, admin), streams, log, settled })
    await this.#set('the Admin API', admin?.listen, api)
    await this.#set('the control API', control, control && controlApi({ ...managed, groups }))
    await this.#set('the metrics', exported?.listen, exported && metricsApi(exported.uri, metrics))
  }

  #keysOf({ dataDirectory }: GatewayConfig, admin: AdminConfig): readonly AdminKey[] {
    const basis = { keys: admin.keys, required: admin.keyRequired, dataDirectory }
    if (this.#keys === undefined || !isDeepStrictEqual(this.#keys.basis, basis))
      this.#keys = { basis, keys: adminKeys(admin, dataDirectory, this.#options.log) }
    return this.#keys.keys
  }

  async #set(name: Name, listen: ListenAddress | undefined, app: FastifyInstance | undefined): Promise<void> {
    const before = this.#open.get(name)
    if (app !== undefined && before !== undefined && isDeepStrictEqual(before.listen, listen)) {
      await before.port.serve(app)
      return
    }
    if (listen === undefined || app === undefined) this.#open.delete(name)
    else this.#open.set(name, { listen, port: await ManagementPort.open(name, listen, app) })
    await before?.port.close()
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ port }) => port.close()))
    this.#open.clear()
  }
}
