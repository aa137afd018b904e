// What libcni (containernetworking/cni, libcni/api.go) does with a network list, for tests: containerd and CRI-O call
// plugins in exactly this way.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { binDirectory, type CniOutput, type Json, type Node, type Outcome } from './runtime.ts'

export interface NetworkList {
  readonly name: string
  readonly cniVersion?: string
  readonly cniVersions?: readonly string[]
  readonly disableCheck?: boolean
  readonly disableGC?: boolean
  readonly plugins: readonly Json[]
}

export interface Attachment {
  readonly containerID: string
  readonly ifname: string
  readonly netns: string
  /** What the runtime has for capabilities: portMappings, bandwidth ... */
  readonly capabilityArgs?: Json
}

interface Cached {
  readonly kind: 'cniCacheV1'
  readonly containerId: string
  readonly ifName: string
  readonly networkName: string
  readonly netns: string
  readonly capabilityArgs: Json
  readonly result: CniOutput
}

/** A plugin said no. */
export class PluginFailure extends Error {
  readonly type: string
  readonly outcome: Outcome

  constructor(type: string, command: string, outcome: Outcome) {
    super(`plugin type="${type}" failed (${command.toLowerCase()}): ${outcome.json.msg ?? outcome.stderr}`)
    this.type = type
    this.outcome = outcome
  }
}

/** One network of a node, driven as by libcni.CNIConfig. */
export class LibCni {
  readonly #node: Node
  readonly #list: NetworkList
  readonly #directory: string
  readonly #cache: string
  /** Commands and types in the order they were executed. */
  readonly calls: string[] = []

  constructor(node: Node, list: NetworkList, directory = binDirectory) {
    this.#node = node
    this.#list = list
    this.#directory = directory
    this.#cache = join(node.directory, 'results')
    mkdirSync(this.#cache, { recursive: true })
  }

  /** The newest version of cniVersion and cniVersions. */
  get cniVersion(): string {
    const { cniVersion, cniVersions = [] } = this.#list
    const all = [...(cniVersion === undefined ? [] : [cniVersion]), ...cniVersions]
    const order = (version: string): number =>
      version.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0)
    return all.sort((a, b) => order(b) - order(a))[0] ?? '0.1.0'
  }

  async add(attachment: Attachment): Promise<CniOutput> {
    let result: CniOutput | undefined
    for (const plugin of this.#list.plugins) {
      result = (await this.#execute('ADD', plugin, attachment, { prevResult: result })).json
    }
    const cached: Cached = {
      kind: 'cniCacheV1',
      containerId: attachment.containerID,
      ifName: attachment.ifname,
      networkName: this.#list.name,
      netns: attachment.netns,
      capabilityArgs: attachment.capabilityArgs ?? {},
      result: result ?? {},
    }
    writeFileSync(this.cachePath(attachment), JSON.stringify(cached), { mode: 0o600 })
    return result ?? {}
  }

  /** In reverse, with the final result of ADD; a cache that cannot be read counts as none. */
  async del(attachment: Attachment): Promise<void> {
    const prevResult = this.#readCache(this.cachePath(attachment))?.result
    for (const plugin of this.#list.plugins.toReversed()) {
      await this.#execute('DEL', plugin, attachment, { prevResult })
    }
    rmSync(this.cachePath(attachment), { force: true })
  }

  async check(attachment: Attachment): Promise<void> {
    if (this.#list.disableCheck === true) return
    const prevResult = this.#readCache(this.cachePath(attachment))?.result
    if (prevResult === undefined) throw new Error(`no cached result of ${attachment.containerID}`)
    for (const plugin of this.#list.plugins) await this.#execute('CHECK', plugin, attachment, { prevResult })
  }

  async status(): Promise<void> {
    for (const plugin of this.#list.plugins) await this.#execute('STATUS', plugin)
  }

  /** First a DEL for everything in the cache that is not listed, then GC of every plugin; all errors together. */
  async gc(valid: readonly { containerID: string; ifname: string }[]): Promise<void> {
    if (this.#list.disableGC === true) return
    const problems: unknown[] = []
    const isValid = (cached: Cached): boolean =>
      valid.some(({ containerID, ifname }) => containerID === cached.containerId && ifname === cached.ifName)
    for (const name of readdirSync(this.#cache)) {
      const cached = this.#readCache(join(this.#cache, name))
      if (cached === undefined || cached.networkName !== this.#list.name || isValid(cached)) continue
      const { containerId: containerID, ifName: ifname, netns, capabilityArgs } = cached
      await this.del({ containerID, ifname, netns, capabilityArgs }).catch((error: unknown) =>
        problems.push(error),
      )
    }
    const keys = { 'cni.dev/valid-attachments': valid, 'cni.dev/attachments': valid }
    for (const plugin of this.#list.plugins) {
      await this.#execute('GC', plugin, undefined, keys).catch((error: unknown) => problems.push(error))
    }
    if (problems.length > 0) throw new AggregateError(problems, problems.map(String).join('; '))
  }

  cachePath({ containerID, ifname }: Pick<Attachment, 'containerID' | 'ifname'>): string {
    return join(this.#cache, `${this.#list.name}-${containerID}-${ifname}`)
  }

  async #execute(command: string, plugin: Json, attachment?: Attachment, more: Json = {}): Promise<Outcome> {
    const { capabilities, type } = plugin
    const declared = Object.entries((capabilities ?? {}) as Record<string, boolean>).filter(([, on]) => on)
    const offered = attachment?.capabilityArgs ?? {}
    const runtimeConfig = Object.fromEntries(
      declared.filter(([name]) => name in offered).map(([name]) => [name, offered[name]]),
    )
    const conf = {
      ...plugin,
      name: this.#list.name,
      cniVersion: this.cniVersion,
      ...(Object.keys(runtimeConfig).length === 0 ? {} : { runtimeConfig }),
      ...more,
    }
    this.calls.push(`${command} ${String(type)}`)
    const outcome = await this.#node.run(
      conf,
      {
        command,
        id: attachment?.containerID ?? '',
        ifname: attachment?.ifname ?? '',
        netns: attachment?.netns ?? '',
      },
      this.#directory,
    )
    if (outcome.code !== 0) throw new PluginFailure(String(type), command, outcome)
    return outcome
  }

  #readCache(path: string): Cached | undefined {
    try {
      const cached = JSON.parse(readFileSync(path, 'utf8')) as Cached
      return cached.kind === 'cniCacheV1' ? cached : undefined
    } catch {
      return undefined
    }
  }
}
