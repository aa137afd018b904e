import type { Logger } from 'pino'
import { CniRuntimeError } from './errors.ts'
import { type CniOperation, execPlugin } from './exec-plugin.ts'
import { type NetworkList, type PluginConf, parseNetworkList } from './network-list.ts'
import { type Attachment, ResultCache } from './result-cache.ts'

/** What of an ADD's result the kubelet reads (CNI spec 1.1.0, section 5). */
export interface CniResult {
  readonly cniVersion?: string
  readonly interfaces?: readonly { name: string; mac?: string; sandbox?: string }[]
  readonly ips?: readonly { address: string; gateway?: string; interface?: number }[]
}

/**
 * The container runtime's side of CNI, as libcni does it: plugins of a list run in order for ADD, each one's result
 * handed to the next as prevResult; DEL runs them backwards with the result of the whole ADD from the cache.
 */
export class CniRuntime {
  readonly #path: readonly string[]
  readonly #cache: ResultCache
  readonly #log: Logger

  constructor(options: { path: readonly string[]; cacheDirectory: string; log: Logger }) {
    this.#path = options.path
    this.#cache = new ResultCache(options.cacheDirectory)
    this.#log = options.log
  }

  /** Attaches; a failing plugin's error is thrown after everything was taken back by DEL, as container runtimes do. */
  async add(network: NetworkList, attachment: Attachment): Promise<CniResult> {
    let result: unknown
    try {
      for (const plugin of network.plugins) {
        result = await this.#exec('ADD', { network, plugin, attachment, prevResult: result })
      }
      if (result === undefined) throw new CniRuntimeError(`network ${network.name}: ADD gave no result`)
      this.#cache.write(network, attachment, result)
      return result as CniResult
    } catch (error) {
      await this.del(network, attachment).catch((cleanup: unknown) =>
        this.#log.warn({ err: cleanup, container: attachment.containerId }, 'DEL after a failed ADD failed'),
      )
      throw error
    }
  }

  /** Detaches; fine if it never was attached. What the ADD was given is used if the cache has it. */
  async del(network: NetworkList, attachment: Attachment): Promise<void> {
    const cached = this.#cache.read(network.name, attachment)
    const used =
      cached === undefined
        ? network
        : parseNetworkList(
            Buffer.from(cached.config, 'base64').toString(),
            'configuration in the result cache',
          )
    // Before 0.4.0 there was no prevResult in DEL.
    const prevResult = atLeast(used.cniVersion, [0, 4, 0]) ? cached?.result : undefined
    const full = {
      ...attachment,
      args: cached?.cniArgs ?? attachment.args,
      capabilities: cached?.capabilityArgs ?? attachment.capabilities,
    }
    for (const plugin of used.plugins.toReversed()) {
      await this.#exec('DEL', { network: used, plugin, attachment: full, prevResult })
    }
    this.#cache.remove(network.name, attachment)
  }

  /** Asks every plugin whether the attachment is still as ADD left it; throws the first complaint. */
  async check(network: NetworkList, attachment: Attachment): Promise<void> {
    if (!atLeast(network.cniVersion, [0, 4, 0])) {
      throw new CniRuntimeError(
        `configuration version ${network.cniVersion} does not support CHECK: use 0.4.0 or later`,
      )
    }
    if (network.disableCheck) return
    const prevResult = this.#cache.read(network.name, attachment)?.result
    for (const plugin of network.plugins) {
      await this.#exec('CHECK', { network, plugin, attachment, prevResult })
    }
  }

  #exec(
    operation: CniOperation,
    step: { network: NetworkList; plugin: PluginConf; attachment: Attachment; prevResult: unknown },
  ): Promise<unknown> {
    const { attachment, plugin } = step
    return execPlugin({
      operation,
      type: plugin.type,
      path: this.#path,
      variables: {
        CNI_CONTAINERID: attachment.containerId,
        CNI_NETNS: attachment.netns,
        CNI_IFNAME: attachment.ifName,
        CNI_ARGS: attachment.args.map(([key, value]) => `${key}=${value}`).join(';'),
      },
      conf: pluginStdin(step),
      onLog: (line) =>
        this.#log.info({ plugin: plugin.type, container: attachment.containerId, operation }, line),
    })
  }
}

/** What goes to a plugin's stdin: its own configuration with name, version, runtimeConfig and prevResult put in. */
function pluginStdin(step: {
  network: NetworkList
  plugin: PluginConf
  attachment: Attachment
  prevResult: unknown
}): unknown {
  const { network, plugin, attachment, prevResult } = step
  const declared = Object.entries(plugin.capabilities ?? {}).filter(([, wanted]) => wanted)
  const runtimeConfig = Object.fromEntries(
    declared.flatMap(([name]) => {
      const value = attachment.capabilities?.[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
  return {
    ...plugin,
    name: network.name,
    cniVersion: network.cniVersion,
    ...(Object.keys(runtimeConfig).length === 0 ? {} : { runtimeConfig }),
    ...(prevResult === undefined ? {} : { prevResult }),
  }
}

function atLeast(version: string, wanted: readonly [number, number, number]): boolean {
  const parts = version.split('.').map(Number)
  for (const [index, number] of wanted.entries()) {
    const part = parts[index] ?? 0
    if (part !== number) return part > number
  }
  return true
}
