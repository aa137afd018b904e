import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { writeFileAtomically } from '../../cluster/state.ts'
import { CniRuntimeError } from './errors.ts'
import type { NetworkList } from './network-list.ts'

/** One interface of one container on one network. */
export interface Attachment {
  readonly containerId: string
  readonly netns: string
  readonly ifName: string
  /** CNI_ARGS. */
  readonly args: readonly (readonly [key: string, value: string])[]
  /** What plugins that declare a capability get as runtimeConfig: portMappings, bandwidth, dns ... */
  readonly capabilities?: Readonly<Record<string, unknown>> | undefined
}

/** A file of `<cache>/results/<network>-<container>-<ifname>`, as libcni writes it (libcni/api.go, cachedInfo). */
export interface CachedResult {
  readonly kind: 'cniCacheV1'
  readonly containerId: string
  /** The configuration list, base64. */
  readonly config: string
  readonly ifName: string
  readonly networkName: string
  readonly netns?: string
  readonly cniArgs?: readonly (readonly [string, string])[]
  readonly capabilityArgs?: Readonly<Record<string, unknown>>
  readonly result?: unknown
}

/** Results of ADD on disk, so that DEL and CHECK of a restarted runtime know them. */
export class ResultCache {
  readonly #directory: string

  /** @param directory libcni's cache directory (/var/lib/cni on a node); results go into `results` below it */
  constructor(directory: string) {
    this.#directory = path.join(directory, 'results')
  }

  #file(network: string, attachment: { containerId: string; ifName: string }): string {
    return path.join(this.#directory, `${network}-${attachment.containerId}-${attachment.ifName}`)
  }

  write(network: NetworkList, attachment: Attachment, result: unknown): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    const cached: CachedResult = {
      kind: 'cniCacheV1',
      containerId: attachment.containerId,
      config: Buffer.from(network.source).toString('base64'),
      ifName: attachment.ifName,
      networkName: network.name,
      netns: attachment.netns,
      cniArgs: attachment.args,
      ...(attachment.capabilities === undefined ? {} : { capabilityArgs: attachment.capabilities }),
      result,
    }
    writeFileAtomically(this.#file(network.name, attachment), JSON.stringify(cached))
  }

  /** The cached ADD; undefined if there was none. */
  read(network: string, attachment: { containerId: string; ifName: string }): CachedResult | undefined {
    const file = this.#file(network, attachment)
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    try {
      return JSON.parse(text) as CachedResult
    } catch (cause) {
      throw new CniRuntimeError(
        `${file}: the cached result is damaged; remove the file to delete without it`,
        {
          cause,
        },
      )
    }
  }

  remove(network: string, attachment: { containerId: string; ifName: string }): void {
    rmSync(this.#file(network, attachment), { force: true })
  }

  /** Everything cached: what a runtime takes for attached after a restart. */
  list(): CachedResult[] {
    let names: string[]
    try {
      names = readdirSync(this.#directory)
    } catch {
      return []
    }
    return names.flatMap((name) => {
      try {
        return [JSON.parse(readFileSync(path.join(this.#directory, name), 'utf8')) as CachedResult]
      } catch {
        return []
      }
    })
  }
}
